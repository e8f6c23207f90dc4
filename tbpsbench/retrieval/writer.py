"""Changes of an index, in the order that a kill at any moment cannot harm.

Vectors are written first, and on the disk, before their pictures are committed; a removal is committed before vectors
are touched. So the journal alone decides: what it does not know of is cleared away when the index is opened next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from tbpsbench.errors import DataError
from tbpsbench.reading import shown
from tbpsbench.retrieval.base import Index
from tbpsbench.retrieval.first_stage import first_stage
from tbpsbench.retrieval.items import Item, Items
from tbpsbench.retrieval.sets import Sets
from tbpsbench.system import Embedded, System
from tbpsbench.vectors import Encoded


class Writer:
    """Adds and removes pictures; its process holds the index's lock.

    Args:
        system: that makes the vectors.
        items: the table of pictures.
        index: one vector for each.
        sets: what heads compare that have more than one, if any do.
    """

    def __init__(self, system: System, items: Items, index: Index, sets: Sets | None) -> None:
        self._system, self._items, self._index, self._sets = system, items, index, sets
        self._unsure = False

    def add(self, items: Sequence[Item], embedded: Embedded, replacing: Sequence[int] = ()) -> range:
        """Take in pictures; they are there, and survive a kill, when this returns.

        Args:
            items: their files.
            embedded: what `System.encode_images` made of them.
            replacing: numbers of pictures that vanish in the same moment, e.g. of the same files before they changed.

        Returns:
            Their numbers.

        Raises:
            DataError: if a file is there already, or the embeddings are another system's.
            StorageError: if they cannot be written; then none of them is there.
        """
        if len(items) != len(embedded):
            raise DataError(f"{len(items)} pictures, but the embeddings of {len(embedded)}")
        for item in items:
            if (known := self._items.id_of(item.file)) is not None and known not in replacing:
                raise DataError(f"{shown(item.file)}: is in the index already; remove it first")
        self._require(replacing)
        if not items:
            return range(0)
        if isinstance(embedded, Tensor) != (self._sets is None):
            raise DataError("the pictures were embedded by another system than the index's")
        vector_ND = embedded if isinstance(embedded, Tensor) else first_stage(self._system.model, embedded, "image")
        if self._unsure:  # an add that failed half-way may have left its vectors
            self._index.keep(self._items.ids())
        self._unsure = True
        first = max(self._items.next_id, self._index.last_id() + 1)  # a kill may have left numbers that were used
        numbers = range(first, first + len(items))
        self._index.add(np.asarray(numbers, np.int64), vector_ND.numpy())
        if self._sets is not None:
            assert isinstance(embedded, Encoded)
            self._sets.add(first, embedded)
        self._index.flush()
        self._items.commit_added(first, items, replacing)
        self._unsure = False
        self._forget(replacing)
        return numbers

    def remove(self, item_ids: Sequence[int], *, leave_out: bool = True) -> None:
        """Forget pictures; no search returns them any more when this returns, nor after a kill.

        Args:
            item_ids: their numbers.
            leave_out: do not take their files in again when the folder is looked through (`restore` ends that).

        Raises:
            DataError: if the index does not hold one of them; then all stay.
        """
        self._require(item_ids)
        self._items.commit_removed(set(item_ids), leave_out=leave_out)
        self._forget(item_ids)

    def restore(self, files: Sequence[str]) -> None:
        """Let files that are left out come back when the folder is looked through next.

        Raises:
            DataError: if one of them is not left out.
        """
        for file in files:
            if file not in self._items.left_out():
                raise DataError(f"{shown(file)}: is not left out of the index; it was not removed from it")
        self._items.commit_restored(files)

    def _require(self, item_ids: Sequence[int]) -> None:
        for item_id in item_ids:
            self._items[int(item_id)]

    def _forget(self, item_ids: Sequence[int]) -> None:
        if len(item_ids):
            self._index.remove(np.asarray(sorted(set(item_ids)), np.int64))
            self._index.flush()
