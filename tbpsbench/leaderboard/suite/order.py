"""Which tasks of a suite must wait: an entry with `start` is trained on from another entry's checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbpsbench.engine.workdir import BEST, CARD, LAST
from tbpsbench.errors import DataError
from tbpsbench.leaderboard.suite.read import Task
from tbpsbench.reading import read_json

FINISHED = "finished"


@dataclass(frozen=True)
class Order:
    """What the tasks of a suite wait for.

    Attributes:
        starts: number of a task -> number of the task that it starts from; tasks without one are not in it.
        folders: the run's folder of every task.
    """

    starts: Mapping[int, int]
    folders: Sequence[Path]

    @classmethod
    def of(cls, tasks: Sequence[Task], folders: Sequence[Path]) -> Order:
        """From the tasks of a suite and their folders."""
        numbers = {task.key: number for number, task in enumerate(tasks)}
        return cls({n: numbers[task.start.key] for n, task in enumerate(tasks) if task.start is not None}, folders)

    def is_trained(self, number: int) -> bool:
        """Whether a run is finished and its checkpoint is here."""
        folder = self.folders[number]
        if not any((folder / name).is_file() for name in (BEST, LAST)):
            return False
        try:
            card = read_json(folder / CARD)
        except DataError:
            return False
        return isinstance(card, Mapping) and card.get("status") == FINISHED

    def waits_for(self, number: int) -> int | None:
        """The task whose checkpoint is not there yet; None if this one can be trained."""
        start = self.starts.get(number)
        return None if start is None or self.is_trained(start) else start

    def with_starts(self, numbers: Collection[int]) -> list[int]:
        """Tasks, and those whose checkpoints they need and do not find: records alone do not help them."""
        needed = set(numbers)
        waiting = list(numbers)
        while waiting:
            start = self.waits_for(waiting.pop())
            if start is not None and start not in needed:
                needed.add(start)
                waiting.append(start)
        return sorted(needed)
