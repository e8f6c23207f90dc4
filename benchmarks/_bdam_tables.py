"""Tables of the docs about BDAM with Mamba, from the committed records and probes (see _report.py)."""

from __future__ import annotations

import csv
import json
import statistics
from functools import cache
from typing import Any

from _tables import HERE, LARGE, SMALL, committed, gap, measured, score

SPREAD = "mean and standard deviation over seeds"
UNADJUSTED = "p-values from `compare`, not corrected for multiple comparisons"
# Table of the BDAM paper -> (rows as printed, system on MiniPEDES); all are compared with the whole model, marked *.
ABLATIONS = {
    "table-1_ablation-bdam": (
        ("Baseline(w/o BDAM)", "two-tower-pk-s-6"),
        ("+ BDAM", "*bdam-s-6"),
        ("w/o Cross-Attn", "bdam-no-cross-attention-s-6"),
        ("w/o Gate", "bdam-no-gate-s-6"),
        ("Shallow(3-layer)", "bdam-shallow-s-6"),
    ),
    "table-2_ablation-fusion": (
        ("Baseline(w/o Fusion)", "two-tower-pk-s-6"),
        ("Full Fusion", "*mamba-fuser-s-6"),
        ("w/o Mamba", "simple-fuser-s-6"),
        ("w/o Gate", "mamba-fuser-no-gate-s-6"),
        ("w/o Alignment", "mamba-fuser-no-alignment-s-6"),
        ("", "transformer-fuser-s-6"),
    ),
    "table-3_ablation-losses": (
        ("Full Model", "*bdam-mamba-s-6"),
        ("w/o InfoNCE", "bdam-mamba-no-infonce-s-6"),
        ("w/o Triplet", "bdam-mamba-no-triplet-s-6"),
        ("w/o Alignment", "bdam-mamba-no-clothing-alignment-s-6"),
        ("w/o Decoupling", "bdam-mamba-no-hsic-s-6"),
        ("w/o Gate Reg.", "bdam-mamba-no-gate-regularization-s-6"),
        ("", "bdam-mamba-fixed-weights-s-6"),
        ("", "bdam-mamba-gradnorm-of-paper-s-6"),
        ("", "bdam-mamba-image-s-6"),
    ),
}
# (BDAM with Mamba, its baseline, test persons) in each track and budget.
PAIRS = (
    ("bdam-mamba-image-s-6", "two-tower-pk-s-6", SMALL),
    ("bdam-mamba-image-s-24", "two-tower-pk-s-24", SMALL),
    ("bdam-mamba-image-s-24", "two-tower-pk-s-24", LARGE),
    ("bdam-mamba-s-6", "simple-fuser-s-6", SMALL),
    ("bdam-mamba-s-24", "simple-fuser-s-24", SMALL),
    ("bdam-mamba-s-24", "simple-fuser-s-24", LARGE),
)
# (system, what it is, what it is compared with).
PARTS = (
    ("two-tower-pk-s-24", "neither: two towers", None),
    ("bdam-s-24", "BDAM, no fuser", "two-tower-pk-s-24"),
    ("mamba-fuser-image-s-24", "Mamba fuser, no BDAM", "two-tower-pk-s-24"),
    ("bdam-mamba-image-s-24", "both", "two-tower-pk-s-24"),
    ("bdam-mamba-image-no-hsic-s-24", "both, without HSIC", "bdam-mamba-image-s-24"),
    ("bdam-mamba-image-no-alignment-s-24", "both, without the fuser's alignment", "bdam-mamba-image-s-24"),
    ("simple-fuser-s-24", "with texts: simple fuser, no BDAM", None),
    ("mamba-fuser-s-24", "with texts: Mamba fuser, no BDAM", "simple-fuser-s-24"),
    ("mamba-fuser-no-alignment-s-24", "with texts: the same without alignment", "mamba-fuser-s-24"),
    ("bdam-mamba-s-24", "with texts: both", "mamba-fuser-s-24"),
    ("bdam-mamba-no-alignment-s-24", "with texts: both, without alignment", "bdam-mamba-s-24"),
)
# What is probed: (title, system, feature).
PROBED = (
    ("two towers, embedding", "two-tower-pk-s-24", "heads.global.image"),
    ("BDAM, embedding", "bdam-mamba-image-s-24", "heads.global.image"),
    ("BDAM, identity", "bdam-mamba-image-s-24", "identity"),
    ("BDAM, clothing", "bdam-mamba-image-s-24", "clothing"),
    ("with texts, identity", "bdam-mamba-s-24", "identity"),
    ("with texts, clothing", "bdam-mamba-s-24", "clothing"),
)


