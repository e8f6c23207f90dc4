"""What a protocol promises: who asks, which images answer, and what leaves the gallery for a query.

Shapes: Q queries, G images of the gallery.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tbpsbench.types import ImageRecord

# Behind the name of a protocol in the results: the other way round; without the re-rankers; before a dialogue.
IMAGE_TO_TEXT, BEFORE = " (image-to-text)", " (before re-ranking)"
BEFORE_INTERACTION = " (before interaction)"
# What is evaluated beside an interaction, on the replies that it had or with anchors of another origin.
ABLATIONS = ("judge only", "refinement only", "random anchor", "rank 1 as anchor", "oracle anchor")
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Task:
    """What is asked of a ranking.

    Attributes:
        asks_Q: bool, which queries take part.
        query_group_Q, gallery_group_G: for a query, images of its person in its own group leave the gallery; None where
            all stay.
    """

    asks_Q: np.ndarray
    query_group_Q: np.ndarray | None = None
    gallery_group_G: np.ndarray | None = None


def protocol_name(result: str) -> str:
    """The protocol that a result is of."""
    for suffix in (IMAGE_TO_TEXT, BEFORE, BEFORE_INTERACTION, *map(ablation, ABLATIONS)):
        result = result.removesuffix(suffix)
    return result


def ablation(name: str) -> str:
    """Behind the name of a protocol in the results: an ablation of the interaction."""
    return f" ({name})"


class Protocol(ABC):
    """Base of the slot PROTOCOLS; it is registered under the name that records and tables use.

    Attributes:
        reversible: whether it can also be asked from image to text (`evaluation.both_directions`).
        skips_unmatched: whether a query may be left without a match by the protocol itself; such queries are counted,
            not refused.
        asks_everybody: whether every query caption of the split takes part.
        whole_gallery: whether every query sees every image of the gallery.
        distractors: whether the pictures of the folder `evaluation.distractors` lie behind the gallery.
    """

    reversible: ClassVar[bool] = False
    skips_unmatched: ClassVar[bool] = False
    asks_everybody: ClassVar[bool] = True
    whole_gallery: ClassVar[bool] = False
    distractors: ClassVar[bool] = False

    def gallery_splits(self, split: str) -> tuple[str, ...]:
        """Splits whose images make the gallery, the evaluated one first."""
        return (split,)

    def gallery_size(self, counts: Counts, split: str) -> int:
        """Number of gallery images that `counts` (of an annotation file's header) promise."""
        return sum(counts.get(name, {}).get("images", 0) for name in self.gallery_splits(split))

    @abstractmethod
    def task(self, asked: Sequence[ImageRecord], gallery: Sequence[ImageRecord]) -> Task:
        """What is asked.

        Args:
            asked: (Q,) the image that each query caption was written for.
            gallery: (G,) the images of `gallery_splits`.

        Raises:
            DataError: if the data lack what the protocol needs.
        """
