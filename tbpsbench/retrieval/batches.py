"""Files in, vectors out, batch after batch, with every core at work.

On a GPU threads read and decode the files of the batches ahead while the model embeds one. On a CPU the model's own
threads would wait for each other and for those that decode, so each worker takes whole batches and computes alone.

Shapes: B pictures of a batch, H x W pixels.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from tbpsbench.errors import DataError
from tbpsbench.model.modes import evaluating
from tbpsbench.retrieval.items import Item
from tbpsbench.retrieval.look import Look, look_at
from tbpsbench.system import Embedded, System

# Pictures of a batch where nobody says: a GPU wants many, one core has its best rate with few.
BATCH, BATCH_OF_A_CORE = 64, 16
# Batches that are decoded ahead of a GPU; that wait for each core, so that none is idle while vectors are committed.
AHEAD, AHEAD_OF_A_CORE = 3, 2


class Batch(NamedTuple):
    """Some files, in their order.

    Attributes:
        items: the files.
        looks: what was seen of each; without the picture.
        embedded: of those that can be used; None where none can.
    """

    items: Sequence[Item]
    looks: list[Look]
    embedded: Embedded | None


def embedded_batches(
    system: System, root: Path, wanted: Sequence[Item], batch_size: int | None = None, workers: int | None = None
) -> Generator[Batch]:
    """Embed files, in order; closing it ends the threads.

    Args:
        system: that embeds them.
        root: the folder that the files' names start from.
        wanted: the files.
        batch_size: pictures that are embedded at once; by default 64, on a CPU 16.
        workers: threads; by default one per core, on a CPU as many as torch computes with.

    Raises:
        DataError: at once, as `require_positive`.
    """
    require_positive(batch_size, workers)
    on_cpu = system.device.type == "cpu"
    if batch_size is None:
        batch_size = BATCH_OF_A_CORE if on_cpu else BATCH
    if workers is None:
        workers = torch.get_num_threads() if on_cpu else os.cpu_count() or 1
    batches = [wanted[first : first + batch_size] for first in range(0, len(wanted), batch_size)]
    return _whole_batches(system, root, batches, workers) if on_cpu else _ahead_of_a_gpu(system, root, batches, workers)


def require_positive(batch_size: int | None, workers: int | None) -> None:
    """Refuse numbers with which nothing would be embedded; None stands for the default.

    Raises:
        DataError: if batch_size or workers are not positive.
    """
    for name, number in (("batch_size", batch_size), ("workers", workers)):
        if number is not None and number < 1:
            raise DataError(f"{name} is {number}, expected at least 1")


def _ahead_of_a_gpu(system: System, root: Path, batches: Sequence[Sequence[Item]], workers: int) -> Generator[Batch]:
    with _threads(workers) as pool:

        def begin(items: Sequence[Item]) -> Callable[[], Batch]:
            jobs = [pool.submit(look_at, root / item.file, system.preprocess) for item in items]
            return lambda: _embedded(system, items, [job.result() for job in jobs])

        yield from _in_turn(begin, batches, AHEAD)


def _whole_batches(system: System, root: Path, batches: Sequence[Sequence[Item]], workers: int) -> Generator[Batch]:
    def whole(items: Sequence[Item]) -> Batch:
        return _embedded(system, items, [look_at(root / item.file, system.preprocess) for item in items])

    # Once for all threads: setting the model's mode and back is no matter for several at a time.
    with evaluating(system.model), _one_thread_each, _threads(workers) as pool:
        yield from _in_turn(lambda items: pool.submit(whole, items).result, batches, AHEAD_OF_A_CORE * workers)


def _embedded(system: System, items: Sequence[Item], looks: list[Look]) -> Batch:
    seen = [look.image_3HW for look in looks if look.image_3HW is not None]
    embedded = system.encode_prepared(torch.stack(seen)) if seen else None
    return Batch(items, [look._replace(image_3HW=None) for look in looks], embedded)


def _in_turn(
    begin: Callable[[Sequence[Item]], Callable[[], Batch]], batches: Sequence[Sequence[Item]], ahead: int
) -> Generator[Batch]:
    """The batches in order, so many begun before the first is asked for, and one more with each."""
    waiting: deque[Callable[[], Batch]] = deque()
    for items in batches:
        waiting.append(begin(items))
        if len(waiting) > ahead:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)  # after an error nobody waits for what was begun


class _OneThreadEach:
    """Torch computes with one thread in each thread that begins meanwhile; nested, or by several at a time."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, 1

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = torch.get_num_threads()
            self._inside += 1
            torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                torch.set_num_threads(self._before)


_one_thread_each = _OneThreadEach()
