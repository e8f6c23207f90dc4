"""The table of an index's pictures: the file of each, under a number that is never given twice.

It stands in the index's journal, one committed line per batch of pictures:

    {"add": [[file, bytes, modified_ns], ...], "first": id of the first, "remove": [id, ...]}
    {"remove": [id, ...], "leave_out": true}    their files are not to come back when the folder is looked through
    {"restore": [file, ...]}                    they may, after all
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.reading import shown
from tbpsbench.retrieval.journal import Journal


class Item(NamedTuple):
    """A picture's file.

    Attributes:
        file: its path below the index's folder of pictures, with `/` between folders.
        size: bytes.
        modified_ns: when it was changed last, in nanoseconds.
    """

    file: str
    size: int
    modified_ns: int


class Items:
    """All pictures that were ever committed, and which of them are there.

    Args:
        path: the journal.

    Raises:
        DataError: if the journal is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._items: list[Item] = []
        self._removed: set[int] = set()
        self._by_file: dict[str, int] = {}
        self._left_out: set[str] = set()
        self.refresh()

    def refresh(self) -> bool:
        """Take in what another process has committed since; whether there was anything."""
        entries = self._journal.read()
        for entry in entries:
            self._apply(entry)
        return bool(entries)

    def is_begun(self) -> bool:
        """Whether anything can have been committed; False where the journal is gone, or was never begun."""
        return bool(self._items) or self._journal.is_begun()

    def begin(self) -> None:
        """Let the journal notice lost lines (see `Journal.begin`); before the first vectors are written."""
        self._journal.begin()

    @property
    def next_id(self) -> int:
        """The number that the next picture gets."""
        return len(self._items)

    def __len__(self) -> int:
        return len(self._items) - len(self._removed)

    def __contains__(self, item_id: object) -> bool:
        known = isinstance(item_id, int | np.integer) and bool(0 <= item_id < len(self._items))
        return known and item_id not in self._removed

    def __getitem__(self, item_id: int) -> Item:
        if item_id not in self:
            raise DataError(f"the index holds no picture {item_id}")
        return self._items[item_id]

    def ids(self) -> np.ndarray:
        """Ids that are there, ascending, int64."""
        alive_N = np.ones(len(self._items), bool)
        alive_N[list(self._removed)] = False
        return np.flatnonzero(alive_N)

    def id_of(self, file: str) -> int | None:
        """The number of a file's picture, if it is there."""
        return self._by_file.get(file)

    def named(self, name: str) -> int | None:
        """The number of a picture whose file is named as it is, or as messages show it; None if it is not there."""
        number = self.id_of(name)
        return number if number is not None else next((n for f, n in self._by_file.items() if shown(f) == name), None)

    def files(self) -> Sequence[str]:
        """Files that are there, in the order in which they came."""
        return list(self._by_file)

    def left_out(self) -> frozenset[str]:
        """Files that were removed by somebody who does not want them back."""
        return frozenset(self._left_out)

    def commit_added(self, first: int, items: Sequence[Item], replacing: Iterable[int] = ()) -> None:
        """Commit pictures under the numbers from `first` on, and that those of `replacing` are gone in the same moment.

        `first` is `next_id`, or larger: numbers in between were begun with and never committed, and are passed over.
        """
        gone = [int(item_id) for item_id in replacing]
        self._commit({"first": first, "add": [list(item) for item in items], "remove": gone})

    def commit_removed(self, item_ids: Iterable[int], *, leave_out: bool) -> None:
        """Commit that pictures are gone."""
        if gone := sorted(int(item_id) for item_id in item_ids):
            self._commit({"remove": gone, "leave_out": leave_out})

    def commit_restored(self, files: Iterable[str]) -> None:
        """Commit that files which were left out may come back."""
        self._commit({"restore": list(files)})

    def _commit(self, entry: dict[str, Any]) -> None:
        self._journal.commit(entry)
        self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        try:
            if "add" in entry:
                if entry["first"] < len(self._items):
                    raise ValueError(f"begins with item {entry['first']}, expected {len(self._items)}")
                passed_over = range(len(self._items), entry["first"])
                self._items += [Item("", 0, 0)] * len(passed_over)
                self._removed.update(passed_over)
                for file, size, modified_ns in entry["add"]:
                    self._by_file[str(file)] = len(self._items)
                    self._left_out.discard(str(file))
                    self._items.append(Item(str(file), int(size), int(modified_ns)))
            for gone in entry.get("remove", ()):
                self._removed.add(int(gone))
                file = self._items[gone].file
                if self._by_file.get(file) == gone:
                    del self._by_file[file]
                if entry.get("leave_out"):
                    self._left_out.add(file)
            self._left_out.difference_update(entry.get("restore", ()))
        except (LookupError, TypeError, ValueError) as error:
            raise DataError(f"{self._journal.path}: is damaged ({error}). Build the index again.") from error
