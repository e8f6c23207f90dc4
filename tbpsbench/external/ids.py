"""Whose row is whose: what other code gives may come in any order, and must be about every caption and picture once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.external.task import Task
from tbpsbench.reading import shown

MAX_SHOWN = 10


class Names:
    """What captions and images may be called.

    Args:
        task: who asks and who answers.
    """

    def __init__(self, task: Task) -> None:
        self.split = task.split
        self.captions = {int(number): row for row, number in enumerate(task.queries.caption_ids)}
        self.images: dict[int | str, int] = {record.image_id: row for row, record in enumerate(task.images)}
        self.images |= {record.file: row for row, record in enumerate(task.images)}
        self.image_labels = [f"{record.image_id} ({record.file})" for record in task.images]
        self.caption_labels = [str(number) for number in task.queries.caption_ids]

    def caption_rows(self, given: Sequence[int], source: str) -> np.ndarray:
        """(Q,) which of the given is about query n.

        Raises:
            DataError: naming what is missing, given twice or unknown.
        """
        return _order(given, self.captions.get, self.caption_labels, f"{source}: captions of the split {self.split!r}")

    def image_rows(self, given: Sequence[int] | Sequence[str], source: str) -> np.ndarray:
        """(G,) which of the given is about image n; images go by their image_id or by their file.

        Raises:
            DataError: naming what is missing, given twice or unknown.
        """
        return _order(given, self.image, self.image_labels, f"{source}: images of the gallery")

    def image(self, name: int | str) -> int | None:
        """The row of an image by its file, or by its image_id, which may be written as a text."""
        row = self.images.get(name)
        if row is None and isinstance(name, str) and name.isascii() and name.isdigit() and len(name) < 20:
            row = self.images.get(int(name))
        return row


def _order(given: Sequence[Any], row_of: Callable[[Any], int | None], labels: Sequence[str], what: str) -> np.ndarray:
    order, twice, unknown = np.full(len(labels), -1, np.int64), [], []
    for position, name in enumerate(given):
        row = row_of(name)
        if row is None:
            unknown.append(name)
        elif order[row] >= 0:
            twice.append(name)
        else:
            order[row] = position
    missing = [labels[row] for row in np.flatnonzero(order < 0).tolist()]
    found = [(missing, "have no row"), (twice, "have more than one row"), (unknown, "are none of them")]
    if problems := [f"{len(names)} {fault}: {listed(names)}" for names, fault in found if names]:
        raise DataError(f"{what}: {'; '.join(problems)}. Give each of them once, by the ids of the annotation file.")
    return order


def listed(names: Iterable[object]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(shown(str(name))[:80] for name in names[:MAX_SHOWN]) + more
