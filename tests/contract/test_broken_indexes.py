"""The contract of indexes catches what breaks it."""

import numpy as np
import pytest

from tbpsbench import testing
from tbpsbench.registry import INDEXES
from tbpsbench.retrieval.local import LocalIndex
from tbpsbench.retrieval.scan import scan


def index(**methods):
    """A class of an exact index with other methods."""

    class Toy(LocalIndex):
        def __init__(self, folder, dim, writable=True):
            super().__init__(folder, dim, "float32", writable=writable)

        def search(self, query_QD, k):
            return scan(self.rows, self._asked(query_QD, k), k)

    for name, method in methods.items():
        setattr(Toy, name, method)
    return Toy


def forgetful(self, id_N, vector_ND):
    self.rows.append(*self._given(id_N[:-1], vector_ND[:-1]))


def stubborn(self, id_N):
    pass


def distances(self, query_QD, k):
    score_QK, id_QK = scan(self.rows, self._asked(query_QD, k), k)
    return 2 - 2 * score_QK, id_QK


def worst_first(self, query_QD, k):
    score_QK, id_QK = scan(self.rows, self._asked(query_QD, k), k)
    return score_QK[:, ::-1], id_QK[:, ::-1]


def careless(self, query_QD, k):
    return scan(self.rows, np.nan_to_num(np.asarray(query_QD, np.float32)), max(k, 1))


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"add": forgetful}, "after two calls of `add` the ids are"),
        ({"remove": stubborn}, "after `remove` the ids are"),
        ({"search": distances}, "is not the dot product|do not descend"),
        ({"search": worst_first}, "scores do not descend"),
        ({"search": careless}, "queries of another width: raised RuntimeError"),
        ({"keep": lambda self, id_N: None}, "after `keep` the ids are"),
    ],
)
def test_broken_index_is_caught(register, methods, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_index(register(INDEXES, index(**methods)))


def test_a_sound_one_passes(register):
    testing.check_index(register(INDEXES, index()))
