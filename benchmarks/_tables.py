"""Tables of the docs that are made from the committed records (see _report.py)."""

from __future__ import annotations

import csv
import json
import statistics
from functools import cache
from pathlib import Path
from typing import Any

from tbpsbench.leaderboard.compare import compare
from tbpsbench.leaderboard.compare_system import find_system
from tbpsbench.leaderboard.rows import Row, column_order, read_records, rows_of

HERE = Path(__file__).parent
RECORDS = HERE / "records"
# Table of paper 000 -> (its rows as printed, the system on MiniPEDES); all are compared with the whole model, marked *.
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
SMALL, LARGE = "MiniPEDES", "MiniPEDES (large)"
PAIRS = (
    ("bdam-mamba-image-s-6", "two-tower-pk-s-6", SMALL),
    ("bdam-mamba-image-s-24", "two-tower-pk-s-24", SMALL),
    ("bdam-mamba-image-s-24", "two-tower-pk-s-24", LARGE),
    ("bdam-mamba-s-6", "simple-fuser-s-6", SMALL),
    ("bdam-mamba-s-24", "simple-fuser-s-24", SMALL),
    ("bdam-mamba-s-24", "simple-fuser-s-24", LARGE),
)
PARTS = (
    ("two-tower-pk-s-24", "neither: two towers"),
    ("bdam-s-24", "BDAM, no fuser"),
    ("mamba-fuser-image-s-24", "Mamba fuser, no BDAM"),
    ("bdam-mamba-image-s-24", "both"),
    ("bdam-mamba-image-no-hsic-s-24", "both, without HSIC"),
    ("bdam-mamba-image-no-alignment-s-24", "both, without the fuser's alignment"),
    ("simple-fuser-s-24", "with texts: simple fuser, no BDAM"),
    ("mamba-fuser-s-24", "with texts: Mamba fuser, no BDAM"),
    ("mamba-fuser-no-alignment-s-24", "with texts: Mamba fuser without alignment, no BDAM"),
    ("bdam-mamba-s-24", "with texts: both"),
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


@cache
def measured(protocol: str = "standard", data: str = SMALL) -> dict[str, Row]:
    """System -> its row on a data set, trained on MiniPEDES."""
    return {
        row.system: row
        for row in rows_of(read_records(RECORDS))
        if row.data == data and row.trained_on == SMALL and row.protocol == protocol
    }


def score(row: Row | None, column: str) -> str:
    """Mean and deviation over seeds."""
    return f"{row.scores[column].mean:.2f} ± {row.scores[column].std or 0:.2f}" if row else ""


def gap(one: str, other: str, column: str, protocol: str = "standard", data: str = SMALL) -> str:
    """The difference of two systems in points, and whether it is one."""
    places, others = (find_system(name, RECORDS, data) for name in (one, other))
    found = compare(places, others, column, protocol, allow=["track"]).difference
    return f"{found.estimate:+.2f} ({'p < 0.001' if found.p_value < 0.001 else f'p = {found.p_value:.3f}'})"


def ablations() -> str:
    """Tables 1 to 3 of paper 000: what is printed for CUHK-PEDES, and what was measured on MiniPEDES."""
    lines = []
    for table, entries in ABLATIONS.items():
        with (HERE / "published" / f"paper-000_{table}.csv").open(encoding="utf-8", newline="") as file:
            printed = {row["printed"]: row for row in csv.DictReader(file)}
        whole = next(name for _, name in entries if name.startswith("*"))[1:]
        lines += [
            f"| Table {table[6]} | R@1, mAP printed (CUHK-PEDES) | MiniPEDES | R@1 | mAP | R@1 against `{whole}` |",
            "| --- | ---: | --- | ---: | ---: | ---: |",
        ]
        for label, starred in entries:
            name, theirs = starred.lstrip("*"), printed.get(label)
            row = measured().get(name)
            cells = [f"{theirs['R@1']}, {theirs['mAP']}" if theirs else "", f"`{name}`"]
            cells += [score(row, "R@1"), score(row, "mAP"), "" if name == whole else gap(name, whole, "R@1")]
            lines.append(f"| {label} | {' | '.join(cells)} |")
        lines.append("")
    seconds = [row.cost["train_s"] for name, row in measured().items() if name.endswith("-s-6")]
    return "\n".join(
        [
            *lines,
            "Percent and points, mean and deviation over seeds 0 to 2, p-values of `compare`, not adjusted for the",
            f"number of rows. Training took {min(seconds):.0f} to {max(seconds):.0f} s a run, two at a time on two "
            "cores.",
        ]
    )


def bdam() -> str:
    """BDAM with Mamba against its baselines."""
    asked = [(protocol, column) for protocol in ("standard", "clothes-change") for column in ("R@1", "mAP")]
    lines = [
        "| track | test persons | epochs | system | R@1 | mAP | clothes-change R@1 | clothes-change mAP |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for one, other, data in PAIRS:
        for name in (one, other):
            cells = [score(measured(protocol, data).get(name), column) for protocol, column in asked]
            track, epochs = measured()[name].track, name.rsplit("-", 1)[1]
            lines.append(f"| {track} | {data} | {epochs} | `{name}` | {' | '.join(cells)} |")
        gaps = [gap(one, other, column, protocol, data) for protocol, column in asked]
        lines.append(f"| | | | difference | {' | '.join(gaps)} |")
    return "\n".join([*lines, "", "Percent and points, mean and deviation over seeds 0 to 2, p-values of `compare`."])


def parts() -> str:
    """The systems of `mini_bdam` and `mini_bdam_why` beside the two towers."""
    first = PARTS[0][0]
    lines = [
        f"| after 24 epochs | system | R@1 | mAP | large: R@1 | large: mAP | large: R@1 against `{first}` |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, what in PARTS:
        cells = [score(measured("standard", data).get(name), c) for data in (SMALL, LARGE) for c in ("R@1", "mAP")]
        cells.append("" if name == first else gap(name, first, "R@1", data=LARGE))
        lines.append(f"| {what} | `{name}` | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "As above; large: the 533 test persons of the large MiniPEDES."])


def board() -> str:
    """The committed records of the suite `mini`, standard protocol, the best first."""
    records = [
        (folder, record) for folder, record in read_records(RECORDS) if (record["suite"] or {}).get("name") == "mini"
    ]
    rows = [row for row in rows_of(records) if row.data == "MiniPEDES" and row.protocol == "standard"]
    columns = sorted({column for row in rows for column in row.scores}, key=column_order)
    lines = [f"| system | seeds | {' | '.join(columns)} | parameters |", "| --- |" + " ---: |" * (len(columns) + 2)]
    for row in sorted(rows, key=lambda row: -row.scores["R@1"].mean):
        cells = [score(row, column) for column in columns]
        size = f"{row.cost['parameters'] / 1e6:.2f} M"
        lines.append(f"| {row.system} | {len(row.seeds)} | {' | '.join(cells)} | {size} |")
    return "\n".join(
        [
            *lines,
            "",
            "From scratch with one budget, percent, mean and deviation over seeds.",
            "[The whole board](docs/leaderboard/board.md) has intervals, cost, the other protocol and domain, and the",
            "papers' rows. Made by `tools/leaderboard.py run configs/leaderboards/mini.py`.",
        ]
    )


def noise() -> str:
    """What noisy correspondence costs: `mini_noise` and `mini_noise_long` beside the same systems without noise."""
    rows = measured()
    lines = ["| system | clean | 20 % shuffled | 50 % shuffled | lost at 50 % |", "| --- |" + " ---: |" * 4]
    for name, clean in (
        ("irra", "irra"),
        ("rde", "rde"),
        ("irra-s-24", "irra-s-24"),
        ("rde-s-24", "rde-s-24"),
        ("rde-oracle-s-24", "rde-s-24"),
    ):
        scores = [rows.get(key) for key in (clean, f"{name}-noise-20", f"{name}-noise-50")]
        cells = [score(row, "R@1") for row in scores]
        lost = f"{scores[0].scores['R@1'].mean - scores[2].scores['R@1'].mean:.2f}" if scores[0] and scores[2] else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {lost} |")
    return "\n".join(
        [*lines, "", "R@1 in percent on MiniPEDES, mean and deviation over seeds; from the committed records."]
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
        f"Balanced accuracy in percent, mean over models of seeds {seeds}; {first['persons']} persons and "
        f"{first['images']} images that no model was trained on. Above chance: 0 is chance, 100 perfect; ± is the "
        "deviation over seeds.",
        "",
        "| identity against clothing | CKA, unbiased, linear | RBF | if independent | HSIC, linear |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for system in dict.fromkeys(system for _, system, feature in PROBED if feature == "clothing"):
        pairs = [
            next(pair for pair in report["dependence"] if {pair["x"], pair["y"]} == {"identity", "clothing"})
            for report in probed(system)
        ]
        cells = [
            f"{_mean([pair[kernel][name][key] for pair in pairs]):.2g}"
            for kernel, name, key in (
                ("linear", "cka_unbiased", "value"),
                ("rbf", "cka_unbiased", "value"),
                ("linear", "cka_unbiased", "independent"),
                ("linear", "hsic", "value"),
            )
        ]
        lines.append(f"| `{system}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(values: list[float]) -> float:
    return statistics.fmean(values)


def _above(found: list[dict[str, Any]]) -> str:
    values = [100 * entry["above_chance"] for entry in found]
    return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}"
