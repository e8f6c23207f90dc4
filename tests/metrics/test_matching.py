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
