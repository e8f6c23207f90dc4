"""The contracts of metrics, protocols and re-rankers can fail: each is shown one that breaks a promise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tbpsbench import testing
from tbpsbench.metrics.base import Metric
from tbpsbench.metrics.ranking import over_first
from tbpsbench.protocols.base import Protocol, Task
from tbpsbench.registry import METRICS, PROTOCOLS, RERANKERS
from tbpsbench.rerankers.base import Reranker
from tbpsbench.rerankers.k_reciprocal import KReciprocal


def first(ranks):
    return ranks.ranks[ranks.offsets[:-1]]


def metric(values):
    class Toy(Metric):
        """From a function of the ranks."""

        name = "MRR"

        def per_query(self, ranks):
            return values(ranks)

    return Toy


def reciprocal(ranks):
    return over_first(ranks, lambda rank: 1 / (1 + rank))


def test_sound_metric_passes(register):
    testing.check_metric(register(METRICS, metric(lambda r: {"MRR": reciprocal(r)})))


calls = []


def drifting(ranks):
    calls.append(1)
    return {"MRR": reciprocal(ranks) / len(calls)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda r: {"MRR": 1 / (1 + first(r))}, "under ties='expected' for .*, expected .*, the mean over all orders"),
        (lambda r: {"MRR": 100 * reciprocal(r)}, "fractions from 0 to 1.*; expected"),
        (lambda r: {"MRR": reciprocal(r) * np.nan}, "fractions from 0 to 1.*; expected"),
        (lambda r: {"MRR": reciprocal(r)[:1] if len(r) > 1 else reciprocal(r)}, "expected 20 numbers, one a query"),
        (lambda r: {}, "gives no score at all; expected"),
        (lambda r: {"R@1": over_first(r, lambda rank: rank < 1)}, "'R@1', which RecallAtK gave already.*; expected"),
        (lambda r: {f"MRR-{len(r)}": reciprocal(r)}, "its columns are .* and .* for a single query, expected the same"),
        (lambda r: {"MRR": reciprocal(r) / reciprocal(r).max()}, "depends on the other queries, expected the same"),
        (lambda r: {"MRR": 1 / (1 + first(r) + r.tied[r.offsets[:-1]])}, "looks at `tied` under ties='pessimistic'"),
        (drifting, "differs between two calls, expected equal values"),
    ],
)
def test_broken_metric_is_caught(register, values, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_metric(register(METRICS, metric(values)))


class Sound(Protocol):
    """The captioned image leaves the gallery."""

    skips_unmatched = True

    def task(self, asked, gallery):
        return Task(
            np.ones(len(asked), bool),
            np.array([record.image_id for record in asked]),
            np.array([record.image_id for record in gallery]),
        )


def protocol(change=lambda task, asked, gallery: task, **attributes):
    class Toy(Sound):
        def task(self, asked, gallery):
            return change(super().task(asked, gallery), asked, gallery)

    for name, value in attributes.items():
        setattr(Toy, name, value)
    return Toy


def everything(task, asked, gallery):
    return Task(task.asks_Q)


def first_image(task, asked, gallery):
    """Each person asks with one image alone."""
    pids = [record.image_id for record in asked]
    return Task(np.array([pid == pids[0] for pid in pids]))


def by_weather(task, asked, gallery):
    return Task(np.array([record.attributes["outfit"] == "A" for record in asked]))


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (protocol(lambda t, a, g: t.asks_Q), "task returned ndarray, expected Task"),
        (
            protocol(lambda t, a, g: replace(t, asks_Q=t.asks_Q[:2])),
            r"asks_Q is bool of \(2,\), expected bool of \(30,\)",
        ),
        (protocol(lambda t, a, g: replace(t, asks_Q=t.asks_Q.astype(int))), "asks_Q is int64 of .*, expected bool"),
        (
            protocol(lambda t, a, g: replace(t, query_group_Q=None)),
            "one side has groups alone, expected both or neither",
        ),
        (
            protocol(lambda t, a, g: replace(t, query_group_Q=t.query_group_Q[:2])),
            "2 query groups, expected 30, one each",
        ),
        (protocol(lambda t, a, g: replace(t, gallery_group_G=[1])), "1 gallery groups, expected 15, one each"),
        (
            protocol(lambda t, a, g: replace(t, query_group_Q=np.array([None] * len(a)))),
            "groups cannot be compared: .*; expected a label for each",
        ),
        (protocol(lambda t, a, g: Task(~t.asks_Q)), "nobody asks, expected some query"),
        (protocol(first_image), "queries do not ask, expected all, as asks_everybody is True"),
        (protocol(first_image, asks_everybody=False), "query 15 depends on the other queries, expected the same"),
        (protocol(whole_gallery=True), "images leave the gallery of a query, expected none, as whole_gallery is True"),
        (
            protocol(lambda t, a, g: Task(t.asks_Q, *(np.zeros(len(s)) for s in (a, g))), skips_unmatched=False),
            "query 0 asks and has no match left, expected one for each: set skips_unmatched",
        ),
        (
            protocol(
                lambda t, a, g: Task(np.array([record.pid > 0 for record in a])), reversible=True, asks_everybody=False
            ),
            "an image has no query of its person, expected one for each, as reversible is True",
        ),
        (protocol(by_weather), "it raised KeyError: 'outfit'; expected a DataError that says what"),
        (protocol(everything, gallery_splits=lambda self, split: ("test",)), "expected the evaluated split first"),
        (
            protocol(everything, gallery_size=lambda self, counts, split: 7),
            "gallery_size gives 7, expected the 15 images",
        ),
    ],
)
def test_broken_protocol_is_caught(register, toy, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_protocol(register(PROTOCOLS, toy))


def test_protocol_is_checked_on_records_of_its_own(register):
    class Weather(Sound):
        """Who was seen in rain."""

        asks_everybody = False

        def task(self, asked, gallery):
            return Task(np.array([record.attributes.get("rain", False) for record in asked]))

    config = register(PROTOCOLS, Weather)
    with pytest.raises(AssertionError, match=r"nobody asks, .* give others with `records`"):
        testing.check_protocol(config)
    records = [replace(record, attributes={"rain": record.pid % 2 == 0}) for record in testing.toy_records()]
    testing.check_protocol(config, records)


def reranker(scores, **attributes):
    class Toy(Reranker):
        """From a function of the search."""

        def rerank(self, search):
            return scores(self, search)

    for name, value in attributes.items():
        setattr(Toy, name, value)
    return Toy


def in_place(self, search):
    return lambda start, stop: search.scores(start, stop).neg_()


def block_mean(self, search):
    return lambda start, stop: search.scores(start, stop) - search.scores(start, stop).mean()


def less_hubs(self, search):
    whole = search.scores(0, search.queries)
    return lambda start, stop: whole[start:stop] - whole.mean(0)


def neighbours(self, search):
    """Each image takes half of the score of its nearest in the gallery."""
    near = search.gallery_GD @ search.gallery_GD.T - 2 * torch.eye(search.images)
    return lambda start, stop: search.scores(start, stop) + search.scores(start, stop)[:, near.argmax(1)] / 2


def trained(self, search):
    search.model.train()
    return search.scores


def moved(self, search):
    with torch.no_grad():
        next(search.model.parameters()).add_(1)
    return search.scores


def drawn(self, search):
    noise = torch.rand(search.queries, search.images)
    return lambda start, stop: search.scores(start, stop) + noise[start:stop]


def vectors(self, search):
    found = search.query_QD @ search.gallery_GD.T
    return lambda start, stop: found[start:stop]


def vectors_if_any(self, search):
    return search.scores if search.query_QD is None else vectors(self, search)


def asks_itm(self, search):
    return search.scores if search.model.losses["itm"] else None


@pytest.mark.parametrize(
    ("toy", "message"),
    [
        (reranker(lambda self, s: s.scores(0, s.queries)), r"returned Tensor, expected a function of \(start, stop\)"),
        (reranker(lambda self, s: lambda a, b: s.scores(a, b).numpy()), "scores are ndarray, expected a tensor"),
        (reranker(lambda self, s: lambda a, b: s.scores(a, b)[:, :3]), r"have shape \(12, 3\), expected \(B, G\)"),
        (reranker(lambda self, s: lambda a, b: s.scores(a, b).long()), "scores are torch.int64, expected floating"),
        (reranker(lambda self, s: lambda a, b: s.scores(a, b) / 0), "a score is not finite, expected numbers"),
        (
            reranker(lambda self, s: lambda a, b: s.scores(a, b).clone().requires_grad_()),
            "have gradients, expected none",
        ),
        (reranker(in_place), "changed in place, expected new ones"),
        (reranker(block_mean, transductive=True), "depend on the block in which they are asked for, expected the same"),
        (reranker(trained), "left in training mode, expected evaluation mode"),
        (reranker(moved), "of the model changed, expected a re-ranker to leave it"),
        (reranker(drawn), "a second re-ranking gave other scores, expected equal ones"),
        (reranker(lambda self, s: s.scores, pairs=-1), "pairs is -1, expected a number of pairs"),
        (reranker(lambda self, s: s.scores, asks="ITN"), "asks is 'ITN', expected the type of a registered loss"),
        (reranker(lambda self, s: s.scores, asks="ITM"), "whose name is the constructor's argument `loss`"),
        (reranker(less_hubs), "depend on the other queries, expected the same without them: say transductive"),
        (reranker(neighbours), "come in another order, expected the same: .* say transductive = True"),
        (
            reranker(vectors),
            "without vectors of queries and images it raised AttributeError.*; expected scores, or a Config",
        ),
        (reranker(vectors_if_any), r"it reads 'vectors' of .* `reads` is \('scores',\), expected it to name"),
        (reranker(lambda self, s: lambda a, b: s.scores(a, b) - s.bank(5).mean(0)), "it reads 'bank' of the search"),
        (reranker(lambda self, s: s.scores, reads=("vectors",)), r"it reads 'scores' .*`reads` is \('vectors',\)"),
        (
            reranker(asks_itm),
            "a model without the loss that it asks it raised KeyError.*; expected scores, or a Config",
        ),
    ],
)
def test_broken_reranker_is_caught(register, toy, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_reranker(register(RERANKERS, toy))


def test_reranker_that_says_it_is_transductive_may_be(register):
    config = register(RERANKERS, reranker(less_hubs, transductive=True))
    testing.check_reranker(config)


def test_k_reciprocal_that_hides_that_it_is_transductive_is_caught(register):
    class Hidden(KReciprocal):
        """The same, not declared."""

        transductive = False

    with pytest.raises(AssertionError, match="say transductive = True"):
        testing.check_reranker(register(RERANKERS, Hidden))


def test_reranker_may_ask_another_loss(register):
    def asks(self, search):
        from tbpsbench.errors import ConfigError

        if "own" not in search.model.losses:
            raise ConfigError("evaluation.rerank: Toy asks the loss 'own'. Train with model.losses.own")
        return search.scores

    config = register(RERANKERS, reranker(asks))
    testing.check_reranker(config, {"own": {"type": "InfoNCE"}})
