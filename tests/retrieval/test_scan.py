"""Exact search by products: every number of queries and every form of the rows gives the plain dot products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tbpsbench.metrics import even
from tbpsbench.retrieval import scan as scanning
from tbpsbench.retrieval.rows import Precision, Rows


@pytest.fixture(params=["float32", "float16"])
def rows(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Rows of five chunks, some of them removed, some equal."""
    monkeypatch.setattr(scanning, "CHUNK_BYTES", 1)
    dtype: Precision = request.param
    row_ND = np.random.default_rng(0).standard_normal((5000, 24)).astype(np.float32)
    row_ND[[7, 1500, 4999]] = row_ND[300]
    found = Rows(tmp_path, 24, dtype)
    found.append(np.arange(10, 5010), row_ND)
    found.remove(np.arange(10, 5010, 9))
    return found


@pytest.mark.parametrize("queries", [0, 1, 2, even.TURNED, even.TURNED + 1, 40])
@pytest.mark.parametrize("k", [1, 5, 700, 9000])
def test_the_best_are_those_of_a_stable_sort(rows: Rows, queries: int, k: int) -> None:
    query_QD = np.random.default_rng(1).standard_normal((queries, 24)).astype(np.float32)
    exact_QN = query_QD.astype(np.float64) @ rows.stored[rows.alive].astype(np.float64).T
    all_QN = scanning.scan_all(rows, query_QD)
    np.testing.assert_allclose(all_QN, exact_QN, atol=1e-4)
    score_QK, id_QK = scanning.scan(rows, query_QD, k)
    assert score_QK.shape == id_QK.shape == (queries, min(k, len(rows.ids())))
    order_QK = np.argsort(-exact_QN, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(score_QK, np.take_along_axis(exact_QN, order_QK, axis=1), atol=1e-4)
    place_QK = np.searchsorted(rows.ids(), id_QK)
    np.testing.assert_allclose(np.take_along_axis(exact_QN, place_QK, axis=1), score_QK, atol=1e-4)
    assert all(len(np.unique(id_K)) == len(id_K) for id_K in id_QK)
