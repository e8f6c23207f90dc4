"""Embeddings that other code made of captions and pictures; the dot product says how well they fit.

Shapes: Q queries, G images, D width, C distractors of a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tbpsbench.engine.embed import PART_ROWS
from tbpsbench.engine.plan import Question
from tbpsbench.errors import DataError
from tbpsbench.external.given import Given
from tbpsbench.files import sha256_file
from tbpsbench.metrics.ranking import PositiveRanks, Ties, positive_ranks
from tbpsbench.reading import shown
from tbpsbench.records.badges import FEATURES
from tbpsbench.records.npz import opened_array

# Lengths that are 1 but for rounding: such vectors are taken bit by bit as they are.
UNIT = 1e-5
# A length below which the squares of float64 lose digits.
FAR = 1e-100
PART_BYTES = 64 << 20
DAMAGED = "Write it again with np.save, or copy it again."
PLAIN = "Save float16, float32 or float64 numbers, e.g. np.asarray(features, np.float32)."


class Features(Given):
    """One vector for each caption and image.

    Args:
        text_QD, image_GD: in the order of the task; float32, or both float64.
        normalize: divide each vector by its length, so that the dot product is the cosine; False takes them as they
            are.
    """

    kind: ClassVar[str] = FEATURES
    two_towers: ClassVar[bool] = True

    def __init__(self, text_QD: np.ndarray, image_GD: np.ndarray, *, normalize: bool = True) -> None:
        self.normalize = normalize
        self.text_QD, text = self._vectors(text_QD)
        self.image_GD, image = self._vectors(image_GD)
        if not normalize:
            self.notes = ("the vectors are compared by their dot product, as they are",)
        elif text + image:
            self.notes = (f"{text} captions and {image} images had vectors of another length than 1: divided by it",)
        else:
            self.notes = ("every vector has the length 1 already: taken as it is",)

    @property
    def similarity(self) -> str:
        told = "cosine" if self.normalize else "dot product"
        return f"{told} of features made by other code, {self.text_QD.dtype}"

    @property
    def index_bytes(self) -> int:
        return self.image_GD.nbytes

    def settings(self) -> dict[str, Any]:
        return {"normalize": self.normalize}

    def ranks(
        self, question: Question, gallery_G: np.ndarray, ties: Ties, distractors: Iterable[np.ndarray] = ()
    ) -> PositiveRanks:
        ask, answer = question.ask, question.answer
        text_rows, image_rows = (ask, answer) if question.captions_ask else (answer, ask)
        text, image = self.text_QD[text_rows.rows], self.image_GD[gallery_G[image_rows.rows]]
        asking, answering = (text, image) if question.captions_ask else (image, text)
        return positive_ranks(
            asking, answering, ask.pids, answer.pids, ties=ties, query_groups=ask.groups, gallery_groups=answer.groups,
            skip_unmatched=question.skip, distractors=(self._vectors(part_CD)[0] for part_CD in distractors),
        )  # fmt: skip

    def _vectors(self, given_ND: np.ndarray) -> tuple[np.ndarray, int]:
        """Vectors of the length 1, and how many had another one."""
        if not self.normalize:
            return given_ND, 0
        length_N = np.sqrt(np.einsum("nd,nd->n", given_ND, given_ND, dtype=np.float64))
        if (far_N := ~np.isfinite(length_N) | (length_N < FAR)).any():  # squares of float64 that left its range
            peak_N = np.abs(given_ND[far_N]).max(axis=1, initial=0).astype(np.float64)
            peak_N[peak_N == 0] = 1
            given_ND = given_ND.copy()
            given_ND[far_N] = given_ND[far_N] / peak_N[:, None]
            length_N[far_N] = np.linalg.norm(given_ND[far_N], axis=1)
        other_N = np.abs(length_N - 1) > UNIT
        if not other_N.any():
            return given_ND, 0
        scale_N = np.where(other_N & (length_N > 0), length_N, 1)
        return (given_ND / scale_N[:, None]).astype(given_ND.dtype), int(other_N.sum())


class DistractorFile:
    """An npy file with the features of pictures that match nobody, read part by part.

    Args:
        path: of the file, (C, D) of any float type.
        like: features that they are compared with.

    Raises:
        DataError: if the file is missing, damaged, or holds anything else.
    """

    def __init__(self, path: Path, like: Features) -> None:
        self.path, self._type = path, like.image_GD.dtype
        with opened_array(path, damaged=DAMAGED, strange=PLAIN) as (promise, _):
            width = like.image_GD.shape[1]
            if len(promise.shape) != 2 or promise.shape[1] != width or not promise.shape[0]:
                raise DataError(
                    f"{shown(path)}: holds an array of {promise.shape}, expected (distractors, {width}): the features "
                    f"of captions and images have {width} values"
                )
            if not is_float(promise.dtype):
                raise DataError(f"{shown(path)}: holds {promise.dtype}. {PLAIN}")
            if promise.column_major and promise.shape[0] > 1:
                raise DataError(
                    f"{shown(path)}: is stored column by column, so that it cannot be read part by part. Save "
                    "np.ascontiguousarray(features)."
                )
            self.count, self._promise = promise.shape[0], promise

    def about(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"images": self.count, "sha256": sha256_file(self.path)}

    def parts(self) -> Iterator[np.ndarray]:
        """(C, D) features, at most 64 MB at once.

        Raises:
            DataError: if one is NaN or infinite.
        """
        width, dtype = self._promise.shape[1], self._promise.dtype
        rows = int(np.clip(PART_BYTES // (width * 8), 1, PART_ROWS))
        with opened_array(self.path, damaged=DAMAGED, strange=PLAIN) as (_, stream):
            for first in range(0, self.count, rows):
                count = min(rows, self.count - first)
                raw = stream.read(count * width * dtype.itemsize)
                part_CD = np.frombuffer(raw, dtype).reshape(count, width).astype(self._type)
                if bad := rows_not_finite(part_CD):
                    raise DataError(f"{shown(self.path)}: row {first + bad[0]} holds NaN or infinity")
                yield part_CD


def is_float(dtype: np.dtype) -> bool:
    """Whether it is float16, float32 or float64."""
    return dtype.kind == "f" and dtype.itemsize in (2, 4, 8)


def rows_not_finite(values_ND: np.ndarray) -> list[int]:
    """Rows that hold NaN or infinity."""
    found: list[int] = np.flatnonzero(~np.isfinite(values_ND).all(axis=1)).tolist()
    return found
