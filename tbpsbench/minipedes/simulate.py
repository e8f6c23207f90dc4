"""A simulated describer: identity and clothing descriptions with a known share of wrong and missing attributes.

It stands for a model that looks at a picture, where none is at hand: it reads the stored attributes, leaves some out,
takes others for something else, and words the rest as the ground truth is worded. Every file that it writes says so.

    descriptions-wrong20-missing10          20 % of the visible attributes wrong, 10 % left out
    descriptions-wrong20-missing10-seed3    with other dice than the data set's own

What is wrong at a low rate is wrong in the same way at a higher one, so that rates can be compared.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tbpsbench.annotations import Annotations, write_annotations
from tbpsbench.errors import DataError
from tbpsbench.minipedes import people
from tbpsbench.minipedes.describe import clothing_description, identity_description
from tbpsbench.minipedes.dice import Dice
from tbpsbench.minipedes.words import Facts
from tbpsbench.types import Caption, ImageRecord

PREFIX = "descriptions-"
SOURCE = "simulated-describer"
NAME = re.compile(r"descriptions-wrong(0|[1-9]\d?|100)-missing(0|[1-9]\d?|100)(?:-seed(0|[1-9]\d*))?")
STEPS = 100


@dataclass(frozen=True)
class Describer:
    """How a simulated describer errs.

    Attributes:
        wrong, missing: percent of the visible attributes; together at most 100.
        seed: of its dice.
    """

    wrong: int
    missing: int
    seed: int

    @classmethod
    def named(cls, name: str, seed: int) -> Describer:
        """The describer that `name` asks for.

        Args:
            name: of the caption file.
            seed: of the data set, for a name that gives none.

        Raises:
            DataError: for a name that is not written as in the head of this module, or shares above 100 %.
        """
        found = NAME.fullmatch(name)
        if found is None:
            raise DataError(
                f"MiniPEDES: no descriptions are called {name!r}. Simulated ones are written "
                "descriptions-wrongW-missingM or descriptions-wrongW-missingM-seedS, with whole percent from 0 to 100 "
                "and no leading zeros, e.g. descriptions-wrong20-missing10"
            )
        wrong, missing = int(found[1]), int(found[2])
        if wrong + missing > 100:
            raise DataError(f"MiniPEDES: {name!r}: {wrong} % wrong and {missing} % missing are more than 100 %")
        return cls(wrong, missing, int(found[3]) if found[3] else seed)

    def perceive(self, facts: Facts, image: str) -> tuple[Facts, Counter[str]]:
        """What it believes to see.

        Args:
            facts: what the image shows.
            image: the image's file name, which keys the dice.

        Returns:
            the facts with attributes replaced and left out, and how many are "right", "wrong" and "missing".
        """
        values, counted = {}, Counter[str]()
        for name, value in facts.values.items():
            dice = Dice(self.seed, "describer", image, name)
            draw, other = dice.below(STEPS), dice.pick([option for option in OPTIONS[name] if option != value])
            what = "missing" if draw >= STEPS - self.missing else "wrong" if draw < self.wrong else "right"
            counted[what] += 1
            if what != "missing":
                values[name] = other if what == "wrong" else value
        return replace(facts, values=values), counted


def write_descriptions(path: Path, human: Annotations, describer: Describer) -> Path:
    """Describe every image of MiniPEDES and write the annotation file, labelled as simulated.

    Args:
        path: of the new file.
        human: the data set with its attributes (human.jsonl).
        describer: how it errs.

    Raises:
        DataError: if the annotations hold no attributes.
        StorageError: if the file cannot be written.
    """
    counted: Counter[str] = Counter()
    records = list(_described(human, describer, counted))
    total = sum(counted.values())
    simulated = {
        "wrong": describer.wrong / 100, "missing": describer.missing / 100, "seed": describer.seed,
        "attributes": total, "counted_wrong": counted["wrong"], "counted_missing": counted["missing"],
    }  # fmt: skip
    about = "simulated: made from the stored attributes, with errors on purpose; no model has looked at these images"
    return write_annotations(
        path, human.dataset, SOURCE, records,
        images=str(human.header["images"]),
        made_from={**human.header["made_from"], "describer": {"captions_sha256": human.sha256}},
        notes={"simulated": simulated, "about": about},
    )  # fmt: skip


def _described(human: Annotations, describer: Describer, counted: Counter[str]) -> Iterable[ImageRecord]:
    for record in human.records:
        if "visible" not in record.attributes:
            raise DataError(
                f"{human.path}: image {record.file!r} has no attributes to describe; create the data set again"
            )
        facts, found = describer.perceive(Facts.of(dict(record.attributes)), record.file)
        counted += found
        texts = {"identity": identity_description(facts), "clothing": clothing_description(facts)}
        captions = tuple(
            Caption(text, role, record.image_id, SOURCE, record.split, 2 * record.image_id + i, "attributes")
            for i, (role, text) in enumerate(texts.items())
        )
        yield replace(record, captions=captions, attributes={})


def _options() -> dict[str, tuple[str, ...]]:
    """Factor -> everything that it can be taken for, in the order of the tables that persons are drawn from."""
    colours = people.UPPER_COLOUR
    tables: dict[str, Any] = {
        "sex": [people.SEX], "age": [people.AGE], "build": [people.BUILD], "height": [people.HEIGHT],
        "skin": [people.SKIN], "hair_style": people.HAIR_STYLE.values(), "hair_colour": people.HAIR_COLOUR.values(),
        "beard": people.BEARD.values(), "upper": [people.UPPER], "upper_colour": [colours],
        "upper_pattern": people.PATTERN.values(), "upper_accent": [colours], "inner_colour": [colours],
        "lower": [people.LOWER], "lower_colour": [people.LOWER_COLOUR, people.JEANS_COLOUR], "shoes": [people.SHOES],
        "shoe_colour": people.SHOE_COLOUR.values(), "bag": [people.BAG], "hat": [people.HAT],
        "glasses": [people.GLASSES], "carried": [people.CARRIED],
    }  # fmt: skip
    tables |= {f"{item}_colour": [people.ITEM_COLOUR] for item in ("bag", "hat", "carried")}
    return {
        name: tuple(dict.fromkeys(value for table in group for value, _ in table if value != "none"))
        for name, group in tables.items()
    }


OPTIONS = _options()
