"""Decoded-image cache: every image of a data set, decoded and resized once, in one memory-mapped file.

    CACHE_DIR/images-384x128-bilinear-<fingerprint>/
        pixels.u8     N x 3 x H x W bytes, RGB planes: a training batch is planes, too, so reading is one copy
        blocks.txt    one line per finished block: its number and the CRC-32 of its bytes
        meta.json     written last; a cache without it is unfinished

The fingerprint is made from the names, byte sizes and modification times of all image files, the target size and the
interpolation. A block is written, flushed to disk, and only then listed; after a kill the next builder makes what is
not listed, and what is listed is checked against its CRC first. One builder at a time holds the lock.

Shapes: N images, H x W pixels.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
from torch import Tensor, from_numpy

from tbpsbench.annotations import Annotations
from tbpsbench.data.images import BadImageError, Interpolation, bad_images_error, load_image
from tbpsbench.data.verify import check_images
from tbpsbench.errors import DataError, StorageError
from tbpsbench.files import storage_error, write_json
from tbpsbench.locking import exclusive
from tbpsbench.progress import progress_bar
from tbpsbench.reading import read_json

VERSION = 2  # 2: EXIF orientation is applied, more than eight bits keep their tones
BLOCK = 128
FIX = (
    "Copy them again from the release (MiniPEDES: delete its folder, it is made again). A report of everything that is "
    "wrong: python tools/prepare_data.py DATASET ROOT --verify"
)


class CachedImages:
    """Reads a finished cache; `cache[image_id]` is a uint8 tensor (3, H, W) that the caller may change.

    Pickles as its path: every process maps the file by itself, when it first reads.

    Args:
        folder: made by `build_cache`.

    Raises:
        DataError: if the cache is unfinished or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "meta.json").is_file():
            raise DataError(f"{self.folder / 'meta.json'}: no such file. The cache is unfinished: build_cache goes on.")
        try:
            meta = read_json(self.folder / "meta.json")
            self.size, self._count = (int(meta["size"][0]), int(meta["size"][1])), int(meta["count"])
            length = self._path.stat().st_size
        except (DataError, LookupError, TypeError, ValueError, OSError):
            raise DataError(f"{self.folder}: a damaged cache. Delete the folder; it will be created again.") from None
        self._pixels: np.ndarray | None = None
        if length != self._count * 3 * self.size[0] * self.size[1]:
            raise DataError(f"{self._path}: has the wrong length. Delete {self.folder}; it will be created again.")

    @property
    def _path(self) -> Path:
        return self.folder / "pixels.u8"

    @property
    def sha256(self) -> str | None:
        """What all pictures look like, wherever they lie: a hash of the check sums that decoding listed.

        None if the list is not whole; reading the pixels again would take long.
        """
        listed = _listed(self.folder / "blocks.txt")
        if set(listed) != set(range(-(-self._count // BLOCK))):
            return None
        return hashlib.sha256(" ".join(str(crc) for _, crc in sorted(listed.items())).encode()).hexdigest()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, image_id: int) -> Tensor:
        if self._pixels is None:
            mapped = np.memmap(self._path, np.uint8, "r", shape=(self._count, 3, *self.size))
            self._pixels = np.asarray(mapped)
        return from_numpy(self._pixels[image_id].copy())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pixels": None}


@dataclass(frozen=True)
class _Plan:
    """What is to be built, and where."""

    folder: Path
    root: Path
    files: tuple[str, ...]
    size: tuple[int, int]
    interpolation: Interpolation

    @property
    def image_bytes(self) -> int:
        return 3 * self.size[0] * self.size[1]

    @property
    def blocks(self) -> int:
        return -(-len(self.files) // BLOCK)

    def span(self, block: int) -> range:
        return range(block * BLOCK, min((block + 1) * BLOCK, len(self.files)))


def build_cache(
    annotations: Annotations,
    size: tuple[int, int],
    interpolation: Interpolation = "bilinear",
    cache_dir: str | Path | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> CachedImages:
    """Open the cache of a data set's images at one size; make it, or finish it, first if need be.

    Args:
        annotations: names the images; `image_id` is the position in the cache.
        size: height and width.
        interpolation: how images are resized.
        cache_dir: where caches lie; default: .cache beside the annotation file.
        workers: decoding threads; default: one per core.
        progress: show a progress bar on a terminal.

    Raises:
        DataError: if images are missing or damaged: all of them in one message.
        StorageError: if the cache cannot be written; finished blocks are kept.
    """
    root, files = annotations.image_root, tuple(record.file for record in annotations.records)
    parent = Path(cache_dir) if cache_dir is not None else annotations.path.parent / ".cache"
    print_, bad = fingerprint(root, files, size, interpolation, parent)
    if bad:
        raise bad_images_error(check_images(root, files, workers=workers, progress=progress), root, FIX)
    folder = parent / f"images-{size[0]}x{size[1]}-{interpolation}-{print_[:16]}"
    if not (folder / "meta.json").is_file():
        plan = _Plan(folder, root, files, (size[0], size[1]), interpolation)
        try:
            with exclusive(parent / f".{folder.name}.lock"):
                if not (folder / "meta.json").is_file():
                    _build(plan, workers or os.cpu_count() or 1, progress)
        except StorageError as error:
            gigabytes = len(files) * plan.image_bytes / 1e9
            raise StorageError(
                f"{error}. The image cache needs {gigabytes:.1f} GB; data.cache_dir puts it elsewhere"
            ) from error
    return CachedImages(folder)


def fingerprint(
    root: Path, files: tuple[str, ...], size: tuple[int, int], interpolation: str, parent: Path
) -> tuple[str, list[tuple[str, str]]]:
    """Hash of everything that decides the pixels, and the files that are missing or empty.

    Where the files lie counts as seen from the caches' folder `parent`: data sets that share one never share a cache,
    and a data set that is moved as a whole keeps its own.
    """
    digest = hashlib.sha256(f"{VERSION} {size[0]} {size[1]} {interpolation} {BLOCK}\n".encode())
    digest.update(os.fsencode(os.path.relpath(root.resolve(), parent.resolve())) + b"\n")
    bad = []
    for file in files:
        try:
            state = (root / file).stat()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            bad.append((file, getattr(error, "strerror", None) or str(error)))
            continue
        if state.st_size == 0:
            bad.append((file, "empty file (0 bytes)"))
        digest.update(f"{file}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest(), bad


def _build(plan: _Plan, workers: int, progress: bool) -> None:
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        (plan.folder / "pixels.u8").touch()
        with (plan.folder / "pixels.u8").open("r+b") as pixels:
            _reserve(pixels, max(len(plan.files) * plan.image_bytes, 1))
            done = _finished_blocks(plan, pixels)
            with (plan.folder / "blocks.txt").open("w") as blocks:
                for block, crc in done.items():
                    blocks.write(f"{block} {crc}\n")
                _flush(blocks)
                bad = _fill(plan, pixels, blocks, set(range(plan.blocks)) - set(done), workers, progress)
            _flush(pixels)
    except OSError as error:
        if not (plan.folder / "blocks.txt").is_file():
            shutil.rmtree(plan.folder, ignore_errors=True)
        raise storage_error(plan.folder, error) from error
    if bad:
        # Any repair changes the fingerprint: this half-built cache would never be used again.
        shutil.rmtree(plan.folder, ignore_errors=True)
        raise bad_images_error(sorted(bad), plan.root, FIX)
    write_json(
        plan.folder / "meta.json",
        {"version": VERSION, "count": len(plan.files), "size": plan.size, "interpolation": plan.interpolation},
    )


def _reserve(pixels: IO[bytes], size: int) -> None:
    """Take the whole space now, where the file system can: a full disk shows before the work, not after it."""
    try:
        os.posix_fallocate(pixels.fileno(), 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
            raise
        os.ftruncate(pixels.fileno(), size)


def _finished_blocks(plan: _Plan, pixels: IO[bytes]) -> dict[int, int]:
    """Blocks that an earlier builder finished: listed on a whole line, and still what the list says."""
    done = {}
    for block, crc in _listed(plan.folder / "blocks.txt").items():
        if block < plan.blocks:
            span = plan.span(block)
            data = os.pread(pixels.fileno(), len(span) * plan.image_bytes, span.start * plan.image_bytes)
            if zlib.crc32(data) == crc:
                done[block] = crc
    return done


def _listed(path: Path) -> dict[int, int]:
    """Block -> check sum of its bytes, of every whole line of a list of blocks."""
    found = {}
    for line in path.read_bytes().split(b"\n")[:-1] if path.is_file() else []:
        parts = line.split()
        if len(parts) == 2 and all(part.isdigit() and len(part) < 12 for part in parts):
            found[int(parts[0])] = int(parts[1])
    return found


def _fill(
    plan: _Plan, pixels: IO[bytes], blocks: IO[str], missing: set[int], workers: int, progress: bool
) -> list[tuple[str, str]]:
    """Decode and write the missing blocks; returns the images that could not be decoded.

    Threads, not processes: Pillow decodes and resizes outside the interpreter's lock, and threads need no fork and no
    import of the caller's main module.
    """
    bad: list[tuple[str, str]] = []
    total = len(plan.files)
    finished = total - sum(len(plan.span(block)) for block in missing)
    bar = progress_bar(total=total, done=finished, what="decoding images", shown=progress)
    with bar, ThreadPoolExecutor(workers) as pool:
        listing = Lock()
        futures = {
            pool.submit(_write_block, plan, pixels.fileno(), blocks, listing, block): block for block in sorted(missing)
        }
        try:
            for future in as_completed(futures):
                bad += future.result()
                bar.update(len(plan.span(futures[future])))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return bad


def _write_block(plan: _Plan, descriptor: int, blocks: IO[str], listing: Lock, block: int) -> list[tuple[str, str]]:
    """Decode one block, put it on disk for good, then list it; returns its bad images, with any it is not listed."""
    span, bad = plan.span(block), []
    images = np.zeros((len(span), 3, *plan.size), dtype=np.uint8)
    for row, image_id in enumerate(span):
        try:
            images[row] = load_image(plan.root / plan.files[image_id], plan.size, plan.interpolation)
        except BadImageError as error:
            bad.append((plan.files[image_id], str(error)))
    if bad:
        return bad
    data, offset, written = images.reshape(-1).data, span.start * plan.image_bytes, 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)
    os.fdatasync(descriptor)
    with listing:
        blocks.write(f"{block} {zlib.crc32(data)}\n")
        _flush(blocks)
    return []


def _flush(stream: IO[Any]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
