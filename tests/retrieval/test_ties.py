"""Equal vectors get equal scores and come in the order of their ids, wherever they stand and whoever finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from tbpsbench import registry
from tbpsbench.metrics.even import MULTIPLE, TURNED, even_products
from tbpsbench.retrieval import exact, half
from tbpsbench.retrieval.base import Index
from tbpsbench.retrieval.exact import ExactIndex
from tbpsbench.retrieval.scan import scan

PACKAGES = {"qdrant": "qdrant_client", "faiss-rabitq": "faiss", "turbovec": "turbovec"}


def unit(count: int, dim: int, seed: int = 0) -> np.ndarray:
    row_ND = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return row_ND / np.linalg.norm(row_ND, axis=1, keepdims=True)


def opened(folder: Path, dim: int, **config: Any) -> Index:
    if (package := PACKAGES.get(config["type"])) is not None:
        pytest.importorskip(package)
    folder.mkdir(exist_ok=True)
    index: Index = registry.INDEXES.build(config, "index", {"folder": folder, "dim": dim, "writable": True})
    return index


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    with threadpool_limits(request.param):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("queries", [1, 2, 5, TURNED, TURNED + 1, 40])
@pytest.mark.parametrize("dim", [3, 31, 100, 128, 512, 513])
@pytest.mark.usefixtures("threads")
def test_equal_rows_have_equal_products(queries: int, dim: int) -> None:
    query_QD, row_D = unit(queries, dim), unit(1, dim, seed=1)
    first_Q = even_products(query_QD, row_D)[:, :1]
    np.testing.assert_allclose(first_Q, query_QD @ row_D.T, atol=1e-6)
    for count in (2, 3, 5, 7, 50, 97, MULTIPLE, MULTIPLE + 1, 500, 1000, 1343):
        for dtype in (np.float32, np.float16):
            row_CD = np.repeat(row_D, count, axis=0).astype(dtype)
            score_QC = even_products(query_QD, row_CD)
            assert (score_QC == score_QC[:, :1]).all(), f"{count} rows of {dtype}"
            if dtype == np.float32:
                assert (score_QC == first_Q).all(), f"{count} rows score unlike one"


@pytest.mark.parametrize("config", [{}, {"dtype": "float16"}, {"type": "qdrant"}], ids=str)
@pytest.mark.parametrize("count", [3, 5, 7, 97, 600])
def test_of_equal_vectors_the_first_are_found(tmp_path: Path, config: dict[str, Any], count: int) -> None:
    index = opened(tmp_path, 128, **{"type": "exact", **config})
    index.add(np.arange(count), np.repeat(unit(1, 128), count, axis=0))
    query_QD = unit(20, 128, seed=1)
    found = [index.search(query_D[None], 2) for query_D in query_QD]
    assert [id_QK.tolist() for _, id_QK in found] == [[[0, 1]]] * 20
    assert all(score_QK[0, 0] == score_QK[0, 1] for score_QK, _ in found)
    assert index.search(query_QD, 2)[1].tolist() == [[0, 1]] * 20
    for score_QN in (index.similarities(query_QD), index.similarities(query_QD[:1]), index.similarities(query_QD[:8])):
        assert (score_QN == score_QN[:, :1]).all()
    index.close()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.usefixtures("threads")
def test_half_the_bytes_find_equal_rows_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    monkeypatch.setattr(exact, "MANY_ROWS", 100)
    monkeypatch.setattr(half, "FIRST", 64)
    row_ND = unit(4000, 128)
    equal_M = np.sort(np.random.default_rng(2).choice(4000, 97, replace=False))
    row_ND[equal_M] = row_ND[7]
    index = opened(tmp_path, 128, type="exact", dtype=dtype)
    assert isinstance(index, ExactIndex)
    index.add(np.arange(4000), row_ND)
    for query_D in row_ND[7] + 0.2 * unit(20, 128, seed=3):
        assert index._half.candidates(query_D, 60, index.rows.alive) is not None
        score_QK, id_QK = index.search(query_D[None], 60)
        assert id_QK[0].tolist() == np.union1d(equal_M, [7])[:60].tolist()
        assert (score_QK == score_QK[0, 0]).all()
        # The same scores as without the copy, to the last bit.
        plain_QK, _ = scan(index.rows, query_D[None], 60)
        assert (plain_QK == score_QK).all()


@pytest.mark.parametrize("kind", ["faiss-rabitq", "turbovec"])
def test_candidates_that_are_equal_are_ranked_in_order(tmp_path: Path, kind: str) -> None:
    index = opened(tmp_path, 128, type=kind, candidates=203)
    row_ND = unit(2500, 128)
    equal_M = np.append(np.arange(0, 1500, 30), [2497, 2498, 2499])  # the last candidates are among them
    row_ND[equal_M] = row_ND[0]
    index.add(np.arange(2500), row_ND)
    query_QD = (row_ND[0] + 0.2 * unit(20, 128, seed=3)).astype(np.float32)
    for score_QK, id_QK in (index.search(query_QD, 50), *(index.search(query_D[None], 50) for query_D in query_QD)):
        assert (id_QK == equal_M[:50]).all()
        assert (score_QK == score_QK[:, :1]).all()
    index.close()


@pytest.fixture
def qdrant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Index, list[int]]:
    """Qdrant's own engine in the place of a server, with 300 points, some of them equal; how many were asked for."""
    client = pytest.importorskip("qdrant_client")
    engine = client.QdrantClient(":memory:")
    monkeypatch.setattr(client, "QdrantClient", lambda **_: engine)
    asked: list[int] = []
    query_points = engine.query_points

    def counted(*arguments: Any, **settings: Any) -> Any:
        asked.append(settings["limit"])
        return query_points(*arguments, **settings)

    monkeypatch.setattr(engine, "query_points", counted)
    index = opened(tmp_path, 4, type="qdrant", url="http://there")
    # Products of few small whole numbers are exact, as a server's are the same for equal vectors.
    row_ND = np.zeros((300, 4), np.float32)
    row_ND[:, 0] = np.where(np.arange(300) < 60, 1, -np.arange(300))
    index.add(np.arange(300), row_ND)
    return index, asked


def test_a_server_is_asked_for_more_while_points_are_equal(qdrant: tuple[Index, list[int]]) -> None:
    index, asked = qdrant
    query_QD = np.array([[1, 0, 0, 0]], np.float32)
    assert index.search(query_QD, 2)[1].tolist() == [[0, 1]]
    assert asked == [10, 40, 160]
    asked.clear()
    assert index.search(-query_QD, 3)[1].tolist() == [[299, 298, 297]]
    assert len(asked) == 1
    asked.clear()
    assert index.search(0 * query_QD, 5)[1].tolist() == [[0, 1, 2, 3, 4]]  # all are equal: no more than there are
    assert asked[-1] == 300
    index.remove(np.arange(0, 300, 2))
    assert index.search(query_QD, 2)[1].tolist() == [[1, 3]]
