"""Read what other code made: an npz with features or similarities, or an answer file.

text, image (or query, gallery)                 (Q, D) and (G, D): features of captions and images
similarity                                      (Q, G) instead of them: larger is better
caption_ids (or query_ids)                      (Q,) which caption each row is about
image_ids (or gallery_ids, image_files)         (G,) which image: numbers of the annotation file, or file names
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.arguments import did_you_mean
from tbpsbench.errors import DataError
from tbpsbench.external.answers import read_answers
from tbpsbench.external.features import PLAIN, Features, is_float, rows_not_finite
from tbpsbench.external.given import Given
from tbpsbench.external.ids import Names, listed
from tbpsbench.external.matrix import Similarity
from tbpsbench.external.task import Task
from tbpsbench.metrics.inputs import rows_with_nan
from tbpsbench.reading import shown
from tbpsbench.records.npz import Promise, read_arrays

NAMES = {
    "text": ("text", "query"),
    "image": ("image", "gallery"),
    "similarity": ("similarity",),
    "caption_ids": ("caption_ids", "query_ids"),
    "image_ids": ("image_ids", "gallery_ids", "image_files"),
}
IDS = ("caption_ids", "image_ids")
ARRAYS = (
    "An npz holds text, image, caption_ids and image_ids, or similarity, caption_ids and image_ids (docs/scoring.md)."
)
DAMAGED = "Write it again with np.savez, or copy it again."
OBJECTS = "Save plain arrays: numbers, or np.array(list_of_str) for file names."
MAX_WIDTH, MAX_IDS, MAX_ID_BYTES = 1 << 14, 1 << 22, 256 << 20


def read_given(path: Path, task: Task, *, normalize: bool = True) -> Given:
    """Read features, similarities or answers, in the order of a task.

    Args:
        path: an npz file, or an answer file.
        task: who asks and answers.
        normalize: of features, see `Features`.

    Raises:
        DataError: if the file is missing, damaged, not about every caption and image once, or holds NaN.
    """
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file")
    if path.suffix == ".npy":
        raise DataError(f"{shown(path)}: one array alone does not say whose rows are whose. {ARRAYS}")
    names = Names(task)
    if path.suffix != ".npz" and not zipfile.is_zipfile(path):
        return read_answers(path, names)
    found = _arrays(path, IDS, partial(_require_ids, path))
    source = shown(path)
    caption_rows = names.caption_rows(_ids(found["caption_ids"], path, "caption_ids"), source)
    image_rows = names.image_rows(_ids(found["image_ids"], path, "image_ids"), source)
    del found
    sizes = len(caption_rows), len(image_rows)
    own = _arrays(
        path, ("text", "image", "similarity"), lambda called, promised: _require_numbers(path, called, promised, sizes)
    )
    if "similarity" in own:
        scores_QG = _float(own["similarity"], own)[np.ix_(caption_rows, image_rows)]
        _refuse(path, rows_with_nan(scores_QG), names.caption_labels, "similarities of captions", "NaN")
        return Similarity(scores_QG)
    text_QD, image_GD = _float(own["text"], own)[caption_rows], _float(own["image"], own)[image_rows]
    for values, labels, what in (
        (text_QD, names.caption_labels, "features of captions"),
        (image_GD, names.image_labels, "features of images"),
    ):
        _refuse(path, rows_not_finite(values), labels, what, "NaN or infinite")
    return Features(text_QD, image_GD, normalize=normalize)


def _arrays(
    path: Path, wanted: Iterable[str], require: Callable[[Mapping[str, str], Mapping[str, Promise]], None]
) -> dict[str, np.ndarray]:
    """The wanted arrays under our names, once their headers are accepted."""
    called: dict[str, str] = {}

    def accept(promised: dict[str, Promise]) -> list[str]:
        called.update(_called(path, promised))
        require(called, promised)
        return [called[name] for name in wanted if name in called]

    arrays = read_arrays(path, accept, damaged=DAMAGED, strange=OBJECTS)
    return {name: arrays[called[name]] for name in wanted if name in called}


def _called(path: Path, promised: Mapping[str, Promise]) -> dict[str, str]:
    """Our name -> the file's name of every array; none may be unknown, missing or there twice."""
    known = [name for names in NAMES.values() for name in names]
    for name in promised:
        if name not in known:
            raise DataError(
                f"{shown(path)}: nothing reads the array {shown(name)[:80]!r}.{did_you_mean(name, known)} {ARRAYS}"
            )
    called: dict[str, str] = {}
    for own, names in NAMES.items():
        there = [name for name in names if name in promised]
        if len(there) > 1:
            raise DataError(f"{shown(path)}: {' and '.join(there)} mean the same; keep one of them")
        called |= dict.fromkeys([own] * bool(there), there[0] if there else "")
    features = [name for name in ("text", "image") if name in called]
    if "similarity" in called and features:
        raise DataError(f"{shown(path)}: holds similarities and features; keep one kind. {ARRAYS}")
    wanted = (*IDS, *(() if "similarity" in called else ("text", "image")))
    if missing := [name for name in wanted if name not in called]:
        raise DataError(f"{shown(path)}: holds no {' and no '.join(missing)}. {ARRAYS}")
    return called


