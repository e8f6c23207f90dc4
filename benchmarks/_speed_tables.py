"""The README's table of speed: one line for each claim, from the committed results (see _report.py)."""

from __future__ import annotations

from _tables import result
from _targets import MISSED, PAGE_LIMIT_MS, RENDER_LIMIT_S, TARGETS


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
            *_launch_rows(),
            *_reranking_rows(),
            *_caption_rows(),
            *_search_rows(),
            *_export_rows(),
            *_board_rows(),
            "",
            f"Ratios within one run, on {_processors()}; written by `make bench`.",
        ]
    )


def _processors() -> str:
    """What the evaluation ran on, and what ran on something else."""
    usual = result("evaluation")["environment"]["cpu"]
    others: dict[str, list[str]] = {}
    for name in TARGETS:
        if (cpu := result(name)["environment"]["cpu"]) != usual:
            others.setdefault(cpu, []).append(f"`{name}.py`")
    told = "; ".join(f"{', '.join(names)}: {cpu}" for cpu, names in others.items())
    return f"{usual} ({told})" if told else usual


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


def _launch_rows() -> list[str]:
    what = "`launches.py`: Python's part of HSIC, 8,192 rows, without autograd"
    against = "Triton's dispatch at every launch"
    return [
        _ratio_row(what, against, ("launches", "hsic_8192_kept_vs_dispatched"), "its time"),
        _ratio_row("the same of SDM, 64 pairs", against, ("launches", "sdm_64_kept_vs_dispatched"), "its time"),
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


def _export_rows() -> list[str]:
    lines = []
    for precision in ("float32", "int8"):
        what = f"`exported.py`: CLIP ViT-B/16 by ONNX Runtime, {precision}"
        lines += [
            _ratio_row(what, "torch, one caption", ("exported", f"caption_{precision}_vs_torch"), "faster"),
            _ratio_row("", "torch, 16 pictures", ("exported", f"images_{precision}_vs_torch"), "faster"),
        ]
    return lines


def _search_rows() -> list[str]:
    found, chat = result("search"), result("chat_load")
    ratios, lines = found["ratios"], []
    for prefix, name, told in (
        ("", "random", "random"),
        ("trained_", "trained", "between a trained system's features"),
    ):
        what = f"`search.py`: {found[name]['rows']:,} x {found[name]['dim']}, {told}: "
        for rest, against, key in (
            ("exact, one query", "FAISS IndexFlatIP", "exact_one_vs_faiss"),
            ("exact, 64 queries", "FAISS IndexFlatIP", "exact_batch_vs_faiss"),
        ):
            lines.append(_ratio_row(what + rest, against, ("search", prefix + key), "faster"))
        key, against = f"{prefix}compressed_one_of_numpy", "numpy on float32 rows in memory"
        shown = f"{ratios[key]:.3f}x its time"
        lines.append(
            _row(f"{what}compressed, one query", against, shown, f"{TARGETS['search'][key]}x", ("search", key))
        )
        key = f"{prefix}compressed_recall"
        shown = f"{ratios[key]:.4f} recall@20"
        lines.append(_row("", "exact search", shown, f"{TARGETS['search'][key]}", ("search", key)))
    held = (
        (f"`search.py`: compressed, {found['rows']:,} rows, random", "compressed_resident_gb"),
        (f"`search.py`: compressed, {found['trained']['rows']:,} rows, trained", "trained_compressed_resident_gb"),
        (f"`search.py`: compressed, {found['large']['rows']:,} rows, random", "large_resident_gb"),
    )
    for name, key in held:
        target = f"{TARGETS['search'][key]} GB"
        lines.append(_row(name, "memory that a process holds for it", f"{ratios[key]:.2f} GB", target, ("search", key)))
    people = (
        f"`chat_load.py`: {chat['size']['people']} searches at the same moment, {chat['size']['pictures']:,} pictures"
    )
    return [
        *lines,
        _ratio_row("`search.py`: a folder becomes an index", "a loop over the encoder, pictures/s",
                   ("search", "build_vs_plain_loop"), "faster"),
        _row(people, "the page of tools/chat.py, 95th percentile", f"{chat['p95_ms']:.0f} ms",
             f"<= {chat['limit_ms']:.0f} ms", ("chat_load", "p95_of_limit")),
        _row("", "searches without an answer", f"{chat['errors']}", "<= 0", ("chat_load", "errors")),
    ]  # fmt: skip


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


def searching() -> str:
    """Milliseconds of a search, and what an index holds: the raw values behind the ratios of `search.py`."""
    found = result("search")
    lines = [
        "| rows | one query: `exact` | FAISS | numpy | `faiss-rabitq` | `turbovec` | 64: `exact` | FAISS | memory of "
        "`faiss-rabitq` | `turbovec` |",
        "| --- |" + " ---: |" * 9,
    ]
    for name, told in (("random", "random"), ("trained", "between features of a trained system")):
        arm = found[name]
        small = [arm[kind] for kind in ("compressed", "turbovec")]
        one = [arm["seconds"][f"{who}_one"] for who in ("exact", "faiss", "numpy")]
        batch = [arm["seconds"][f"{who}_batch"] for who in ("exact", "faiss")]
        cells = [f"{1e3 * value:.1f} ms" for value in (*one, *(kind["one_s"] for kind in small), *batch)]
        held = " | ".join(f"{kind['resident_gb']:.2f} GB" for kind in small)
        lines.append(f"| {arm['rows']:,} x {arm['dim']}, {told} | {' | '.join(cells)} | {held} |")
    large = found["large"]
    lines.append(
        f"| {large['rows']:,} x {found['dim']}, random | | | | {1e3 * large['one_s']:.1f} ms | | | | "
        f"{large['resident_gb']:.2f} GB | |"
    )
    build = found["build"]
    lines += [
        "",
        f"Processor time on {found['environment']['cpu']}, one thread. `tools/index.py` took in "
        f"{build['build_per_s']:.0f} pictures a second with {build['system']}, a loop over its encoder "
        f"{build['loop_per_s']:.0f}. Drawing ten million rows and taking them in took "
        f"{large['build_cpu_s'] / 60:.1f} minutes.",
    ]
    return "\n".join(lines)


def chat() -> str:
    """How long people wait for the page of tools/chat.py when all of them search at once."""
    found = result("chat_load")
    best = min(found["rounds"], key=lambda one: float(one["p95_ms"]))
    people, spent = found["size"]["people"], found["server_processor_ms_per_search"]
    return (
        f"{people} searches at the same moment, {found['errors']} without an answer: in the quickest of "
        f"{len(found['rounds'])} rounds half of them waited {best['p50_ms']:.0f} ms, 95 % at most "
        f"{best['p95_ms']:.0f} ms, the last {best['last_ms']:.0f} ms. A search took {spent:.1f} ms of processor time "
        f"({found['environment']['cpu']})."
    )


def exported() -> str:
    """Times of an exported system and of the system itself: the raw values behind the ratios of `exported.py`."""
    found = result("exported")
    lines = [
        "| | one caption | pictures a second | both graphs | least cosine |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for arm, told in (("torch", "the system, torch"), ("float32", "`float32`"), ("int8", "`int8`")):
        times = f"{found['caption_ms'][arm]:.1f} ms | {found['images_per_second'][arm]:.1f}"
        size = f"{found['megabytes'][arm]:.0f} MB" if arm in found["megabytes"] else ""
        cosine = f"{min(found['least_cosine'][arm].values()):.5f}" if arm in found["least_cosine"] else ""
        lines.append(f"| {told} | {times} | {size} | {cosine} |")
    where, versions = found["environment"], found["environment"]["versions"]
    lines += ["", f"{where['cpu']}, {where['threads']} threads, torch {versions['torch']}; random weights."]
    return "\n".join(lines)
