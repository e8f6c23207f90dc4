"""How much of what an image shows its captions say, and how much of what they say is true: MiniPEDES knows.

A caption is read by reading.py and compared with the stored factors of its image, factor by factor. A factor counts as
said where the caption gives a value for it that the lexicon knows; it is true if the image shows the factor and the
value is the stored one. Vague words ("a bag", "dark") say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from tbpsbench.annotations import Annotations, read_annotations
from tbpsbench.captions.reading import read
from tbpsbench.captions.run import Plan
from tbpsbench.captions.terms import SLOT_OF
from tbpsbench.errors import DataError
from tbpsbench.types import ImageRecord

SHADES = frozenset({"dark", "light"})


@dataclass
class Coverage:
    """What some captions say of their images.

    Attributes:
        captions: how many.
        words: in the mean.
        said, true: factors per caption, in the mean.
        shown: factors that the images show, in the mean.
        by_slot: slot -> (share of the shown factors that are said truly, share of the said ones that are true).
    """

    captions: int
    words: float
    said: float
    true: float
    shown: float
    by_slot: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def precision(self) -> float:
        """Share of what is said that is true."""
        return self.true / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Share of what the images show that is said."""
        return self.true / self.shown if self.shown else 0.0


def cover(texts: Iterable[tuple[str, ImageRecord]]) -> Coverage:
    """Compare captions with the images that they describe.

    Args:
        texts: captions, each with the image's record with its stored factors.

    Raises:
        DataError: if an image has no stored factors, or there is no caption.
    """
    rows, counts = [], {slot: [0, 0, 0] for slot in dict.fromkeys(SLOT_OF.values())}
    for text, record in texts:
        if "visible" not in record.attributes:
            raise DataError(
                f"{record.file}: nothing is known about this image; only MiniPEDES' captions can be measured"
            )
        shown = {name for name in record.attributes["visible"] if name in SLOT_OF}
        said = {f: [v for v in vs if v not in SHADES] for f, vs in read(text).facts.items() if f in KNOWN}
        said = {factor: values for factor, values in said.items() if values}
        true = {f for f, values in said.items() if f in shown and record.attributes[f] in values}
        for each, factors in enumerate((shown, said, true)):
            for factor in factors:
                counts[SLOT_OF[factor]][each] += 1
        rows.append((len(text.split()), len(said), len(true), len(shown)))
    if not rows:
        raise DataError("there are no captions to measure")
    words, said_mean, true_mean, shown_mean = (fmean(column) for column in zip(*rows, strict=True))
    by_slot = {s: (t / max(1, n), t / max(1, m)) for s, (n, m, t) in counts.items() if n}
    return Coverage(len(rows), words, said_mean, true_mean, shown_mean, by_slot)


# Factors that are drawn, so that a caption's word can be held against them.
KNOWN = frozenset(SLOT_OF) - {"action", "glasses_colour"}


def texts_of(file: Annotations, human: Annotations, images: Iterable[ImageRecord]) -> list[tuple[str, ImageRecord]]:
    """The texts of an annotation file with the records of the data set's own; an image's roles in one text each.

    Args:
        file: with the texts.
        human: with the stored factors.
        images: whose texts.
    """
    found = []
    for image in images:
        captions = file.records[image.image_id].captions
        roles = {caption.role for caption in captions}
        if roles == {"identity", "clothing"}:  # the two halves of one description
            found.append((" ".join(caption.text for caption in captions), human.records[image.image_id]))
        else:
            found += [(caption.text, human.records[image.image_id]) for caption in captions]
    return found


def table(rows: Mapping[str, Coverage]) -> str:
    """Coverages as a table for a terminal and for Markdown."""
    lines = [
        "| captions | number | words | true attributes per caption | of those shown | precision |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row.captions} | {row.words:.1f} | {row.true:.2f} | {100 * row.recall:.1f} % | "
            f"{100 * row.precision:.1f} % |"
        )
    return "\n".join(lines)


def measured(plan: Plan) -> str:
    """The captions of a run against the data set's own, and, for MTG, the static captions that it began with."""
    if not plan.path.is_file():
        raise DataError(f"{plan.path}: no such file. Caption the images first: python tools/caption.py CONFIG")
    from tbpsbench.captions.store import read_lines

    own = read_annotations(plan.path)
    captioned = [image for image in plan.images if own.records[image.image_id].captions]
    rows = {"human": cover(texts_of(plan.human, plan.human, captioned))}
    by_file = {image.file: image for image in plan.images}
    static = [
        (record["static_caption"], by_file[record["image_id"]])
        for record in read_lines(plan.folder, "records")
        if record.get("static_caption") and record["image_id"] in by_file
    ]
    if static:
        rows["static"] = cover(static)
    rows[plan.source.name] = cover(texts_of(own, plan.human, captioned))
    slots = [
        f"{slot:8} " + "   ".join(f"{name} {100 * row.by_slot[slot][0]:5.1f} %" for name, row in rows.items())
        for slot in rows[plan.source.name].by_slot
    ]
    return f"{table(rows)}\n\nshare of the shown attributes that captions say truly, by slot\n" + "\n".join(slots)
