"""The contract of indexes.

Shapes: N items, Q queries, D width.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench import registry
from tbpsbench.errors import TBPSError
from tbpsbench.retrieval.base import Index
from tbpsbench.testing.toy import Component

ITEMS, QUERIES, WIDTH = 60, 5, 16


def check_index(config: Component, *, items: int = ITEMS, recall: float = 1.0) -> None:
    """An index finds what it was given, forgets what was removed, and is the same when it is opened again.

    Args:
        config: the component.
        items: how many vectors are tried, at least 20; more where an index does something else with many.
        recall: share of the true ten best that it must find on average.
    """
    generator = np.random.default_rng(0)
    vector_ND = _unit(generator.normal(size=(items, WIDTH)))
    query_QD = _unit(generator.normal(size=(QUERIES, WIDTH)))
    id_N = np.arange(items, dtype=np.int64) * 3 + 2
    with tempfile.TemporaryDirectory() as folder:
        index = _opened(config, folder)
        assert len(index) == 0, f"a new index holds {len(index)} items, expected none"
        score_QK, _ = index.search(query_QD, 3)
        assert score_QK.shape == (QUERIES, 0), f"scores of an empty index: {score_QK.shape}, expected ({QUERIES}, 0)"
        half = items // 2
        index.add(id_N[:half], vector_ND[:half])
        index.add(id_N[half:], vector_ND[half:])
        _check_search(index, query_QD, id_N, vector_ND, recall, "after two calls of `add`")
        gone_N = np.concatenate([id_N[::7], [1]])
        index.remove(gone_N)
        stays_N = ~np.isin(id_N, gone_N)
        _check_search(index, query_QD, id_N[stays_N], vector_ND[stays_N], recall, "after `remove`")
        _check_refusals(index, query_QD, id_N)
        index.flush()
        index.close()
        index = _opened(config, folder)
        _check_search(index, query_QD, id_N[stays_N], vector_ND[stays_N], recall, "opened again")
        added = np.array([id_N[-1] + 1])
        index.add(added, vector_ND[:1])
        index.keep(id_N[stays_N])
        _check_search(index, query_QD, id_N[stays_N], vector_ND[stays_N], recall, "after `keep`")
        try:
            index.keep(np.concatenate([id_N[stays_N], [id_N[-1] + 9]]))
        except TBPSError:
            pass
        else:
            raise AssertionError("`keep` passed over an id that is not there, expected an error that names it")
        index.close()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _opened(config: Component, folder: str) -> Index:
    context: dict[str, Any] = {"folder": Path(folder), "dim": WIDTH, "writable": True}
    index: Index = registry.INDEXES.build(config, "index", context)
    return index


def _check_search(
    index: Index, query_QD: np.ndarray, id_N: np.ndarray, vector_ND: np.ndarray, recall: float, when: str
) -> None:
    found_N = index.ids()
    assert np.array_equal(found_N, id_N), f"{when} the ids are {found_N}, expected {id_N}, ascending"
    assert len(index) == len(id_N), f"{when} len is {len(index)}, expected {len(id_N)}"
    expected_QN = query_QD @ vector_ND.T
    k = 10
    score_QK, id_QK = index.search(query_QD, k)
    assert (score_QK.dtype, id_QK.dtype) == (np.float32, np.int64), (
        f"scores and ids are {score_QK.dtype} and {id_QK.dtype}, expected float32 and int64"
    )
    assert score_QK.shape == id_QK.shape == (len(query_QD), k), (
        f"{when} {k} best have shape {score_QK.shape}, expected (Q, k)"
    )
    assert np.isin(id_QK, id_N).all(), f"{when} a search returned an id that is not there, expected ids of the index"
    assert (np.diff(score_QK, axis=1) <= 0).all(), f"{when} scores do not descend, expected the best first"
    row_QK = np.searchsorted(id_N, id_QK)
    true_QK = np.take_along_axis(expected_QN, row_QK, axis=1)
    slack = 2e-3  # float16 rows
    assert np.abs(true_QK - score_QK).max() <= slack, (
        f"{when} a score is another than expected, the dot product of query and vector"
    )
    best_QK = np.sort(expected_QN, axis=1)[:, ::-1][:, :k]
    share = float((true_QK >= best_QK[:, -1:] - slack).mean())
    assert share >= recall, f"{when} {share:.3f} of the {k} best were found, expected at least {recall}"
    all_QN = index.similarities(query_QD)
    assert all_QN.shape == expected_QN.shape, f"{when} similarities have shape {all_QN.shape}, expected (Q, N)"
    assert np.abs(all_QN - expected_QN).max() <= slack, f"{when} similarities are not the dot products, as expected"
    assert np.abs(index.vectors(id_N[::-1]) - vector_ND[::-1]).max() <= slack, (
        f"{when} `vectors` gave others than expected"
    )
    score_QK, _ = index.search(query_QD, len(id_N) + 5)
    assert score_QK.shape[1] == len(id_N), (
        f"{when} more was asked for than there is: {score_QK.shape[1]} results, expected all"
    )


def _check_refusals(index: Index, query_QD: np.ndarray, id_N: np.ndarray) -> None:
    wrong = {
        "queries of another width": lambda: index.search(query_QD[:, 1:], 3),
        "a query that is not finite": lambda: index.search(query_QD * np.nan, 3),
        "k = 0": lambda: index.search(query_QD, 0),
        "vectors of another width": lambda: index.add(id_N[:1] + id_N[-1] + 1, query_QD[:1, 1:]),
        "a vector that is not finite": lambda: index.add(id_N[:1] + id_N[-1] + 1, query_QD[:1] * np.inf),
        "ids that do not ascend": lambda: index.add(np.array([7, 7]) + id_N[-1], query_QD[:2]),
        "an unknown id": lambda: index.vectors(np.array([id_N[-1] + 99])),
    }
    for what, ask in wrong.items():
        try:
            ask()
        except TBPSError:
            continue
        except Exception as error:
            raise AssertionError(f"{what}: raised {type(error).__name__}, expected a DataError") from error
        raise AssertionError(f"{what}: was taken, expected a DataError")
