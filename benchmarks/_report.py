"""Write what was measured into README.md and the docs: no number there is typed by hand.

    make bench                       # fills benchmarks/results/, then runs this
    python benchmarks/_report.py [--demo work_dirs/demo/record/record.json]

The text between `<!-- measured:NAME -->` and `<!-- /measured -->` is what the function for NAME makes of the results.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import _bdam_tables
import _caption_tables
import _interaction_tables
import _kernel_tables
import _speed_tables
import _style_tables
import _tables
from _tables import HERE, result

from tbpsbench.files import atomic_write
from tbpsbench.leaderboard.render.rows import column_order

DOCS = (
    "performance", "leaderboard", "bdam", "disentangling", "captions", "clustering", "text-towers", "interaction",
    "search", "chat", "export",
)  # fmt: skip
PAGES = (HERE.parent / "README.md", *(HERE.parent / "docs" / f"{name}.md" for name in DOCS))
BLOCK = re.compile(r"(<!-- measured:(\w+) -->\n).*?(<!-- /measured -->)", re.S)


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
    "benchmarks": _speed_tables.benchmarks,
    "performance": performance,
    "searching": _speed_tables.searching,
    "chat": _speed_tables.chat,
    "exported": _speed_tables.exported,
    "kernels": _kernel_tables.on_cpu,
    "compiled": _kernel_tables.compiled,
    "gpu_goals": _kernel_tables.gpu_goals,
    "gpu_system": _kernel_tables.gpu_system,
    "gpu_parts": _kernel_tables.gpu_parts,
    "gpu_ways": _kernel_tables.gpu_ways,
    **{name: partial(_kernel_tables.gpu, name) for name in _kernel_tables.SECTIONS},
    "caption_coverage": _caption_tables.coverage,
    "caption_sources": _caption_tables.sources,
    "caption_errors": _caption_tables.errors,
    "caption_clusterers": _caption_tables.clusterers,
    "caption_ham": _caption_tables.ham,
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
