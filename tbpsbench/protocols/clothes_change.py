"""The person is asked for in one outfit and must be found in another (MiniPEDES; docs/data.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.registry import PROTOCOLS
from tbpsbench.types import ImageRecord

SUFFIX = "-clothes"  # of the split with the second outfits


@PROTOCOLS.register("clothes-change")
class ClothesChange(Protocol):
    """Images in the captioned outfit leave the gallery; persons without a second outfit do not ask."""

    asks_everybody: ClassVar[bool] = False

    def gallery_splits(self, split: str) -> tuple[str, ...]:
        return (split, f"{split}{SUFFIX}")

    def task(self, asked: Sequence[ImageRecord], gallery: Sequence[ImageRecord]) -> Task:
        changed = {record.pid for record in gallery if record.split.endswith(SUFFIX)}
        if not changed:
            raise DataError(
                "evaluation.protocols: 'clothes-change' needs images of a second outfit, which this data set does not "
                "have; leave it out (MiniPEDES has them)"
            )
        return Task(
            np.array([record.pid in changed for record in asked], dtype=bool),
            np.array([str(record.outfit) for record in asked]),
            np.array([str(record.outfit) for record in gallery]),
        )
