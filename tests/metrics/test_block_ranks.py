"""The order of a block's matches."""

import numpy as np
import pytest

from tbpsbench.metrics.block_ranks import _best_first


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_rows_and_falling_similarities_with_equal_ones_as_they_were(dtype, seed):
    random = np.random.default_rng(seed)
    row_M = np.sort(random.integers(0, 40, 500))
    values = [0.0, -0.0, np.inf, -np.inf, 1e-45, -1e-45, 0.1, -0.1, 3e38, -3e38, *random.standard_normal(8)]
    score_M = random.choice(np.array(values, dtype), 500)
    expected = np.lexsort((np.arange(500), -score_M, row_M))
    assert np.array_equal(_best_first(row_M, score_M), expected)


def test_no_matches():
    assert _best_first(np.zeros(0, np.int64), np.zeros(0, np.float32)).shape == (0,)
