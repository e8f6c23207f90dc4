"""What a GPU run is held to: ratios made of its rows, each beside its target in `_targets.GPU_TARGETS`."""

from __future__ import annotations

from typing import Any

from _targets import GPU_TARGETS

Row = dict[str, Any]
HALF, SINGLE = "bfloat16", "float32"
GOALS = {
    "hsic_vs_textbook": "HSIC, bf16, N 8,192, D 512, with Python's calls: times as fast as tr(KHLH)",
    "hsic_vs_width": "the same: times as fast as centred X^T Y with autograd",
    "hsic_device_vs_textbook": "HSIC, bf16, N 8,192, D 512, on the device alone: times as fast as tr(KHLH)",
    "hsic_device_vs_width": "the same: times as fast as centred X^T Y with autograd",
    "hsic_launches": "HSIC, bf16, N 64: launches, forward and backward, but for autograd's fill of the first gradient",
    "infonce_memory_vs_textbook": "InfoNCE, bf16, N 32,768, D 512: times less memory than the whole matrix",
    "infonce_vs_textbook_float32": "the same: times as fast as the whole matrix in float32",
    "infonce_share_of_rate": "the same: part of the bf16 rate of a large product, over 8 N^2 D operations",
    "sdm_memory_vs_textbook": "SDM, bf16, N 32,768, D 512: times less memory than the whole matrix",
    "sdm_vs_textbook_float32": "the same: times as fast as the whole matrix in float32",
    "sdm_share_of_rate": "the same: part of the bf16 rate of a large product, over 8 N^2 D operations",
    "infonce_vs_memeff": "InfoNCE, bf16, N 32,768, D 512: times as fast as memeff (stable=False)",
    "infonce_identities_vs_memeff": "the same with positives by identity, which memeff has not",
    "infonce_8192_vs_memeff": "InfoNCE, bf16, N 8,192, D 512: times as fast as memeff (stable=False)",
    "evaluation_ms": "exact ranks of 19,848 queries among 19,848 images (ICFG-PEDES), D 512: milliseconds",
    "scan_time_vs_mamba_ssm": "selective scan, float32, B 16, L 512, E 1,024, N 16: time over that of mamba-ssm",
    "scan_bf16_time_vs_mamba_ssm": "the same in bf16",
}


def ratios(rows: list[Row]) -> dict[str, float]:
    """Name -> ratio, of what was measured; times are theirs over ours unless the target says at most."""
    found: dict[str, float | None] = {}
    textbook = ("textbook", "textbook in float32")
    hsic = _arms(rows, "HSIC", HALF, N=8192, D=512)
    found["hsic_vs_textbook"] = _over(hsic, "ms", *textbook)
    found["hsic_vs_width"] = _over(hsic, "ms", "width")
    device = {
        row["arm"]: row["device_ms"]
        for row in rows
        if _is(row, "profile", "HSIC", HALF, N=8192, D=512) and "arm" in row
    }
    if "ours" in device:
        # The textbook's launches are long: what the clock on the wall says is what the device took.
        slow = [hsic[name]["ms"] for name in textbook if "ms" in hsic.get(name, {})]
        found["hsic_device_vs_textbook"] = min(slow) / device["ours"] if slow else None
        found["hsic_device_vs_width"] = device["width"] / device["ours"] if "width" in device else None
    # Where the first gradient was not given, autograd has launched one more kernel, which fills it.
    launches = [
        row["launches"] - (row.get("first_gradient") != "given")
        for row in rows
        if _is(row, "profile", "HSIC", HALF, N=64, D=512) and row["arm"] == "ours" and row["launches"]
    ]
    found["hsic_launches"] = float(launches[0]) if launches else None
    for job, key in (("InfoNCE", "infonce"), ("SDM", "sdm")):
        half, single = (_arms(rows, job, dtype, N=32768, D=512) for dtype in (HALF, SINGLE))
        found[f"{key}_memory_vs_textbook"] = _over(half, "peak_mb", *textbook)
        if "ms" in half.get("ours", {}) and "ms" in single.get("textbook", {}):
            found[f"{key}_vs_textbook_float32"] = single["textbook"]["ms"] / half["ours"]["ms"]
        shares = [
            row["share_of_product"]
            for row in rows
            if _is(row, "contrastive", job, HALF, N=32768, D=512) and "share_of_product" in row
        ]
        found[f"{key}_share_of_rate"] = shares[0] if shares else None
    instance = _arms(rows, "InfoNCE", HALF, N=32768, D=512)
    identity = _arms(rows, "InfoNCE, identities", HALF, N=32768, D=512)
    found["infonce_vs_memeff"] = _over(instance, "ms", "memeff")
    found["infonce_identities_vs_memeff"] = _over({**instance, "ours": identity.get("ours", {})}, "ms", "memeff")
    found["infonce_8192_vs_memeff"] = _over(_arms(rows, "InfoNCE", HALF, N=8192, D=512), "ms", "memeff")
    ranks = [
        row["ms"]
        for row in rows
        if row["section"] == "evaluation" and row.get("arm") == "ranks" and row["size"]["Q"] == 19848 and "ms" in row
    ]
    found["evaluation_ms"] = ranks[0] if ranks else None
    for dtype, key in ((SINGLE, "scan"), (HALF, "scan_bf16")):
        inverse = _over(_arms(rows, "selective scan", dtype, B=16, L=512, E=1024, S=16), "ms", "mamba_ssm")
        found[f"{key}_time_vs_mamba_ssm"] = 1 / inverse if inverse else None
    return {name: value for name, value in found.items() if value is not None}


def table(rows: list[Row]) -> str:
    """Goal, measured, target, met."""
    found = ratios(rows)
    lines = ["| goal | measured | target | met |", "| --- | ---: | ---: | --- |"]
    for key, target in GPU_TARGETS.items():
        met = "not measured" if key not in found else "yes" if target.met(found[key]) else "**no**"
        lines.append(f"| {GOALS[key]} | {f'{found[key]:.3g}' if key in found else ''} | {target} | {met} |")
    return "\n".join(lines)


def _is(row: Row, section: str, job: str, dtype: str, **size: int) -> bool:
    return (row["section"], row.get("job"), row.get("dtype"), row.get("size")) == (section, job, dtype, size)


def _arms(rows: list[Row], job: str, dtype: str, **size: int) -> dict[str, Row]:
    sections = ("contrastive", "hsic", "triplet", "scan")
    return next((row["arms"] for row in rows if any(_is(row, name, job, dtype, **size) for name in sections)), {})


def _over(arms: dict[str, Row], what: str, *names: str) -> float | None:
    """The best of others' values over ours; None where there is none."""
    theirs = [arms[name][what] for name in names if arms.get(name, {}).get(what)]
    ours = arms.get("ours", {}).get(what)
    return min(theirs) / ours if theirs and ours else None