def _require_ids(path: Path, called: Mapping[str, str], promised: Mapping[str, Promise]) -> None:
    for own in IDS:
        promise, what = promised[called[own]], f"{shown(path)}: {called[own]}"
        if len(promise.shape) != 1 or promise.dtype.kind not in ("iu" if own == "caption_ids" else "iuU"):
            kinds = "whole numbers" if own == "caption_ids" else "whole numbers, or file names"
            raise DataError(f"{what} holds {promise.dtype} of {promise.shape}, expected one id for each row: {kinds}")
        if promise.count > MAX_IDS or promise.count * promise.dtype.itemsize > MAX_ID_BYTES:
            raise DataError(f"{what} holds {promise.count} ids; no split has that many")


def _ids(given: np.ndarray, path: Path, what: str) -> list[Any]:
    try:
        found: list[Any] = given.tolist()
    except ValueError as error:  # code points that are no characters
        raise DataError(f"{shown(path)}: {what}: not all are texts ({error}). {DAMAGED}") from None
    return found


def _require_numbers(
    path: Path, called: Mapping[str, str], promised: Mapping[str, Promise], sizes: tuple[int, int]
) -> None:
    """Shapes and types, before anything is unpacked."""
    captions, images = sizes
    for own in ("text", "image", "similarity"):
        if own not in called:
            continue
        promise, what = promised[called[own]], f"{shown(path)}: {called[own]}"
        rows = images if own == "image" else captions
        told = f"({captions} captions, {images} images)" if own == "similarity" else f"({rows} {own}s, width)"
        fits = len(promise.shape) == 2 and promise.shape[0] == rows
        if not fits or (own == "similarity" and promise.shape[1] != images):
            raise DataError(f"{what} has the shape {promise.shape}, expected {told}: one row for each of its ids")
        if not is_float(promise.dtype):
            raise DataError(f"{what} holds {promise.dtype}. {PLAIN}")
        if own != "similarity" and not 1 <= promise.shape[1] <= MAX_WIDTH:
            raise DataError(f"{what} has {promise.shape[1]} values a row, expected 1 to {MAX_WIDTH}")
    if "text" in called and (text := promised[called["text"]]).shape[1] != promised[called["image"]].shape[1]:
        other = promised[called["image"]].shape[1]
        raise DataError(
            f"{shown(path)}: {called['text']} has {text.shape[1]} values a row, {called['image']} {other}: they must "
            "be vectors of one space"
        )


def _float(values: np.ndarray, all_: Mapping[str, np.ndarray]) -> np.ndarray:
    """In float32, or in float64 where everything is."""
    double = all(one.dtype.itemsize == 8 for one in all_.values())
    return values.astype(np.float64 if double else np.float32, copy=False)


def _refuse(path: Path, bad: list[int], labels: list[str], what: str, state: str) -> None:
    if bad:
        raise DataError(f"{shown(path)}: {len(bad)} {what} are {state}: {listed(labels[row] for row in bad)}")