def ablations() -> str:
    """Tables 1 to 3 of the BDAM paper: what is printed for CUHK-PEDES, and what was measured on MiniPEDES."""
    lines = []
    for table, entries in ABLATIONS.items():
        with (HERE / "published" / f"bdam_{table}.csv").open(encoding="utf-8", newline="") as file:
            printed = {row["printed"]: row for row in csv.DictReader(file)}
        whole = next(name for _, name in entries if name.startswith("*"))[1:]
        lines += [
            f"| Table {table[6]} | R@1, mAP in the paper (CUHK-PEDES) | MiniPEDES | R@1 | mAP "
            f"| R@1 minus that of `{whole}` |",
            "| --- | ---: | --- | ---: | ---: | ---: |",
        ]
        for label, starred in entries:
            name, theirs = starred.lstrip("*"), printed.get(label)
            row = measured()[name]
            cells = [f"{theirs['R@1']}, {theirs['mAP']}" if theirs else "", f"`{name}`"]
            cells += [score(row, "R@1"), score(row, "mAP"), "" if name == whole else gap(name, whole, "R@1")]
            lines.append(f"| {label} | {' | '.join(cells)} |")
        lines.append("")
    systems = {name.lstrip("*") for entries in ABLATIONS.values() for _, name in entries}
    costs = [record["cost"] for _, record in committed() if record["name"] in systems]
    seconds, steps = [cost["train_s"] for cost in costs], {cost["steps"] for cost in costs}
    return "\n".join(
        [
            *lines,
            f"Scores in percent, {SPREAD}; differences in points; {UNADJUSTED}. Each run has {listed(steps)} steps and "
            f"trained for {min(seconds):.0f} to {max(seconds):.0f} s on one thread.",
        ]
    )


def listed(numbers: set[int]) -> str:
    """Numbers as text, smallest first."""
    return " and ".join(str(number) for number in sorted(numbers))


