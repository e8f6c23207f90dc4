"""The image that a caption was written for leaves the gallery: another picture of the person must be found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.registry import PROTOCOLS
from tbpsbench.types import ImageRecord


@PROTOCOLS.register("without-captioned-image")
class WithoutCaptionedImage(Protocol):
    """Queries about a person with one image have no match left; they are dropped and counted."""

    skips_unmatched: ClassVar[bool] = True

    def task(self, asked: Sequence[ImageRecord], gallery: Sequence[ImageRecord]) -> Task:
        return Task(
            np.ones(len(asked), dtype=bool),
            np.array([record.image_id for record in asked]),
            np.array([record.image_id for record in gallery]),
        )
