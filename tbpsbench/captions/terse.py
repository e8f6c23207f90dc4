"""Queries that say little, for MiniPEDES."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbpsbench.captions.base import CaptionSource
from tbpsbench.errors import DataError
from tbpsbench.registry import CAPTION_SOURCES

if TYPE_CHECKING:
    from tbpsbench.annotations import Annotations
    from tbpsbench.data.base import PersonSearchDataset


@CAPTION_SOURCES.register("terse")
class Terse(CaptionSource):
    """Captions of MiniPEDES by its annotators of the terse style; made on first use."""

    name = "terse"

    def load(self, dataset: PersonSearchDataset) -> Annotations:
        """Read ROOT/terse.jsonl.

        Raises:
            DataError: for another data set.
        """
        if dataset.name != "MiniPEDES":
            raise DataError(f"data.captions: 'terse' captions are MiniPEDES' own; {dataset.name} has none")
        return dataset.load(self.name)
