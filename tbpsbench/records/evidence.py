"""The evidence of a record: ranks of all positives, from which every number of its results follows.

The file may come from a stranger: nothing in it is unpickled, and nothing is unpacked before its size is known to be
one that the record's own counts of queries and gallery allow.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench.errors import DataError
from tbpsbench.metrics.ranks import PositiveRanks
from tbpsbench.metrics.result import Result
from tbpsbench.reading import shown
from tbpsbench.records.npz import Promise, read_arrays

EVIDENCE = "ranks.npz"
# Ranks of ICFG-PEDES take 10 MB for each protocol, unpacked and as int64; this is far beyond any split, and what is
# computed from it still fits in memory.
MAX_BYTES = 128 << 20
MAX_FILE = 64 << 20
# Places that the INP of the rule "expected" sums over one by one; 400 million on ICFG-PEDES if every picture ties.
MAX_PLACES = 1 << 29
RANK_ARRAYS = ("ranks", "offsets", "gallery_size", "tied", "ties_rule", "query", "skipped")
# Bytes of the text that names a rule.
MAX_RULE = 128
OWN_ARRAYS = ("query_pid", "query_id")
DAMAGED = "Copy the record again from where it was made."
EDITED = "The record was changed by hand, or is of two runs: make it again with tools/test.py."


@dataclass(frozen=True)
class Evidence:
    """What is stored of one protocol.

    Attributes:
        ranks: of all positives.
        query_pids: (Q,) identity of each query.
        query_ids: (Q,) caption_id (or image_id) of each query.
    """

    ranks: PositiveRanks
    query_pids: np.ndarray
    query_ids: np.ndarray


def read_evidence(path: Path, results: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Evidence]:
    """Protocol -> its evidence, every promise of the ranks checked.

    Args:
        path: of ranks.npz.
        results: the record's; the file may not hold more than its numbers of queries and gallery images allow.

    Raises:
        DataError: if the file is missing, damaged, too large, holds objects, or its numbers cannot be ranks.
    """
    arrays = _read_arrays(path, results)
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        protocol, _, key = name.rpartition("/")
        if not protocol or key not in (*RANK_ARRAYS, *OWN_ARRAYS):
            raise DataError(f"{path}: unexpected array {name!r}. {EDITED}")
        found.setdefault(protocol, {})[key] = array
    evidence = {}
    for protocol, own in found.items():
        try:
            ranks = PositiveRanks.from_arrays(own)
            evidence[protocol] = Evidence(ranks, *(_labels(own, key, len(ranks)) for key in OWN_ARRAYS))
            _require_one_query_each(evidence[protocol])
            _require_bounded(ranks, (results or {}).get(protocol))
        except DataError as error:
            raise DataError(f"{path}: {protocol}: {error}") from None
    return evidence


def pack_evidence(results: Mapping[str, Result]) -> bytes:
    """Ranks of all positives of every query, by protocol, as a compressed npz without objects."""
    arrays: dict[str, np.ndarray] = {}
    for name, result in results.items():
        arrays |= {f"{name}/{key}": value for key, value in result.ranks.to_arrays().items()}
        arrays |= {f"{name}/query_pid": result.query_pids, f"{name}/query_id": result.query_ids}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read_arrays(path: Path, results: Mapping[str, Mapping[str, Any]] | None) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"{shown(path)}: no such file. A record is record.json and ranks.npz. {DAMAGED}")
    if (size := path.stat().st_size) > MAX_FILE:
        raise DataError(f"{shown(path)}: has {size} bytes, more than the {MAX_FILE} that ranks can have.")

    def accept(promised: Mapping[str, Promise]) -> Iterable[str]:
        for name, promise in promised.items():
            _require_allowed(name, promise, path, results)
        total = sum(promise.count for promise in promised.values())
        if total * np.dtype(np.int64).itemsize > MAX_BYTES:
            raise DataError(f"{shown(path)}: unpacks to {total} numbers; no ranks are that many. {EDITED}")
        return promised

    return read_arrays(path, accept, damaged=DAMAGED, strange=EDITED)


def _require_allowed(name: str, promise: Promise, path: Path, results: Mapping[str, Mapping[str, Any]] | None) -> None:
    """Whole numbers, and no more of them than the record's counts allow."""
    what, dtype = f"{shown(path)}: {shown(name)}.npy", promise.dtype
    protocol, _, key = name.rpartition("/")
    if dtype.kind not in "iu" and (key != "ties_rule" or dtype.kind != "U" or dtype.itemsize > MAX_RULE):
        raise DataError(f"{what} holds {dtype}, not whole numbers. {EDITED}")
    if results is not None:
        if protocol not in results:
            raise DataError(f"{what} is of a protocol that the record has no results of. {EDITED}")
        if promise.count > (most := _most(key, results[protocol])):
            raise DataError(f"{what} holds {promise.count} numbers; the counts of the record allow {most}. {EDITED}")


def _most(key: str, result: Mapping[str, Any]) -> int:
    """The most numbers that an array can have, from the record's counts."""
    queries = int(result["queries"])
    most = {
        "ranks": queries * int(result["gallery"]),
        "tied": queries * int(result["gallery"]),
        "offsets": queries + 1,
        "skipped": int(result["skipped_queries"]),
        "ties_rule": 1,
    }
    return most.get(key, queries)


def _labels(own: Mapping[str, np.ndarray], key: str, count: int) -> np.ndarray:
    if key not in own:
        raise DataError(f"no array {key}. The file is damaged or of another version.")
    if own[key].dtype.kind not in "iu" or own[key].shape != (count,):
        raise DataError(f"{key} must be {count} integers, not {own[key].dtype} of {own[key].shape}. {EDITED}")
    return own[key].astype(np.int64, copy=False)


def _require_bounded(ranks: PositiveRanks, result: Mapping[str, Any] | None) -> None:
    """At least one query; and no gallery beyond the record's, with which the cost of the metrics grows."""
    if not len(ranks):
        raise DataError(f"holds no query. {EDITED}")
    largest = int(ranks.gallery_size.max(initial=0))
    if result is not None and largest > result["gallery"]:
        raise DataError(f"a query saw {largest} images, the gallery of the record has {result['gallery']}. {EDITED}")
    if ranks.ties_rule == "expected" and len(ranks):
        tied = np.maximum.reduceat(ranks.tied, ranks.offsets[:-1]) > 0
        if (places := int(ranks.gallery_size[tied].astype(np.float64).sum())) > MAX_PLACES:
            raise DataError(f"ties reach over {places} places; no data set has that many. {EDITED}")


def _require_one_query_each(evidence: Evidence) -> None:
    """Every query once, either ranked or skipped."""
    ranks = evidence.ranks
    both = np.concatenate([ranks.query, ranks.skipped])
    if not np.array_equal(np.sort(both), np.arange(len(both))) or (np.diff(ranks.query) <= 0).any():
        raise DataError(f"queries are listed twice, or neither ranked nor skipped. {EDITED}")
    if len(np.unique(evidence.query_ids)) != len(ranks):
        raise DataError(f"a query_id occurs twice. {EDITED}")
