"""Write what was measured into README.md and the docs: no number there is typed by hand.

    make bench                       # fills benchmarks/results/, then runs this
    python benchmarks/_report.py [--demo work_dirs/demo/record/record.json]

The text between `<!-- measured:NAME -->` and `<!-- /measured -->` is what the function for NAME makes of the results.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import _bdam_tables
import _caption_tables
import _interaction_tables
import _kernel_tables
import _style_tables
import _tables
from _tables import HERE
from _targets import MISSED, PAGE_LIMIT_MS, RENDER_LIMIT_S, TARGETS

from tbpsbench.files import atomic_write
from tbpsbench.leaderboard.render.rows import column_order

DOCS = (
    "performance", "leaderboard", "bdam", "disentangling", "captions", "clustering", "text-towers", "interaction",
)  # fmt: skip
PAGES = (HERE.parent / "README.md", *(HERE.parent / "docs" / f"{name}.md" for name in DOCS))
BLOCK = re.compile(r"(<!-- measured:(\w+) -->\n).*?(<!-- /measured -->)", re.S)


def result(name: str) -> dict[str, Any]:
    """One benchmark's JSON, as `make bench` left it."""
    found: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def demo() -> str:
    """The table of `make demo`."""
    record = result("demo")
    columns = sorted(record["results"]["standard"]["scores"], key=column_order)
    lines = [f"| protocol | {' | '.join(columns)} | queries x gallery |", "| --- |" + " ---: |" * (len(columns) + 1)]
    for name in record["config"]["evaluation"]["protocols"]:
        found, cells = record["results"][name], []
        for column in columns:
            low, high = found["intervals_95"][column]
            cells.append(f"{found['scores'][column]:.2f} ({low:.1f} - {high:.1f})")
        lines.append(f"| {name} | {' | '.join(cells)} | {found['queries']} x {found['gallery']} |")
    cost, selection = record["cost"], record["selection"]
    device, seconds = record["environment"]["device"], cost["train_s"]
    lines += [
        "",
        f"In percent, with 95 % intervals over identities; {cost['parameters'] / 1e6:.2f} M parameters, "
        f"{cost['steps']} steps in {seconds:.0f} s on two cores of {device}; checkpoint chosen by the rule "
        f"`{selection['rule']}`, seed {record['seed']}. Reruns on the same CPU model give exactly these numbers.",
    ]
    return "\n".join(lines)


def benchmarks() -> str:
    """One line for each claim of speed."""
    return "\n".join(
        [
            "| benchmark | against | measured | target | met |",
            "| --- | --- | ---: | ---: | --- |",
            *_evaluation_rows(),
            *_loading_rows(),
            *_training_rows(),
            *_kernel_rows(),
            *_reranking_rows(),
            *_caption_rows(),
            *_board_rows(),
            "",
            f"Ratios within one run, on {_processors()}; written by `make bench`.",
        ]
    )


def _processors() -> str:
    """What the evaluation ran on, and the kernels where that was another machine."""
    usual, kernels = (result(name)["environment"]["cpu"] for name in ("evaluation", "kernels"))
    return usual if usual == kernels else f"{usual} (`kernels.py`: {kernels})"


def _evaluation_rows() -> list[str]:
    size = result("evaluation")["size"]
    what = f"`evaluation.py`: exact evaluation, {size['queries']:,} x {size['gallery']:,}"
    return [
        _ratio_row(what, "argsort evaluation, time", ("evaluation", "speedup_vs_argsort"), "faster"),
        _ratio_row("", "argsort evaluation, peak memory", ("evaluation", "memory_vs_argsort"), "less"),
        _ratio_row("", "the matrix product alone", ("evaluation", "time_vs_matmul"), "its time"),
    ]


def _loading_rows() -> list[str]:
    what, against = "`data_loading.py`: loader with cache, 2 workers", "decoding and resizing each time"
    return [_ratio_row(what, against, ("data_loading", "images_per_second_cached_over_decoded"), "images/s")]


def _training_rows() -> list[str]:
    found = result("training")
    what = f"`training.py`: a step of IRRA, ViT-B/16, batch {found['batch']}, "
    return [
        _ratio_row(f"{what}{name}", "a textbook implementation", ("training", name), "faster")
        for name in found["ratios"]
    ]


