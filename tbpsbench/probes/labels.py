"""What a probe is asked: the attributes of MiniPEDES' persons and outfits, in the images that show them.

Shapes: N images, M images that show an attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.minipedes.people import CLOTHING_FACTORS, IDENTITY_FACTORS
from tbpsbench.types import ImageRecord

Side = Literal["identity", "clothing"]
SIDES: dict[Side, tuple[str, ...]] = {"identity": IDENTITY_FACTORS, "clothing": CLOTHING_FACTORS}

NONE = "none"
# Things of which "none" is an answer ("which hat?"); of their colours it is not.
MAY_BE_ABSENT = frozenset({"beard", "bag", "hat", "glasses", "carried"})
# Views in which every value shows alike. In the others the view alone would give the answer away: glasses never show
# from behind, a print is on the chest alone, and of age only white hair is seen there. Factors not named: all views.
ASKED_IN: dict[str, tuple[str, ...]] = {
    "age": ("front", "side"),
    "beard": ("front", "side"),
    "upper_pattern": ("front",),
    "upper_accent": ("front",),
    "glasses": ("front", "side"),
    "carried": ("front", "side"),
    "carried_colour": ("front", "side"),
}
SHOT = ("view", "place", "lighting", "occluder")


@dataclass(frozen=True)
class Attribute:
    """One question with its answers.

    Attributes:
        name: factor of MiniPEDES, e.g. "hair_style".
        side: whether it belongs to the person or to the outfit.
        row_M: positions of the images that show it, ascending.
        label_M: (M,) position in `classes`.
        classes: values that can be asked for, sorted.
        persons: how many persons each class has.
        left_out: value -> its persons, too few to be asked for.
    """

    name: str
    side: Side
    row_M: np.ndarray
    label_M: np.ndarray
    classes: tuple[str, ...]
    persons: tuple[int, ...]
    left_out: Mapping[str, int]

    @property
    def chance(self) -> float:
        """Balanced accuracy of any answer that does not depend on the image."""
        return 1.0 / len(self.classes)


def attributes_of(records: Sequence[ImageRecord], *, min_persons: int) -> tuple[list[Attribute], dict[str, str]]:
    """Every attribute that can be probed, and why the others cannot.

    Args:
        records: N images in the order of the features.
        min_persons: a value of fewer persons than this is left out.

    Returns:
        The attributes, identity first, and name -> reason for those with fewer than two values left.

    Raises:
        DataError: if the images carry no attributes.
    """
    lacking = [record for record in records if "visible" not in record.attributes]
    if lacking:
        raise DataError(
            f"{lacking[0].file}: no ground-truth attributes, so there is nothing to probe for. MiniPEDES "
            "has them (configs/mini, configs/bdam_mamba/bdam-mamba_tiny_mini-pedes.py); photographed data sets do not."
        )
    probed, not_probed = [], {}
    for side, names in SIDES.items():
        for name in names:
            attribute = _attribute(name, side, records, min_persons)
            if len(attribute.classes) > 1:
                probed.append(attribute)
            else:
                counts = dict(zip(attribute.classes, attribute.persons, strict=True)) | dict(attribute.left_out)
                found = ", ".join(f"{value} {count}" for value, count in counts.items()) or "none shown"
                not_probed[name] = f"fewer than two values with {min_persons} persons each ({found})"
    return probed, not_probed


def shown_value(name: str, attributes: Mapping[str, Any]) -> str | None:
    """What an image answers to the question for a factor: its value, "none" where absence shows, None for no answer."""
    if attributes["view"] not in ASKED_IN.get(name, (attributes["view"],)):
        return None
    absent = attributes[name] == NONE and name in MAY_BE_ABSENT
    return str(attributes[name]) if absent or name in attributes["visible"] else None


def shot_of(records: Sequence[ImageRecord]) -> np.ndarray:
    """(N, S) how each picture was taken: a column of 0 and 1 for every view, place, light and occluder that occurs."""
    columns = [
        [record.attributes[name] == value for record in records]
        for name in SHOT
        for value in sorted({record.attributes[name] for record in records})
    ]
    return np.array(columns, np.float64).T


def _attribute(name: str, side: Side, records: Sequence[ImageRecord], min_persons: int) -> Attribute:
    value_N = [shown_value(name, record.attributes) for record in records]
    pids: dict[str, set[int]] = {}
    for value, record in zip(value_N, records, strict=True):
        if value is not None:
            pids.setdefault(value, set()).add(record.pid)
    classes = tuple(sorted(value for value, who in pids.items() if len(who) >= min_persons))
    code = {value: position for position, value in enumerate(classes)}
    row_M = np.array([row for row, value in enumerate(value_N) if value in code], np.int64)
    label_M = np.array([code[value] for value in value_N if value in code], np.int64)
    rare = {value: len(who) for value, who in sorted(pids.items()) if value not in code}
    return Attribute(name, side, row_M, label_M, classes, tuple(len(pids[value]) for value in classes), rare)
