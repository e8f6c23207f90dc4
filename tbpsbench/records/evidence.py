"""The evidence of a record: ranks of all positives, from which every number of its results follows.

The file may come from a stranger: nothing in it is unpickled, and nothing is unpacked before its size is known.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from tbpsbench.errors import DataError
from tbpsbench.metrics.ranks import PositiveRanks
from tbpsbench.metrics.result import Result

EVIDENCE = "ranks.npz"
# Ranks of ICFG-PEDES take 10 MB for each protocol; this is far beyond any split, and still fits in memory.
MAX_BYTES = 1 << 30
RANK_ARRAYS = ("ranks", "offsets", "gallery_size", "tied", "ties_rule", "query", "skipped")
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


def read_evidence(path: Path) -> dict[str, Evidence]:
    """Protocol -> its evidence, every promise of the ranks checked.

    Raises:
        DataError: if the file is missing, damaged, too large, holds objects, or its numbers cannot be ranks.
    """
    arrays = _read_arrays(path)
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


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"{path}: no such file. A record is record.json and ranks.npz. {DAMAGED}")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _require_plain(archive, member, path)
            if (total := sum(member.file_size for member in archive.infolist())) > MAX_BYTES:
                raise DataError(f"{path}: unpacks to {total} bytes, more than {MAX_BYTES}: no ranks are that many.")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a whole npz file ({type(error).__name__}: {error}). {DAMAGED}") from error


def _require_plain(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Refuse objects, and headers that promise more than the member holds: numpy would allocate it first."""
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        header = stream.tell()
    if dtype.hasobject:
        raise DataError(f"{path}: {member.filename} holds Python objects, which reading would execute. {EDITED}")
    if math.prod(shape) * dtype.itemsize != member.file_size - header:
        raise DataError(f"{path}: {member.filename} is not as long as its header says. {DAMAGED}")


def _labels(own: Mapping[str, np.ndarray], key: str, count: int) -> np.ndarray:
    if key not in own:
        raise DataError(f"no array {key}. The file is damaged or of another version.")
    if own[key].dtype.kind not in "iu" or own[key].shape != (count,):
        raise DataError(f"{key} must be {count} integers, not {own[key].dtype} of {own[key].shape}. {EDITED}")
    return own[key].astype(np.int64)


def _require_one_query_each(evidence: Evidence) -> None:
    """Every query once, either ranked or skipped."""
    ranks = evidence.ranks
    both = np.concatenate([ranks.query, ranks.skipped])
    if not np.array_equal(np.sort(both), np.arange(len(both))) or (np.diff(ranks.query) <= 0).any():
        raise DataError(f"queries are listed twice, or neither ranked nor skipped. {EDITED}")
    if len(np.unique(evidence.query_ids)) != len(ranks):
        raise DataError(f"a query_id occurs twice. {EDITED}")
