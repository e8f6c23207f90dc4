"""ranks.npz of a stranger: what the record's counts do not allow is refused before it is unpacked."""

import zipfile

import numpy as np
import pytest
from cases import within_limits

from tbpsbench.errors import DataError
from tbpsbench.records.evidence import MAX_BYTES, read_evidence

RESULTS = {"standard": {"queries": 3, "gallery": 4, "skipped_queries": 0}}


def arrays(**changed):
    """Three queries with a match each among four pictures."""
    whole = {
        "ranks": np.array([0, 1, 3]),
        "offsets": np.arange(4),
        "gallery_size": np.full(3, 4),
        "tied": np.zeros(3, np.int64),
        "ties_rule": np.array("pessimistic"),
        "query": np.arange(3),
        "skipped": np.zeros(0, np.int64),
        "query_pid": np.arange(3),
        "query_id": np.arange(3),
    }
    return {f"standard/{key}": value for key, value in (whole | changed).items()}


@pytest.fixture
def stored(tmp_path):
    def store(**changed):
        np.savez_compressed(tmp_path / "ranks.npz", **arrays(**changed))
        return tmp_path / "ranks.npz"

    return store


def test_what_the_counts_allow_is_read(stored):
    evidence = read_evidence(stored(), RESULTS)["standard"]
    assert evidence.ranks.ranks.tolist() == [0, 1, 3]
    assert len(evidence.ranks) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ranks", np.zeros(13, np.int64)),
        ("tied", np.zeros(13, np.int64)),
        ("offsets", np.zeros(5, np.int64)),
        ("gallery_size", np.zeros(4, np.int64)),
        ("query", np.zeros(4, np.uint8)),
        ("query_id", np.zeros((4, 1), np.int64)),
        ("skipped", np.zeros(1, np.int64)),
        ("other", np.zeros(4, np.int64)),
    ],
)
def test_more_numbers_than_the_counts_allow_are_refused(stored, key, value):
    with pytest.raises(DataError, match=rf"standard/{key}\.npy holds .* numbers; the counts of the record allow"):
        read_evidence(stored(**{key: value}), RESULTS)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_a_small_file_that_unpacks_to_much_is_refused_unread(stored, dtype):
    """Bytes would grow eightfold as int64, so numbers are counted."""
    path = stored(ranks=np.zeros(MAX_BYTES // 8, dtype))
    assert path.stat().st_size < 1 << 20
    claimed = {"standard": {"queries": 1 << 18, "gallery": 1 << 22, "skipped_queries": 0}}
    for results in (None, claimed):
        with within_limits(), pytest.raises(DataError, match="no ranks are that many"):
            read_evidence(path, results)


def test_a_gallery_beyond_the_record_s_is_refused(stored):
    with pytest.raises(DataError, match="a query saw 1000000000000 images, the gallery of the record has 4"):
        read_evidence(stored(gallery_size=np.full(3, 10**12)), RESULTS)


def test_ties_without_end_are_refused(stored):
    """The metrics average over every place of a tie."""
    large = {"standard": RESULTS["standard"] | {"gallery": 1 << 40}}
    changed = {"ties_rule": np.array("expected"), "gallery_size": np.full(3, 10**12), "tied": np.full(3, 10**11)}
    with pytest.raises(DataError, match="ties reach over"):
        read_evidence(stored(**changed), large)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ties_rule": np.array("x" * 100)}, "not whole numbers"),
        ({"ranks": np.zeros(3)}, "not whole numbers"),
        ({"ranks": np.zeros(3, "datetime64[s]")}, "not whole numbers"),
        ({"ties_rule": np.array(b"pessimistic")}, "not whole numbers"),
        ({"offsets": np.array([0, 2**63 - 1, -(2**63), 3])}, "offsets do not divide"),
        ({"offsets": np.zeros(0, np.int64)}, "lengths disagree"),
        ({"query_pid": np.zeros(3, np.uint64), "ranks": np.full(3, 2**64 - 1, np.uint64)}, "outside its gallery"),
    ],
)
def test_numbers_that_cannot_be_ranks_are_refused(stored, changed, message):
    with pytest.raises(DataError, match=message):
        read_evidence(stored(**changed), RESULTS)


def test_ranks_of_nobody_are_refused(stored):
    empty = np.zeros(0, np.int64)
    names = ("ranks", "gallery_size", "tied", "query", "query_pid", "query_id")
    with pytest.raises(DataError, match="holds no query"):
        read_evidence(stored(offsets=np.zeros(1, np.int64), **dict.fromkeys(names, empty)), RESULTS)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_that_numpy_does_not_use_is_refused(stored, method):
    path = stored()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    with pytest.raises(DataError, match="packed in a way"):
        read_evidence(path, RESULTS)


def test_arrays_of_another_protocol_are_refused(stored):
    with pytest.raises(DataError, match="a protocol that the record has no results of"):
        read_evidence(stored(), {"other": RESULTS["standard"]})


HEADERS = [
    b"", b"{", b"{'descr': '<i8'}", b"[" * 5000, b"{'descr': '<i8', 'fortran_order': False, 'shape': (-3,), }",
    b"{'descr': '<i8', 'fortran_order': False, 'shape': (True, 3), }",
    b"{'descr': '<i8', 'fortran_order': False, 'shape': (10**400,), }",
    b"{'descr': [('a', '<i8'), ('a', '<i8')], 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': ('<i8', (2**40,)), 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': '|V0', 'fortran_order': False, 'shape': (3,), }", b"\xff" * 20, b"'" * 3,
]  # fmt: skip


@pytest.mark.parametrize("version", [1, 2, 3, 9])
@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_damaged_headers_are_refused(stored, header, version):
    path = stored()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    members["standard/ranks.npy"] = b"\x93NUMPY" + bytes([version, 0]) + length + header + bytes(24)
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    with within_limits(), pytest.raises(DataError, match=r"standard/ranks\.npy"):
        read_evidence(path, RESULTS)
