"""The data set's own captions, written by people (MiniPEDES: by its grammar of annotators)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbpsbench.captions.base import CaptionSource
from tbpsbench.registry import CAPTION_SOURCES

if TYPE_CHECKING:
    from tbpsbench.annotations import Annotations
    from tbpsbench.data.base import PersonSearchDataset


@CAPTION_SOURCES.register("human")
class Human(CaptionSource):
    """The captions that the data set ships with."""

    name = "human"

    def load(self, dataset: PersonSearchDataset) -> Annotations:
        """Read ROOT/human.jsonl."""
        return dataset.load(self.name)
