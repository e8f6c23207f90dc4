"""Tables of docs/captions.md and docs/text-towers.md: what captions say, and what systems learn from them."""

from __future__ import annotations

from _tables import SMALL, committed, gap, measured, result, score, spread

from tbpsbench.records.identity import OWN_CAPTIONS, captions_source
from tbpsbench.records.read import data_name

TRAINED_ON = {"": "human", "-static": "static caption", "-mtg": "MTG", "-styled": "clustered styles"}
SYSTEMS = ("two-tower-m", "irra", "rde")
# Rows that CTGI's Table 4 prints for RSTPReid, R@1 and mAP: MTG with stretching, without MTI.
PRINTED_MTG = {"irra-mtg": (52.30, 40.03), "rde-mtg": (60.55, 44.98)}
# Table 4 of the BDAM paper, R@1 and mAP.
CLUSTERERS = {
    "no-styles": ("no styles", 79.18, 71.22),
    "random": ("`Random`", 79.54, 71.95),
    "kmeans": ("`KMeans`", 79.20, 71.85),
    "gmm": ("`GMM`", 79.05, 71.70),
    "agglomerative": ("`Agglomerative`", 79.10, 71.78),
    "hdbscan": ("`HDBSCAN`", 79.40, 72.20),
    "dbscan": ("`DBSCAN`", 79.93, 72.61),
    "prototypes": ("`UniformPrototypes`", None, None),
}
ERRORS = (0, 10, 40)
INDOOR = "MiniPEDES (indoor)"
# Rows of HAM's use: name, what it was trained on, steps on human captions.
HAM = (
    ("ham-pretrain", "generated captions", 0),
    ("two-tower-s-2", "human captions", 70),
    ("ham-finetuned-2", "generated, then human captions", 70),
    ("two-tower-s", "human captions", 210),
    ("ham-finetuned", "generated, then human captions", 210),
)
NOT_CORRECTED = (
    "Percent, mean and standard deviation over three seeds; `compare`'s p-values, not corrected for several tests."
)


def coverage() -> str:
    """What captions say of the images, and how much of it is true."""
    found = result("caption_coverage")
    lines = [
        "| captions | wrong | words | attributes said | true ones | of those shown | precision |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found["found"].items():
        source, _, wrong = name.partition("-wrong")
        lines.append(
            f"| {source} | {f'{wrong} %' if wrong else ''} | {row['words']:.1f} | {row['said']:.1f} | "
            f"{row['true']:.1f} | {row['recall']:.0%} | {row['precision']:.1%} |"
        )
    shown = found["found"]["human"]["shown"]
    lines += [
        "",
        f"Means over the captions of {found['size']['images']:,} training images, which show {shown:.1f} attributes "
        "each. `dual` is both descriptions of an image together. Written by `python benchmarks/caption_coverage.py`.",
    ]
    return "\n".join(lines)


def sources() -> str:
    """Suite `mini_captions`: the same systems trained on captions of different origin."""
    rows = measured()
    lines = [
        "| system | trained on | R@1 | mAP | against human: R@1 | mAP | against the static caption: R@1 | mAP |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for system in SYSTEMS:
        for suffix, told in TRAINED_ON.items():
            name = f"{system}{suffix}"
            if name not in rows:
                continue
            human = [gap(name, system, column) for column in ("R@1", "mAP")] if suffix else ["", ""]
            static = f"{system}-static"
            against = [gap(name, static, c) for c in ("R@1", "mAP")] if name not in (system, static) else ["", ""]
            cells = [score(rows[name], "R@1"), score(rows[name], "mAP"), *human, *against]
            lines.append(f"| {system} | {told} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOT_CORRECTED])


def errors() -> str:
    """Suite `mini_captions_error`: IRRA and RDE on MTG captions with more and more errors."""
    rows = measured()
    lines = ["| wrong | IRRA R@1 | IRRA mAP | RDE R@1 | RDE mAP |", "| ---: |" + " ---: |" * 4]
    for rate in ERRORS:
        names = [f"{system}-mtg" + ("" if rate == 10 else f"-wrong-{rate}") for system in ("irra", "rde")]
        cells = [score(rows.get(name), column) for name in names for column in ("R@1", "mAP")]
        if any(cells):
            lines.append(f"| {rate} % | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Percent, mean and standard deviation over three seeds."])


def clusterers() -> str:
    """Suite `mini_captions_clusterers`: Table 4 of the BDAM paper, beside the printed one."""
    rows = measured()
    lines = [
        "| styles by | R@1 | mAP | against no styles: R@1 | mAP | printed R@1 | printed mAP |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    base = "bdam-mamba-no-styles-s-6"
    for key, (told, printed, printed_map) in CLUSTERERS.items():
        name = f"bdam-mamba-{key}-s-6"
        if name not in rows:
            continue
        against = [gap(name, base, column) for column in ("R@1", "mAP")] if name != base else ["", ""]
        theirs = [f"{value:.2f}" if value else "" for value in (printed, printed_map)]
        cells = [score(rows[name], "R@1"), score(rows[name], "mAP"), *against, *theirs]
        lines.append(f"| {told} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOT_CORRECTED])


def ham() -> str:
    """Suite `mini_ham`: from generated captions of other people, as it is and fine-tuned, against from scratch."""
    places = (SMALL, INDOOR)
    lines = [
        "| trained on | human captions, steps | street: R@1 | mAP | indoors: R@1 | mAP |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, told, steps in HAM:
        cells = []
        for place in places:
            # Trained where it is tested, or on other people alone.
            found = [
                record["results"]["standard"]["scores"]
                for _, record in committed()
                if record["name"] == name
                and data_name(record) == place
                and (not steps or record["spec"].get("trained_on", place) == place)
                and captions_source(record) == OWN_CAPTIONS
            ]
            cells += [spread([scores[column] for scores in found]) for column in ("R@1", "mAP")]
        lines.append(f"| {told} | {steps} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Percent, mean and standard deviation over three seeds."])


def text_towers() -> str:
    """Suite `mini_text_tower`: a published sentence model as text tower beside the one from scratch."""
    small = measured()
    lines = [
        "| system | text tower | R@1 | mAP | against from scratch: R@1 | mAP |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, told in (
        ("two-tower-m", "from scratch"),
        ("two-tower-minilm", "all-MiniLM-L6-v2, fine-tuned"),
        ("two-tower-minilm-locked", "all-MiniLM-L6-v2, locked"),
    ):
        if name not in small:
            continue
        against = [gap(name, "two-tower-m", column) for column in ("R@1", "mAP")] if name != "two-tower-m" else ["", ""]
        cells = [score(small[name], "R@1"), score(small[name], "mAP"), *against]
        lines.append(f"| {name} | {told} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOT_CORRECTED])


def printed_mtg() -> str:
    """The MTG half of CTGI's Table 4 beside ours."""
    rows = measured()
    lines = [
        "| trained on MTG alone | MiniPEDES R@1 | mAP | RSTPReid, printed R@1 | printed mAP |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, (rank, mean) in PRINTED_MTG.items():
        if name in rows:
            cells = [score(rows[name], "R@1"), score(rows[name], "mAP"), f"{rank:.2f}", f"{mean:.2f}"]
            lines.append(f"| {name.split('-')[0].upper()} | {' | '.join(cells)} |")
    return "\n".join(lines)
