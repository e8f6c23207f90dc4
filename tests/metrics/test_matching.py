import numpy as np
import pytest
import torch

from tbpsbench.errors import DataError
from tbpsbench.metrics.matching import MatchTable, codes


def test_matches_are_listed_in_gallery_order():
    table = MatchTable([7, 3, 5], [3, 7, 3, 9, 7], ["a", "b", "a"], ["a", "a", "b", "a", "b"])
    block = table.block(np.array([0, 1, 2]))
    assert block.row_M.tolist() == [0, 0, 1, 1]
    assert block.column_M.tolist() == [1, 4, 0, 2]
    assert block.positive_M.tolist() == [False, True, True, False]
    assert table.removed_Q.tolist() == [1, 1, 0]
    assert table.positives_Q.tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("query", "gallery"),
    [
        ([1, 2, 1], [2, 1, 5]),
        (["b", "a", "b"], ["a", "b", "z"]),
        (torch.tensor([1, 2, 1]), np.array([2, 1, 5], np.int32)),
        (np.array([("x", 1), None], object)[:1], np.array(["y"])),
        ([0.5, 1.5], [1.5]),
    ],
)
def test_equal_labels_get_equal_codes_on_both_sides(query, gallery):
    query_code, gallery_code = codes("group", query, gallery)
    for i, a in enumerate(list(query)):
        for j, b in enumerate(list(gallery)):
            assert (query_code[i] == gallery_code[j]) == (a == b)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64])
def test_integers_are_numbered_as_by_sorting(dtype):
    rng, info = np.random.default_rng(0), np.iinfo(dtype)
    ranges = [(info.min, min(info.min + 90, info.max)), (max(info.max - 90, info.min), info.max), (info.min, info.max)]
    for least, most in ranges:
        labels = rng.integers(least, most, 200, dtype, endpoint=True)
        found = np.concatenate(codes("identity", labels[:80], labels[80:]))
        assert found.dtype == np.int64
        assert np.array_equal(found, np.unique(labels, return_inverse=True)[1])


def test_large_integers_of_two_types_do_not_merge():
    query_code, gallery_code = codes("group", np.array([2**60], np.int64), np.array([2**60 + 1, 2**60], np.uint64))
    assert query_code[0] == gallery_code[1] != gallery_code[0]


def test_numbers_and_strings_never_match():
    query_code, gallery_code = codes("group", [1, 2], ["1", "2"])
    assert not set(query_code) & set(gallery_code)


def test_unknown_labels_are_refused():
    with pytest.raises(DataError, match="query 1 has no group"):
        codes("group", ["a", None], ["a"])
    with pytest.raises(DataError, match="gallery 0 has no group"):
        codes("group", [1.0], [np.nan])
    with pytest.raises(DataError, match="shape"):
        codes("identity", [[1, 2]], [1])
