"""A folder of pictures into an index, batch by batch: again and again, each time only what is new.

On a GPU files are read and decoded in threads while the model embeds the batch before; on a CPU each core takes whole
batches, from the file to the vector (batches.py). Every `COMMIT` pictures are committed together; a run that was killed
goes on behind them. Bad files are named in the report, and looked at again next time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from tbpsbench.data.images import MAX_SHOWN
from tbpsbench.errors import DataError
from tbpsbench.files import write_json
from tbpsbench.progress import progress_bar
from tbpsbench.reading import shown
from tbpsbench.retrieval.batches import Batch, embedded_batches, require_positive
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.retrieval.items import Item
from tbpsbench.retrieval.walk import Found, find_pictures, nothing_found
from tbpsbench.system import Embedded
from tbpsbench.vectors import Encoded

REPORT = "report.json"
COMMIT = 256


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
    gallery: Gallery, *, batch_size: int | None = None, workers: int | None = None, prune: bool = False,
    progress: bool = True,
) -> Report:  # fmt: skip
    """Bring an index up to date with its folder of pictures.

    Args:
        gallery: writable; its `root` is looked through.
        batch_size, workers: see `embedded_batches`.
        prune: remove pictures whose files are gone; not those that cannot be looked at.
        progress: show a bar on a terminal.

    Returns:
        What became of each file; it also stands in `report.json` in the index's folder.

    Raises:
        DataError: if there is no picture in the folder (nothing is removed then), or none that can be used or is left
            out; or batch_size or workers are not positive.
        StorageError: if the index cannot be written; what was committed stays.
    """
    require_positive(batch_size, workers)
    start = time.perf_counter()
    found = find_pictures(gallery.root, gallery.folder)
    report = Report(bad=found.problems, others=found.others)
    if not found.pictures and (prune or not len(gallery)):
        kept = f"\nNothing was removed from {gallery.folder}: is the folder where it was?" if len(gallery) else ""
        raise DataError(f"{nothing_found(gallery.root, found)}{kept}")
    wanted = _sort(gallery, found, report, prune=prune)
    bar = progress_bar(total=len(found.pictures), done=len(found.pictures) - len(wanted), what="index", shown=progress)
    with bar, closing(embedded_batches(gallery.system, gallery.root, wanted, batch_size, workers)) as batches:
        _embed(gallery, batches, report, bar.update)
    report.seconds = time.perf_counter() - start
    write_json(gallery.folder / REPORT, _plain(report))
    if not len(gallery) and not report.left_out:
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
    unseen = tuple(path for path, _ in found.problems)
    hidden = tuple(f"{path}/" for path in unseen)
    gone = [file for file in gallery.files() if not (file in there or file in unseen or file.startswith(hidden))]
    if prune:
        gallery.remove([number for file in gone if (number := gallery.id_of(file)) is not None], leave_out=False)
    (report.removed if prune else report.gone).extend(gone)
    return wanted


def _embed(gallery: Gallery, batches: Iterator[Batch], report: Report, done: Callable[[int], Any]) -> None:
    """Commit what is embedded, in order."""
    items: list[Item] = []
    parts: list[Embedded] = []
    for batch in batches:
        for item, look in zip(batch.items, batch.looks, strict=True):
            if look.remark:
                report.remarks.append((item.file, look.remark))
            if look.reason:
                report.bad.append((item.file, look.reason))
                if (known := gallery.id_of(item.file)) is not None:
                    gallery.remove([known], leave_out=False)  # it was usable before it was changed
            else:
                items.append(item)
        if batch.embedded is not None:
            parts.append(batch.embedded)
        if len(items) >= COMMIT:
            _commit(gallery, items, parts, report)
            items, parts = [], []
        done(len(batch.items))
    if items:
        _commit(gallery, items, parts, report)


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
