"""Tables of docs/performance.md about the kernels: what the CPU takes, what is compiled, and what a GPU measured.

Everything is read from benchmarks/results: kernels.json, compiled.json, gpu.json where somebody had a GPU, and gpu/
where somebody had one for a part of it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from _gpu_goals import table
from _gpu_table import cells, compared

RESULTS = Path(__file__).parent / "results"
SECTIONS = {
    "gpu_contrastive": "contrastive",
    "gpu_hsic": "hsic",
    "gpu_triplet": "triplet",
    "gpu_scan": "scan",
}
NO_GPU = "No GPU has been measured yet: `python benchmarks/gpu.py --out DIR` on a machine that has one."
JOBS = {
    "infonce": "InfoNCE",
    "sdm": "SDM",
    "tal": "TAL",
    "hsic": "HSIC",
    "triplet": "batch-hard triplets",
    "scan": "selective scan",
}


@cache
def _result(name: str) -> dict[str, Any]:
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def on_cpu() -> str:
    """Seconds and memory of each kernel and its definition on a CPU."""
    found = _result("kernels")
    lines = ["| kernel | size | arm | CPU seconds | ours is | peak MB |", "| --- | --- | --- | ---: | ---: | ---: |"]
    for key, name in JOBS.items():
        seconds, peaks = found["cpu_seconds"][key], found["peak_mb"].get(key, {})
        size = " x ".join(f"{value:,}" for value in found["size"][key].values())
        for arm, value in seconds.items():
            ratio = "" if arm == "ours" else f"{value / seconds['ours']:.2f}x faster"
            peak = f"{peaks[arm]:,.0f}" if arm in peaks else ""
            lines.append(f"| {name} | {size} | {arm} | {value:.3f} | {ratio} | {peak} |")
    note = "Forward and backward, one thread, float32; textbook: the definition in `naive.py` with torch's autograd."
    return "\n".join([*lines, "", f"{note} {found['environment']['cpu']}."])


def compiled() -> str:
    """One line for each configuration that ships, with the worst of the three architectures."""
    found = _result("compiled")
    if not found:
        return "`python -m tbpsbench.kernels.shipping` prints the table."
    rows: dict[tuple[str, str, str], dict[int, dict[str, Any]]] = {}
    for row in found["rows"]:
        rows.setdefault((row["kernel"], row["name"], row["tile"]), {})[row["arch"]] = row
    archs = sorted({row["arch"] for row in found["rows"]})
    lines = [f"| kernel | configuration | tile | {' | '.join(f'sm_{arch}' for arch in archs)} |"]
    lines.append("| --- | --- | --- |" + " --- |" * len(archs))
    for (kernel, name, tile), of in rows.items():
        cells = [_machine_code(of[arch]) if arch in of else "" for arch in archs]
        lines.append(f"| {kernel} | {name} | {tile} | {' | '.join(cells)} |")
    note = "Registers per thread / spilling instructions / KiB of shared memory / matrix instructions."
    return "\n".join([*lines, "", f"{note} Triton {found['triton']}."])


def _machine_code(row: dict[str, Any]) -> str:
    matrix = ", ".join(f"{count} {name}" for name, count in sorted(row["matrix"].items())) or "-"
    return f"{row['registers']} / {row['spills']} / {row['shared_kb']:.0f} / {matrix}"


def gpu(name: str) -> str:
    """The races of one section."""
    everything = _result("gpu").get("rows", [])
    rows = [_joined(row, everything) for row in everything if row["section"] == SECTIONS[name]]
    return "\n".join([*_races(rows), "", _device("gpu")]) if rows else NO_GPU


def gpu_parts() -> str:
    """The races and the evaluation of a run that did not get through everything."""
    rows = _result("gpu/quick").get("rows", [])
    if not rows:
        return NO_GPU
    return "\n".join([*_races(rows), "", *_evaluation(rows), "", _device("gpu/quick")])


def gpu_ways() -> str:
    """What a sweep found of the ways through the tiles; the first is what the tables above were made with."""
    rows = [row for row in _result("gpu/sweep").get("rows", []) if row["section"] == "sweep"]
    if not rows:
        return NO_GPU
    rates = next(row["rates"] for row in _result("gpu/sweep")["rows"] if "rates" in row)
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        once, *joined = (False, False, False) if row["tile"] == "shipped" else row["tile"]
        loops = [name for name, on in zip(("forward", "backward"), joined, strict=True) if on]
        name = ("one pass" if once else "two passes") + (f", loops joined {' and '.join(loops)}" if loops else "")
        work = 8 * row["size"]["N"] ** 2 * row["size"]["D"]
        share = work / row["ms"] / 1e9 / rates[f"{row['dtype']}_tflops"]
        found.setdefault(name, {})[row["job"]] = f"{row['ms']:.2f} ({share:.1%})"
    jobs = list(dict.fromkeys(row["job"] for row in rows))
    lines = [f"| way | {' | '.join(jobs)} |", "| --- |" + " ---: |" * len(jobs)]
    lines += [f"| {name} | {' | '.join(of[job] for job in jobs)} |" for name, of in found.items()]
    size = ", ".join(f"{key} {value:,}" for key, value in rows[0]["size"].items())
    what = f"Milliseconds, forward and backward, {rows[0]['dtype']}, {size}"
    share = "in brackets the share of a large product's rate, over 8 N^2 D operations"
    return "\n".join([*lines, "", f"{what}; {share}. {_device('gpu/sweep')}"])


def _races(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| job | dtype | size | ours | against | of the product's rate |",
        "| --- | --- | --- | --- | --- | ---: |",
    ]
    for row in rows:
        if "arms" not in row:
            continue
        size = ", ".join(f"{key} {value:,}" for key, value in row["size"].items())
        if "failed" in row:
            lines.append(f"| {row['job']} | {row['dtype']} | {size} | {row['failed']} | | |")
            continue
        share = f"{row['share_of_product']:.0%}" if "share_of_product" in row else ""
        ours, *others = [cell for cell in cells(row) if "rate" not in cell]
        against = "<br>".join(others)
        lines.append(f"| {row['job']} | {row['dtype']} | {size} | {ours.removeprefix('ours ')} | {against} | {share} |")
    return lines


def _joined(row: dict[str, Any], everything: list[dict[str, Any]]) -> dict[str, Any]:
    """A race with what torch.compile and the profiler found of the same job, dtype and size."""
    if "arms" not in row or "failed" in row:
        return row
    arms = {name: dict(arm) for name, arm in row["arms"].items()}
    for other in everything:
        if all(other.get(key) == row[key] for key in ("job", "dtype", "size")):
            if other["section"] == "compiled" and "compiled" in other.get("arms", {}):
                # Raced in another process: the ratio is that of its own race.
                arms["compiled"] = other["arms"]["compiled"] | {"ours_ms": other["arms"]["ours"].get("ms")}
            if other["section"] == "profile" and "launches" in other and other["arm"] in arms:
                arms[other["arm"]] |= {key: other[key] for key in ("launches", "device_ms")}
    return row | {"arms": arms}


def gpu_system() -> str:
    """Training steps, loading and evaluation on the GPU."""
    rows = _result("gpu").get("rows", [])
    lines: list[str] = []
    steps = {
        (r["system"], r["batch"], r["precision"], r["kernels"]): r for r in rows if r["section"] == "step" and "ms" in r
    }
    if steps:
        lines = ["| step | precision | ms | images/s | peak MB | with plain torch in the kernels' place |"]
        lines.append("| --- | --- | ---: | ---: | ---: | --- |")
    for (system, batch, precision, kernels), row in steps.items():
        if kernels == "auto":
            plain = steps.get((system, batch, precision, "torch"))
            other = (
                f"{plain['ms']:.1f} ms {compared(plain['ms'], row['ms'])}, {plain['peak_mb']:,.0f} MB" if plain else ""
            )
            cost = f"{row['ms']:.1f} | {row['images_per_s']:,.0f} | {row['peak_mb']:,.0f}"
            lines.append(f"| {system}, batch {batch} | {precision} | {cost} | {other} |")
    if ranked := _evaluation(rows):
        lines += ["", *ranked]
    loaded = [row for row in rows if row["section"] == "loading" and "images_per_s" in row]
    if loaded:
        rates = ", ".join(f"{row['images']} {row['images_per_s']:,.0f}" for row in loaded)
        lines += ["", f"Loader there, {loaded[0]['workers']} workers, images per second: {rates}."]
    return "\n".join(lines) or NO_GPU


def _evaluation(rows: list[dict[str, Any]]) -> list[str]:
    ranked = [row for row in rows if row["section"] == "evaluation" and "ms" in row]
    if not ranked:
        return []
    size = ranked[0]["size"]
    head = f"| evaluation, {size['Q']:,} x {size['G']:,} x {size['D']} | ms | peak MB |"
    cells = [f"| {row['arm']} | {row['ms']:.1f} | {row['peak_mb']:,.0f} |" for row in ranked]
    return [head, "| --- | ---: | ---: |", *cells]


def gpu_goals() -> str:
    """What the run was held to."""
    rows = _result("gpu").get("rows", [])
    return table(rows) if rows else NO_GPU


def _device(name: str) -> str:
    """Card, versions, and the rates that shares are of."""
    found: dict[str, Any] = {}
    for row in _result(name)["rows"]:
        found |= row.get("facts", {}) | row.get("rates", {})
    rates = f"{found['bfloat16_tflops']:.0f} TFLOP/s in bf16, {found['float32_tflops']:.0f} in float32"
    versions = f"torch {found['torch']}, Triton {found['triton']}"
    return f"{found['device']}, {versions}; a large product reaches {rates}, a copy {found['copy_tb_s']:.2f} TB/s."
