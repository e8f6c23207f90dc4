"""Vague queries for MiniPEDES: every image told of by two annotators of the terse style, who say little.

They stand for searchers who do not say much; what a dialogue adds shows there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tbpsbench.annotations import Annotations, write_annotations
from tbpsbench.errors import DataError
from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.grammar import ANNOTATORS, STYLES, write
from tbpsbench.minipedes.words import Facts
from tbpsbench.types import Caption, ImageRecord

NAME = "terse"
# Annotator number n has style n modulo the number of styles.
TERSE = tuple(n for n in range(ANNOTATORS) if tuple(STYLES)[n % len(STYLES)] == NAME)


def write_terse(path: Path, human: Annotations, seed: int) -> Path:
    """Write the annotation file.

    Args:
        path: of the new file.
        human: the data set with its attributes (human.jsonl).
        seed: of the data set.

    Raises:
        DataError: if the annotations hold no attributes.
        StorageError: if the file cannot be written.
    """
    return write_annotations(
        path, human.dataset, NAME, _told(human, seed),
        images=str(human.header["images"]),
        made_from={**human.header["made_from"], "captions_sha256": human.sha256},
        notes={"about": "captions from the grammar, by annotators of the terse style alone"},
    )  # fmt: skip


def _told(human: Annotations, seed: int) -> Iterable[ImageRecord]:
    for record in human.records:
        if "visible" not in record.attributes:
            raise DataError(f"{human.path}: image {record.file!r} has no attributes; create the data set again")
        facts, key = Facts.of(dict(record.attributes)), (NAME, record.file)
        first = Dice(seed, "terse annotators", *key).pick(TERSE)
        second = Dice(seed, "terse annotators", *key, 1).pick([n for n in TERSE if n != first])
        texts = [write(seed, key, annotator, facts).text for annotator in (first, second)]
        number = 2 * record.image_id
        captions = tuple(
            Caption(text, "query", record.image_id, NAME, record.split, number + place, "image", NAME)
            for place, text in enumerate(texts)
        )
        yield replace(record, captions=captions)
