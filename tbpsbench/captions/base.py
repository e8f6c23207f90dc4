"""What a caption source promises: the texts that a data set is trained and searched with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from tbpsbench.model.roles import QUERY

if TYPE_CHECKING:
    from tbpsbench.annotations import Annotations
    from tbpsbench.data.base import PersonSearchDataset


class CaptionSource(ABC):
    """Base of the slot CAPTION_SOURCES. Generation and training are separate processes; the file is the contract.

    Attributes:
        name: name of the annotation file, without its suffix.
        roles: text roles of its captions; "query" must be among them.
        queries: whether a search is asked its captions of val and test; otherwise training sees its captions, and a
            search is asked the data set's own.
    """

    name: str
    roles: ClassVar[tuple[str, ...]] = (QUERY,)
    queries: bool = True

    @abstractmethod
    def load(self, dataset: PersonSearchDataset) -> Annotations:
        """The data set's images with this source's captions in the role "query"."""
