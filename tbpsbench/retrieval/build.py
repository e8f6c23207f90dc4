"""A folder of pictures into an index, batch by batch: again and again, each time only what is new.

Files are read and decoded in threads while the model embeds the batch before. Every `COMMIT` pictures are committed
together; a run that was killed goes on behind them. Bad files are named in the report, and looked at again next time.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

import torch

from tbpsbench.data.images import MAX_SHOWN
from tbpsbench.errors import DataError
from tbpsbench.files import write_json
from tbpsbench.progress import progress_bar
from tbpsbench.reading import shown
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.retrieval.items import Item
from tbpsbench.retrieval.look import Look, look_at
from tbpsbench.retrieval.walk import Found, find_pictures, nothing_found
from tbpsbench.system import Embedded
from tbpsbench.vectors import Encoded

REPORT = "report.json"
COMMIT = 256
# Batches that are decoded ahead of the model.
AHEAD = 3


@dataclass
class Report:
    """What became of each file of a folder.

    Attributes:
        added, changed, unchanged: numbers of pictures; a changed one has a new number in the index.
        removed: files that are gone from the folder, and were taken out of the index.
        gone: files that are gone from the folder and still in the index.
        left_out: files that stay out because somebody removed them from the index.
        bad: (file, reason) that could not be used.
        remarks: (file, what is odd about it) that could.
        others: files that are no pictures by their suffix.
        seconds: wall time.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0
    seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """For a terminal: counts, and up to `MAX_SHOWN` names of each kind."""
        embedded = self.added + self.changed
        yield (
            f"{embedded} pictures embedded in {self.seconds:.1f} s ({embedded / max(self.seconds, 1e-9):.1f}/s): "
            f"{self.added} new, {self.changed} changed; {self.unchanged} unchanged"
        )
        if self.others:
            yield f"{self.others} files passed over, which are no pictures by their suffix"
        kinds: list[tuple[str, Sequence[tuple[str, str]]]] = [
            ("cannot be used", self.bad),
            ("used, but odd", self.remarks),
            ("gone from the folder: removed", [(file, "") for file in self.removed]),
            ("gone from the folder, still in the index (--prune removes them)", [(file, "") for file in self.gone]),
            ("left out, as they were removed before (--restore takes them back)", [(f, "") for f in self.left_out]),
        ]
        for title, files in kinds:
            if files:
                yield f"{len(files)} {title}:"
                yield from (f"  {shown(f)}{': ' if why else ''}{shown(why)}" for f, why in files[:MAX_SHOWN])
                if len(files) > MAX_SHOWN:
                    yield f"  ... and {len(files) - MAX_SHOWN} more, in {REPORT}"


def build(
    gallery: Gallery, *, batch_size: int = 64, workers: int | None = None, prune: bool = False, progress: bool = True
) -> Report:
    """Bring an index up to date with its folder of pictures.

    Args:
        gallery: writable; its `root` is looked through.
        batch_size: pictures that are embedded at once.
        workers: threads that read and decode; by default one per core.
        prune: remove pictures whose files are gone.
        progress: show a bar on a terminal.

    Returns:
        What became of each file; it also stands in `report.json` in the index's folder.

    Raises:
        DataError: if there is no picture in the folder, or none that can be used; or batch_size or workers are not
            positive.
        StorageError: if the index cannot be written; what was committed stays.
    """
    workers = os.cpu_count() or 1 if workers is None else workers
    if batch_size < 1 or workers < 1:
        raise DataError(f"batch_size is {batch_size} and workers is {workers}, expected at least 1")
    start = time.perf_counter()
    found = find_pictures(gallery.root, gallery.folder)
    report = Report(bad=found.problems, others=found.others)
    wanted = _sort(gallery, found, report, prune=prune)
    if not found.pictures and not len(gallery):
        raise DataError(nothing_found(gallery.root, found))
    bar = progress_bar(total=len(found.pictures), done=len(found.pictures) - len(wanted), what="index", shown=progress)
    with bar, ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        _embed(gallery, wanted, report, batch_size, pool, bar.update)
    report.seconds = time.perf_counter() - start
    write_json(gallery.folder / REPORT, _plain(report))
    if not len(gallery):
        raise DataError("\n".join([f"{gallery.root}: no picture in this folder can be used", *report.lines()]))
    return report