def _kernel_rows() -> list[str]:
    found = result("kernels")
    size = found["size"]

    def name(text: str, key: str) -> str:
        return f"`kernels.py`: {text}, {' x '.join(f'{value:,}' for value in size[key].values())}"

    rows = (
        ("infonce_vs_textbook", name("InfoNCE", "infonce"), "the whole matrix with autograd, time", "faster"),
        ("infonce_memory_vs_textbook", "", "the same, peak memory", "less"),
        ("sdm_vs_textbook", name("SDM", "sdm"), "the whole matrix with autograd, time", "faster"),
        ("sdm_memory_vs_textbook", "", "the same, peak memory", "less"),
        ("tal_vs_textbook", name("TAL", "tal"), "the whole matrix with autograd, time", "faster"),
        ("tal_memory_vs_textbook", "", "the same, peak memory", "less"),
        ("hsic_vs_textbook", name("HSIC", "hsic"), "tr(KHLH) as in the BDAM paper", "faster"),
        ("hsic_vs_width", "", "centred X^T Y with torch's autograd", "faster"),
        ("triplet_vs_pml", name("batch-hard triplet loss", "triplet"), "pytorch-metric-learning", "faster"),
        ("scan_vs_published", name("selective scan", "scan"), "the published recurrence with autograd", "faster"),
        ("scan_vs_mambapy", "", "mamba.py's parallel scan", "faster"),
        ("scan_one_position_vs_published", "`kernels.py`: one position, forward", "the published recurrence", "faster"),
    )
    # Races with packages that are not installed have no ratio.
    return [
        _ratio_row(what, against, ("kernels", key), unit) for key, what, against, unit in rows if key in found["ratios"]
    ]


def _reranking_rows() -> list[str]:
    size = result("reranking")["size"]
    what = f"`reranking.py`: k-reciprocal encoding, {size['queries']:,} x {size['gallery']:,}"
    at_once = f"{size['einsum_texts']} texts at once"
    late = f"`reranking.py`: late interaction, {size['sets']:,} x {size['sets']:,}"
    return [
        _ratio_row(what, "the released form, time", ("reranking", "reciprocal_vs_released"), "faster"),
        _ratio_row("", "the released form, peak memory", ("reranking", "reciprocal_memory_vs_released"), "less"),
        _ratio_row(late, f"einsum, {at_once}, time", ("reranking", "max_sim_vs_einsum"), "faster"),
        _ratio_row("", f"einsum, {at_once}, peak memory", ("reranking", "max_sim_memory_vs_einsum"), "less"),
    ]


def _caption_rows() -> list[str]:
    size = result("captioning")["size"]
    what, key = f"`captioning.py`: {size['at_once']} calls at a time", "calls_vs_server_alone"
    within = f"the best fixed number on a server that takes {size['slots']}, calls/s"
    return [
        _ratio_row(what, "bare sockets, what the server sustains, calls/s", ("captioning", key), "their rate"),
        _ratio_row("", within, ("captioning", "calls_vs_best_fixed"), "its rate"),
        _ratio_row("", "pictures sent every time, bytes", ("captioning", "bytes_plain_over_uuid"), "less"),
        _ratio_row(
            "`caption_coverage.py`: MTG, 10 % wrong",
            "what people say",
            ("caption_coverage", "mtg_true_vs_human"),
            "more",
        ),
        _ratio_row("", "the static caption", ("caption_coverage", "mtg_true_vs_static"), "more"),
    ]


def _board_rows() -> list[str]:
    page, power = result("leaderboard_page"), result("compare_power")
    what, seconds = f"`leaderboard_page.py`: {page['size']['records']:,} records", page["rendering"]["total_s"]
    limit = f"<= {RENDER_LIMIT_S:.0f} s"
    lines = [_row(what, "rendering them", f"{seconds:.1f} s", limit, ("leaderboard_page", "render_of_limit"))]
    for kind in ("search", "sort"):
        if f"{kind}_ms" in page["page"]:
            shown, limit = f"{page['page'][f'{kind}_ms']:.0f} ms", f"<= {PAGE_LIMIT_MS:.0f} ms"
            key = ("leaderboard_page", f"{kind}_of_limit")
            lines.append(_row("", f"slowest {kind} in Chromium", shown, limit, key))
    against = f"simulated studies, {power['promised_for']}"
    for name, what in (
        ("largest_false_claims", "`compare_power.py`: differences claimed between equal systems"),
        ("smallest_power", "`compare_power.py`: true gaps found"),
    ):
        target, shown = TARGETS["compare_power"][name], f"{power['ratios'][name]:.1%}"
        lines.append(_row(what, against, shown, f"{target.side} {target.bound:.0%}", ("compare_power", name)))
    return lines


