"""Scores that are no numbers, which only damaged rows have.

Shapes: Q queries, C rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tbpsbench.errors import DataError


def all_finite(score_C: np.ndarray) -> bool:
    """Whether all scores are certainly finite: the sum of their squares, the fastest pass over them, is."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.vecdot(score_C, score_C)))


def require_finite(score_C: np.ndarray, id_C: np.ndarray, folder: Path, alive_C: np.ndarray | None = None) -> None:
    """Refuse rows whose scores are no numbers; they would push others out of the result, or be missing from it.

    Args:
        score_C: the scores of one query; what is damaged in a row shows in those of any.
        id_C: what the rows are called.
        folder: of the index.
        alive_C: which rows count; None: all.

    Raises:
        DataError: names the first such row.
    """
    if all_finite(score_C):
        return
    odd_C = ~np.isfinite(score_C)
    if alive_C is not None:
        odd_C &= alive_C
    if odd_C.any():
        raise DataError(
            f"{folder}: the similarity with item {id_C[np.argmax(odd_C)]} is no finite number: the index is damaged. "
            "Build it again, in a folder of its own."
        )
