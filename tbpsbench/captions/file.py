"""Captions of any origin, by the name of their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbpsbench.captions.base import CaptionSource
from tbpsbench.reading import given_path
from tbpsbench.registry import CAPTION_SOURCES

if TYPE_CHECKING:
    from tbpsbench.annotations import Annotations
    from tbpsbench.data.base import PersonSearchDataset


@CAPTION_SOURCES.register("file")
class File(CaptionSource):
    """An annotation file in the data set's folder; a bare name that is no source's stands for it.

    Args:
        name: of the file, ROOT/<name>.jsonl.
        queries: whether its captions of other splits than train are also what a search is asked; otherwise these are
            the data set's own, so that systems with different training captions are asked the same.
    """

    def __init__(self, name: str, queries: bool = False) -> None:
        if not name or given_path(name).name != name:
            raise ValueError(f"name={name!r} is the name of a file, without a folder")
        self.name, self.queries = name, queries

    def load(self, dataset: PersonSearchDataset) -> Annotations:
        """Read ROOT/<name>.jsonl; for MiniPEDES, names of simulated captions are made on first use (simulated.py)."""
        if dataset.name == "MiniPEDES" and not (dataset.root / f"{self.name}.jsonl").is_file():
            from tbpsbench.captions.simulated import make_simulated

            make_simulated(dataset, self.name)
        return dataset.load(self.name)