def _ratio_row(what: str, against: str, key: tuple[str, str], unit: str) -> str:
    ratio = result(key[0])["ratios"][key[1]]
    # Two digits: 1.47 must not read as the 1.5 that it misses.
    return _row(what, against, f"{ratio:.2f}x {unit}", f"{TARGETS[key[0]][key[1]]}x", key)


def _row(what: str, against: str, shown: str, target: str, key: tuple[str, str]) -> str:
    """One line; `key` names the benchmark and the ratio by which it is judged."""
    if TARGETS[key[0]][key[1]].met(result(key[0])["ratios"][key[1]]):
        met = "yes"
    else:
        met = f"**no**: {MISSED[key]}" if key in MISSED else "**no**"
    return f"| {what} | {against} | {shown} | {target} | {met} |"


def performance() -> str:
    """The raw values behind the ratios."""
    evaluation, loading = result("evaluation"), result("data_loading")
    seconds, peak = evaluation["seconds"], evaluation["peak_mb"]
    return "\n".join(
        [
            "| arm | seconds | peak MB |",
            "| --- | ---: | ---: |",
            f"| ours | {seconds['ours']:.2f} | {peak['ours']:.0f} |",
            f"| argsort evaluation | {seconds['argsort']:.2f} | {peak['argsort']:.0f} |",
            f"| matrix product alone | {seconds['matmul']:.2f} | |",
            "",
            f"Loader: {loading['images_per_second']['cached']:.0f} images per second with the cache, "
            f"{loading['images_per_second']['decoded']:.0f} when decoding each time. "
            f"{evaluation['environment']['cpu']}, {evaluation['environment']['threads']} thread for each arm.",
        ]
    )


MAKERS: dict[str, Callable[[], str]] = {
    "demo": demo,
    "board": _tables.board,
    "noise": _tables.noise,
    "scoring": _tables.scoring,
    "ablations": _bdam_tables.ablations,
    "bdam": _bdam_tables.bdam,
    "parts": _bdam_tables.parts,
    "probes": _bdam_tables.probes,
    "benchmarks": benchmarks,
    "performance": performance,
    "kernels": _kernel_tables.on_cpu,
    "compiled": _kernel_tables.compiled,
    "gpu_goals": _kernel_tables.gpu_goals,
    "gpu_system": _kernel_tables.gpu_system,
    **{name: partial(_kernel_tables.gpu, name) for name in _kernel_tables.SECTIONS},
    "caption_coverage": _caption_tables.coverage,
    "caption_sources": _caption_tables.sources,
    "caption_errors": _caption_tables.errors,
    "caption_clusterers": _caption_tables.clusterers,
    "caption_printed": _caption_tables.printed_mtg,
    "text_towers": _caption_tables.text_towers,
    "interaction_scores": _interaction_tables.scores,
    "interaction_anchors": _interaction_tables.anchors,
    "interaction_budgets": _interaction_tables.budgets,
    "interaction_others": _interaction_tables.others,
    "interaction_ctgi": _interaction_tables.ctgi,
    "styles": _style_tables.styles,
    "styles_memory": _style_tables.styles_memory,
}


def filled(text: str) -> str:
    """A page with every measured block written anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{MAKERS[found[2]]()}\n{found[3]}", text)


def main() -> None:
    """Take over the demo's record if asked to, and write the pages."""
    arguments = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    arguments.add_argument("--demo", type=Path, help="a record of make demo to be kept in benchmarks/results")
    if (given := arguments.parse_args().demo) is not None:
        shutil.copyfile(given, HERE / "results" / "demo.json")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (changed := filled(text)) != text:
            with atomic_write(page, "w") as stream:
                stream.write(changed)
            print(f"wrote {page}")


if __name__ == "__main__":
    main()
