"""Contracts of what is measured: metrics and protocols.

Shapes: Q queries, G gallery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np

from tbpsbench import registry
from tbpsbench.builtins import BUILTINS
from tbpsbench.errors import RegistryError, TBPSError
from tbpsbench.metrics.matching import MatchTable
from tbpsbench.metrics.ranking import PositiveRanks, positive_ranks_from_scores
from tbpsbench.metrics.ranks import TIES
from tbpsbench.metrics.result import per_query_values
from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.testing.toy import Component, toy_records
from tbpsbench.types import ImageRecord

# A gallery of six has 720 orders, all of which can be looked at.
SMALL = 6


def check_metric(config: Component) -> None:
    """A metric gives fractions, one a query and each query by itself, under names of its own, and honours ties.

    Under the rule "expected" a value is the mean over all orders of equal similarities: `over_first`, `recall_at`,
    `average_precision` and the others of `tbpsbench.metrics.ranking` know the closed forms.
    """
    one = _values(config, _ranks(np.array([[0.5]]), [1], [1]))
    others = [{"type": name} for name in BUILTINS["METRICS"] if name != config["type"]]
    rng = np.random.default_rng(0)
    gallery = np.repeat(np.arange(6), 5)
    pids, scores = rng.choice(gallery, 20), rng.integers(0, 4, (20, 30)).astype(np.float32)
    for ties in TIES:
        ranks = _ranks(scores, pids, gallery, ties)
        found = _values(config, ranks)
        _values(config, ranks, others)
        assert found.keys() == one.keys(), (
            f"its columns are {sorted(found)} for these ranks and {sorted(one)} for a single query, expected the same "
            "for any"
        )
        for column, value_Q in found.items():
            assert np.array_equal(_values(config, ranks)[column], value_Q), (
                f"{column} differs between two calls, expected equal values"
            )
            for query in range(3):
                alone = _ranks(scores[query : query + 1], pids[query : query + 1], gallery, ties)
                assert np.isclose(_values(config, alone)[column][0], value_Q[query], atol=1e-12), (
                    f"{column} of query {query} depends on the other queries, expected the same for it alone: "
                    "intervals and paired tests draw queries"
                )
            if ties != "expected":
                settled = _values(config, replace(ranks, tied=np.zeros_like(ranks.tied)))[column]
                assert np.allclose(settled, value_Q, atol=1e-12), (
                    f"{column} looks at `tied` under ties={ties!r}, expected `ranks` alone: they have settled the ties"
                )
    for _ in range(12):
        _check_expected(config, rng)


def _check_expected(config: Component, rng: np.random.Generator) -> None:
    """One query among ties: its value is the mean over every order in which they can stand."""
    scores, pids = rng.integers(0, 3, SMALL).astype(np.float64), rng.integers(0, 2, SMALL)
    pids[rng.integers(SMALL)] = 1
    orders = np.array(list(permutations(range(SMALL)))) / (2 * SMALL)
    every = _values(config, _ranks(scores + orders, np.ones(len(orders)), pids))
    found = _values(config, _ranks(scores[None], [1], pids, "expected"))
    for column, value_Q in found.items():
        mean = float(every[column].mean())
        assert np.isclose(value_Q[0], mean, atol=1e-9), (
            f"{column} is {value_Q[0]:.6f} under ties='expected' for the similarities {scores.tolist()} of the "
            f"identities {pids.tolist()} (1 asks), expected {mean:.6f}, the mean over all orders of what ties. "
            "tbpsbench.metrics.ranking has the closed forms: over_first, recall_at, average_precision"
        )


def _ranks(scores_QG: np.ndarray, pids: object, gallery: object, ties: str = "pessimistic") -> PositiveRanks:
    return positive_ranks_from_scores(scores_QG, np.asarray(pids), np.asarray(gallery), ties=ties)  # type: ignore[arg-type]


def _values(config: Component, ranks: PositiveRanks, others: Sequence[Component] = ()) -> dict[str, np.ndarray]:
    try:
        return per_query_values(ranks, [*others, config])
    except RegistryError as error:
        raise AssertionError(
            f"{error}; expected (Q,) fractions in 0..1 under names that no other metric has"
        ) from error


def check_protocol(config: Component, records: Sequence[ImageRecord] | None = None) -> None:
    """A protocol says for every query by itself whether it asks and what leaves its gallery, as its attributes promise.

    Args:
        config: the component.
        records: images of the splits "test" and "test-...", where those of `toy_records` lack what it needs.
    """
    protocol: Protocol = registry.PROTOCOLS.build(config, "protocol")
    records = list(records or toy_records())
    for split in ("val", "test"):
        splits = protocol.gallery_splits(split)
        assert splits[:1] == (split,), f"gallery_splits({split!r}) is {splits}, expected the evaluated split first"
    shown = [record for record in records if record.split in splits]
    promised = protocol.gallery_size({name: {"images": sum(r.split == name for r in shown)} for name in splits}, "test")
    assert promised == len(shown), f"gallery_size gives {promised}, expected the {len(shown)} images of {splits}"
    asked = [record for record in records if record.split == "test" for _ in record.captions]
    task = protocol.task(asked, shown)
    leaves_QG = _leaves(task, asked, shown)
    assert task.asks_Q.any(), "nobody asks, expected some query of the records: give others with `records`"
    assert task.asks_Q.all() or not protocol.asks_everybody, (
        f"{int((~task.asks_Q).sum())} queries do not ask, expected all, as asks_everybody is True; set it to False"
    )
    assert not (protocol.whole_gallery and leaves_QG.any()), (
        "images leave the gallery of a query, expected none, as whole_gallery is True; set it to False"
    )
    for row in (0, len(asked) // 2, len(asked) - 1):
        alone = protocol.task(asked[row : row + 1], shown)
        same = (
            alone.asks_Q[0] == task.asks_Q[row]
            and (_leaves(alone, asked[row : row + 1], shown)[0] == leaves_QG[row]).all()
        )
        assert same, f"what is asked of query {row} depends on the other queries, expected the same for it alone"
    match_QG = np.array([[one.pid == other.pid for other in shown] for one in asked]) & ~leaves_QG
    lost = np.flatnonzero(task.asks_Q & ~match_QG.any(axis=1))
    assert not len(lost) or protocol.skips_unmatched, (
        f"query {lost[0]} asks and has no match left, expected one for each: set skips_unmatched, so that they are "
        "counted and not refused, or let them not ask"
    )
    assert not protocol.reversible or match_QG[task.asks_Q].any(axis=0).all(), (
        "turned round, an image has no query of its person, expected one for each, as reversible is True; set it to "
        "False"
    )
    bare = [replace(r, camera=None, outfit=None, attributes={}) for r in records if r.split == "test"]
    try:
        protocol.task(bare, bare)
    except TBPSError:
        pass
    except Exception as error:
        raise AssertionError(
            f"without cameras, outfits and attributes it raised {type(error).__name__}: {error}; expected a DataError "
            "that says what the data set lacks"
        ) from error


def _leaves(task: Task, asked: Sequence[ImageRecord], shown: Sequence[ImageRecord]) -> np.ndarray:
    """(Q, G) bool, which images of its person leave the gallery of a query, as an evaluation reads the task."""
    assert isinstance(task, Task), f"task returned {type(task).__name__}, expected Task"
    found = (task.asks_Q.shape, task.asks_Q.dtype)
    assert found == ((len(asked),), np.dtype(bool)), (
        f"asks_Q is {found[1]} of {found[0]}, expected bool of ({len(asked)},)"
    )
    groups = task.query_group_Q, task.gallery_group_G
    assert (groups[0] is None) == (groups[1] is None), "one side has groups alone, expected both or neither"
    rows = np.flatnonzero(task.asks_Q)
    leaves_QG = np.zeros((len(asked), len(shown)), bool)
    if groups[0] is None or groups[1] is None:
        return leaves_QG
    assert len(groups[0]) == len(asked), f"there are {len(groups[0])} query groups, expected {len(asked)}, one each"
    assert len(groups[1]) == len(shown), f"there are {len(groups[1])} gallery groups, expected {len(shown)}, one each"
    pids = np.array([record.pid for record in asked])[rows], np.array([record.pid for record in shown])
    try:
        matches = MatchTable(*pids, groups[0][rows], groups[1]).block(np.arange(len(rows)))
    except TBPSError as error:
        raise AssertionError(
            f"the groups cannot be compared: {error}; expected a label for each, of one kind"
        ) from error
    leaves_QG[rows[matches.row_M], matches.column_M] = ~matches.positive_M
    return leaves_QG
