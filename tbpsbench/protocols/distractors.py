"""The gallery of the split and, behind it, a folder of further pictures that match nobody (AI City, PAB)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.protocols.standard import Standard
from tbpsbench.registry import PROTOCOLS
from tbpsbench.types import ImageRecord


@PROTOCOLS.register("distractors")
class Distractors(Protocol):
    """As `standard`, in a gallery that also holds the pictures of the folder `evaluation.distractors`.

    They are embedded and counted part by part, so a million of them takes the memory of one part.
    """

    distractors: ClassVar[bool] = True

    def task(self, asked: Sequence[ImageRecord], gallery: Sequence[ImageRecord]) -> Task:
        return Standard().task(asked, gallery)
