"""The field's usual protocol: every caption of the split asks, every image of the split answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.registry import PROTOCOLS
from tbpsbench.types import ImageRecord


@PROTOCOLS.register("standard")
class Standard(Protocol):
    """The whole gallery is ranked, the captioned image included, without a camera filter."""

    reversible: ClassVar[bool] = True
    whole_gallery: ClassVar[bool] = True

    def task(self, asked: Sequence[ImageRecord], gallery: Sequence[ImageRecord]) -> Task:  # noqa: ARG002
        return Task(np.ones(len(asked), dtype=bool))