def bdam() -> str:
    """BDAM with Mamba against its baselines."""
    steps = {record["name"]: record["cost"]["steps"] for _, record in committed()}
    asked = [(protocol, column) for protocol in ("standard", "clothes-change") for column in ("R@1", "mAP")]
    lines = [
        "| track | test set | steps | system | parameters | training | R@1 | mAP | clothes-change R@1 | mAP |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one, other, data in PAIRS:
        for name in (one, other):
            row = measured("standard", data)[name]
            cells = [row.track, data, str(steps[name]), f"`{name}`", f"{row.cost['parameters'] / 1e3:.0f} k"]
            cells.append(f"{measured()[name].cost['train_s']:.0f} s")
            cells += [score(measured(protocol, data)[name], column) for protocol, column in asked]
            lines.append(f"| {' | '.join(cells)} |")
        gaps = [gap(one, other, column, protocol, data) for protocol, column in asked]
        lines.append(f"| | | | difference | | | {' | '.join(gaps)} |")
    return "\n".join([*lines, "", f"Scores in percent, {SPREAD}; differences in points; {UNADJUSTED}. {_persons()}"])


def _persons() -> str:
    counts = {}
    for _, record in committed():
        if record["name"] == PAIRS[-1][0]:
            counts[record["data"]["component"].get("size", "default")] = record["results"]["standard"]["identities"]
    return f"Test persons: {counts['default']}; in the large set {counts['large']}."


def parts() -> str:
    """The systems of `mini_bdam` and `mini_bdam_why`, each beside the one that it differs from in one part."""
    lines = [
        "| after 24 epochs | system | R@1 | mAP | large: R@1 | large: mAP | large: R@1 minus that of |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, what, other in PARTS:
        cells = [score(measured("standard", data)[name], c) for data in (SMALL, LARGE) for c in ("R@1", "mAP")]
        cells.append(f"{gap(name, other, 'R@1', data=LARGE)} `{other}`" if other else "")
        lines.append(f"| {what} | `{name}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"Units as above; {UNADJUSTED}."])


# (system, what it is) whose two vectors are compared.
DEPENDENCE = (
    ("bdam-mamba-image-no-hsic-s-24", "without HSIC"),
    ("bdam-mamba-image-s-24", "`bdam-mamba-image-s-24`: HSIC, weight 1"),
    ("bdam-mamba-image-hsic-30-s-24", "HSIC, weight 30"),
    ("bdam-mamba-image-cka-0.3-s-24", "CKA as the loss, weight 0.3"),
    ("bdam-mamba-s-24", "`bdam-mamba-s-24`, with texts"),
)


@cache
def probed(system: str) -> list[dict[str, Any]]:
    """The committed probes of a system, one for each seed."""
    files = sorted((HERE / "results" / "probes").glob(f"{system}_seed-*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def probes() -> str:
    """What the vectors of trained models know, attribute by attribute, and whether they are independent."""
    sides = {name: row["side"] for name, row in probed(PROBED[0][1])[0]["attributes"].items()}
    lines = [f"| attribute | chance | shot | {' | '.join(title for title, _, _ in PROBED)} |"]
    lines.append("| --- |" + " ---: |" * (len(PROBED) + 2))
    for side in ("identity", "clothing"):
        for name in (name for name, found in sides.items() if found == side):
            rows = [[report["attributes"][name] for report in probed(system)] for _, system, _ in PROBED]
            values = [_mean([row["features"]["shot"]["accuracy"] for row in rows[0]])]
            values += [
                _mean([row["features"][feature]["accuracy"] for row in found])
                for found, (_, _, feature) in zip(rows, PROBED, strict=True)
            ]
            cells = [f"{100 * rows[0][0]['chance']:.1f}", *(f"{100 * value:.1f}" for value in values)]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        cells = [_above([report["means"]["shot"][side] for report in probed(PROBED[0][1])])]
        cells += [_above([r["means"][feature][side] for r in probed(system)]) for _, system, feature in PROBED]
        lines.append(f"| **{side}: mean above chance** | | {' | '.join(f'**{cell}**' for cell in cells)} |")
    first = probed(PROBED[0][1])[0]
    seeds = ", ".join(str(report["seed"]) for report in probed(PROBED[0][1]))
    lines += [
        "",
        f"Balanced accuracy in percent, mean over the models of seeds {seeds}; {first['persons']} persons and "
        f"{first['images']} images that no model was trained on. Above chance: 0 is chance, 100 perfect; ± is the "
        "standard deviation over seeds.",
        "",
        "| identity against clothing | seeds | CKA, linear | RBF | if independent | HSIC, linear "
        "| clothes known to identity | to clothing |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for system, what in DEPENDENCE:
        reports = probed(system)
        pairs = [
            next(pair for pair in report["dependence"] if {pair["x"], pair["y"]} == {"identity", "clothing"})
            for report in reports
        ]
        cells = [str(len(reports))]
        cells += [
            f"{_mean([pair[kernel][name][key] for pair in pairs]):.2g}"
            for kernel, name, key in (
                ("linear", "cka_unbiased", "value"),
                ("rbf", "cka_unbiased", "value"),
                ("linear", "cka_unbiased", "independent"),
                ("linear", "hsic", "value"),
            )
        ]
        cells += [
            f"{_mean([100 * report['means'][feature]['clothing']['above_chance'] for report in reports]):.1f}"
            for feature in ("identity", "clothing")
        ]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    lines += ["", "CKA is unbiased; the last two columns are means above chance, as in the table above."]
    return "\n".join(lines)


def _mean(values: list[float]) -> float:
    return statistics.fmean(values)


def _above(found: list[dict[str, Any]]) -> str:
    values = [100 * entry["above_chance"] for entry in found]
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"