def _sort(gallery: Gallery, found: Found, report: Report, *, prune: bool) -> list[Item]:
    """Which files must be embedded; the others go into the report."""
    wanted, left_out = [], gallery.left_out()
    for item in found.pictures:
        known = gallery.id_of(item.file)
        if known is not None and gallery.item(known) == item:
            report.unchanged += 1
        elif known is None and item.file in left_out:
            report.left_out.append(item.file)
        else:
            wanted.append(item)
    there = {item.file for item in found.pictures}
    gone = [file for file in gallery.files() if file not in there]
    if prune:
        gallery.remove([number for file in gone if (number := gallery.id_of(file)) is not None], leave_out=False)
    (report.removed if prune else report.gone).extend(gone)
    return wanted


def _embed(
    gallery: Gallery, wanted: Sequence[Item], report: Report, batch_size: int, pool: ThreadPoolExecutor,
    done: Callable[[int], Any],
) -> None:  # fmt: skip
    """Embed and commit what is wanted, in order."""
    items: list[Item] = []
    parts: list[Embedded] = []
    for batch, looks in _looked_at(gallery, wanted, batch_size, pool):
        usable = []
        for item, look in zip(batch, looks, strict=True):
            if look.remark:
                report.remarks.append((item.file, look.remark))
            if look.image_3HW is None:
                report.bad.append((item.file, look.reason))
                if (known := gallery.id_of(item.file)) is not None:
                    gallery.remove([known], leave_out=False)  # it was usable before it was changed
            else:
                usable.append(look.image_3HW)
                items.append(item)
        if usable:
            parts.append(gallery.system.encode_prepared(torch.stack(usable)))
        if len(items) >= COMMIT:
            _commit(gallery, items, parts, report)
            items, parts = [], []
        done(len(batch))
    if items:
        _commit(gallery, items, parts, report)


def _looked_at(
    gallery: Gallery, wanted: Sequence[Item], batch_size: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[Sequence[Item], list[Look]]]:
    """Batches of files with what was read, a few of them ahead."""
    batches = (wanted[first : first + batch_size] for first in range(0, len(wanted), batch_size))
    waiting: deque[tuple[Sequence[Item], list[Future[Look]]]] = deque()

    def start(batch: Sequence[Item]) -> None:
        jobs = [pool.submit(look_at, gallery.root / item.file, gallery.system.preprocess) for item in batch]
        waiting.append((batch, jobs))

    for batch in islice(batches, AHEAD):
        start(batch)
    while waiting:
        batch, jobs = waiting.popleft()
        looks = [job.result() for job in jobs]
        for ahead in islice(batches, 1):
            start(ahead)
        yield batch, looks


def _commit(gallery: Gallery, items: Sequence[Item], parts: Sequence[Embedded], report: Report) -> None:
    before = [number for item in items if (number := gallery.id_of(item.file)) is not None]
    tensors = [part for part in parts if isinstance(part, torch.Tensor)]
    joined = torch.cat(tensors) if tensors else Encoded.join([part for part in parts if isinstance(part, Encoded)])
    gallery.add(items, joined, replacing=before)
    report.added += len(items) - len(before)
    report.changed += len(before)


def _plain(report: Report) -> dict[str, Any]:
    """As JSON; names that are not UTF-8 are written as messages show them."""
    told = asdict(report)
    for kind in ("removed", "gone", "left_out"):
        told[kind] = [shown(file) for file in told[kind]]
    for kind in ("bad", "remarks"):
        told[kind] = [{"file": shown(file), "why": shown(why)} for file, why in told[kind]]
    return told
