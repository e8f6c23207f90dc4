"""Which re-rankers can follow each other, told from what they declare to read."""

import itertools

import pytest

from tbpsbench.registry import RERANKERS
from tbpsbench.rerankers.base import Reranker
from tbpsbench.rerankers.chain import chain_problems

FIRST_ONLY = ("InvertedSoftmax", "KReciprocal", "QueryExpansion")


class PlugIn(Reranker):
    """As one was written before there was anything to declare."""

    def rerank(self, search):
        return search.scores


class Both(PlugIn):
    """Weighs the scores by its own look at the vectors."""

    reads = ("scores", "vectors")


def problems(*chain):
    classes = {"PlugIn": PlugIn, "Both": Both}
    return [str(one) for one in chain_problems([(name, classes.get(name) or RERANKERS.get(name)) for name in chain])]


def test_each_alone_has_no_problem():
    for name in (*RERANKERS.names(), "PlugIn"):
        assert problems(name) == []


@pytest.mark.parametrize("chain", itertools.product(FIRST_ONLY, repeat=2))
def test_those_that_do_not_go_on_from_the_scores_exclude_each_other(chain):
    (problem,) = problems(*chain)
    assert problem.startswith(f"evaluation.rerank.1: {chain[1]} ")
    assert f"{chain[0]} before it" in problem
    assert f"{' and '.join(dict.fromkeys(chain))} can only come first: keep one of them" in problem


@pytest.mark.parametrize("name", FIRST_ONLY)
@pytest.mark.parametrize("other", ["ImageTextMatching", "PlugIn", "Both"])
def test_one_of_them_may_come_first_alone(name, other):
    assert problems(name, other) == problems(name, other, "ImageTextMatching") == []
    (problem,) = problems(other, name)
    assert f"{other} before it" in problem
    assert problem.endswith(f"\n  Put {name} first, or leave it out.")


def test_the_reason_is_named():
    (vectors,), (bank,) = problems("PlugIn", "QueryExpansion"), problems("PlugIn", "InvertedSoftmax")
    assert "QueryExpansion does not read the scores of PlugIn before it, but the vectors of queries" in vectors
    assert "InvertedSoftmax holds the scores against similarities of training captions with the images" in bank


def test_every_re_ranker_of_a_chain_is_looked_at():
    assert [one.partition(": ")[0] for one in problems("PlugIn", "KReciprocal", "PlugIn", "QueryExpansion")] == [
        "evaluation.rerank.1",
        "evaluation.rerank.3",
    ]
