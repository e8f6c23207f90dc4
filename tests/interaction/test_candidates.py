"""The candidates of a search: those that a stable sort of everything would put first, in its order."""

from __future__ import annotations

import numpy as np
import pytest

from tbpsbench.interaction.fusion import candidates
from tbpsbench.metrics.selection import GROUP


def _scores(kind: str, rows: int, images: int) -> np.ndarray:
    generator = np.random.default_rng(images)
    score_BG = generator.standard_normal((rows, images)).astype(np.float32)
    if kind == "few values":
        return np.round(score_BG)
    if kind == "all equal":
        return np.zeros_like(score_BG)
    if kind == "rising":
        return np.sort(score_BG, axis=1)
    if kind == "high ones in one group":  # the groups' maxima say little then
        score_BG[:, :: images // GROUP or 1] += 100
    if kind == "rejected":
        score_BG[:, ::2] = -np.inf
    return score_BG


@pytest.mark.parametrize("kind", ["random", "few values", "all equal", "rising", "high ones in one group", "rejected"])
@pytest.mark.parametrize("images", [1, 7, 4 * GROUP, 4 * GROUP + 1, 20 * 4 * GROUP, 20 * 4 * GROUP + 31, 9001])
def test_they_are_what_a_stable_sort_of_everything_puts_first(kind: str, images: int) -> None:
    score_BG = _scores(kind, 3, images)
    sorted_BG = np.argsort(-score_BG, axis=1, kind="stable")
    for k in (1, 2, 20, images):
        found_BK = candidates(score_BG, k)
        np.testing.assert_array_equal(found_BK, sorted_BG[:, :k])


def test_rows_that_lie_apart_in_memory_are_read_as_they_are() -> None:
    score_BG = _scores("random", 6, 9001)
    apart_BG = score_BG[::2, ::-1]
    np.testing.assert_array_equal(candidates(apart_BG, 20), candidates(apart_BG.copy(), 20))
