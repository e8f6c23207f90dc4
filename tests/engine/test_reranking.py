import numpy as np
import pytest
import torch

from tbpsbench import registry
from tbpsbench.config.load import load_config
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.ranking import positive_ranks_from_scores
from tbpsbench.protocols.base import BEFORE
from tbpsbench.rerankers.base import Reranker
from tbpsbench.rerankers.pairs import best, join_pairs
from tbpsbench.rerankers.softmax import hubness, inverted_softmax

ITM = "model.losses.itm=dict(type='ITM', dim=16, depth=1, heads=2)"
ALL = ["KReciprocal", "InvertedSoftmax", "QueryExpansion", "ImageTextMatching"]


@pytest.fixture
def run(demo):
    config, _, *overrides = demo
    return build_run(load_config(config, [*overrides, ITM]))


def found(run, *rerank, split="test", **section):
    settings = run.settings.evaluation
    return evaluate(
        run.model, run.evaluation, split, type(settings)(**{**vars(settings), "rerank": list(rerank), **section})
    )


def vectors(run, split="test"):
    """Cosines of a split, and what the cross-encoder says of every pair of it."""
    queries, gallery = run.evaluation.queries(split), run.evaluation.gallery(split)
    model, itm = run.model.eval(), run.model.losses["itm"]
    with torch.no_grad():
        texts = model.extract(next(queries.batches(len(queries))))
        images = model.extract(next(gallery.batches(len(gallery))))
        score = model.score(
            {"global": model.heads["global"].compared(texts.heads["global"], "text")},
            {"global": model.heads["global"].compared(images.heads["global"], "image")},
        )
        logits = torch.stack(
            [
                itm.match(
                    texts["text.query.tokens"],
                    texts["text.query.mask"],
                    images["image.tokens"][n : n + 1].expand(len(queries), -1, -1),
                )[:, 1]
                for n in range(len(gallery))
            ],
            dim=1,
        )
    return score.numpy(), logits.numpy(), queries.pids, gallery.pids


@pytest.mark.parametrize("kind", ALL)
def test_results_before_and_after_stand_side_by_side(run, kind):
    plain, after = found(run).results["standard"], found(run, {"type": kind}, protocols=("standard",))
    assert after.track == "rerank"
    assert list(after.results) == ["standard", f"standard{BEFORE}"]
    assert after.results[f"standard{BEFORE}"].ranks == plain.ranks
    assert after.results["standard"].queries == plain.queries
    assert after.rerank == [{"component": {"type": kind}, "transductive": kind != "ImageTextMatching"}]
    cost = after.rerank_cost["standard"]
    assert cost["ms_per_query"] > 0
    gallery = plain.gallery
    assert cost["pairs"] == (plain.queries * min(32, gallery) if kind == "ImageTextMatching" else 0)
    assert after.flat()["R@1"] == after.results["standard"].scores["R@1"]


@pytest.mark.parametrize(("join", "transductive"), [("replace", False), ("add", False), ("range", True)])
def test_the_joined_range_makes_queries_depend_on_each_other_and_says_so(run, join, transductive):
    component = {"type": "ImageTextMatching", "join": join}
    assert found(run, component).rerank == [{"component": component, "transductive": transductive}]


@pytest.mark.parametrize(("k", "join"), [(3, "replace"), (1000, "replace"), (5, "add"), (5, "range")])
def test_the_cross_encoder_is_asked_for_the_best_pairs(run, k, join):
    score, logits, *pids = vectors(run)
    best_QK = best(score, k)
    expected = join_pairs(score, best_QK, np.take_along_axis(logits, best_QK, axis=1), join)
    component = {"type": "ImageTextMatching", "k": k, "join": join, "batch_size": 7, "image_block": 5}
    ours = found(run, component).results["standard"].ranks
    theirs = positive_ranks_from_scores(expected, *pids)
    assert np.mean(ours.ranks != theirs.ranks) < 0.02  # the same sums in another order


def test_the_bank_holds_training_captions_alone(run, monkeypatch):
    score, _, *pids = vectors(run)
    data = run.evaluation
    captions = data.queries("train")
    with torch.no_grad():
        bank = run.model.eval().encode_query(next(captions.batches(len(captions))).texts["query"])["global"].values
        gallery = next(data.gallery("test").batches(len(pids[1])))
        images = run.model.encode_gallery(gallery.image_B3HW)["global"].values
    bank_SG = (bank @ images.T).numpy().astype(np.float64)
    expected, _ = inverted_softmax(score.astype(np.float64), hubness(bank_SG, 5.0), 5.0)
    ours = found(run, {"type": "InvertedSoftmax", "beta": 5.0, "k": None}).results["standard"].ranks
    assert np.mean(ours.ranks != positive_ranks_from_scores(expected, *pids).ranks) < 0.02


def test_re_rankers_follow_each_other(run):
    @registry.RERANKERS.register("Turned")
    class Turned(Reranker):
        """A plug-in's: the worst first."""

        def rerank(self, search):
            return lambda start, stop: -search.scores(start, stop)

    try:
        plain = found(run).results["standard"]
        once = found(run, {"type": "Turned"}).results["standard"]
        twice = found(run, {"type": "Turned"}, {"type": "Turned"}).results["standard"]
    finally:
        registry.RERANKERS.remove("Turned")
    assert once.scores["mAP"] != plain.scores["mAP"]
    assert twice.ranks == plain.ranks


@pytest.fixture
def shuffle():
    """A plug-in's re-ranker that declares nothing and does not look at the scores."""

    @registry.RERANKERS.register("Shuffle")
    class Shuffle(Reranker):
        def rerank(self, search):
            score_QG = torch.rand(search.queries, search.images, generator=torch.Generator().manual_seed(0))
            return lambda start, stop: score_QG[start:stop]

    yield {"type": "Shuffle"}
    registry.RERANKERS.remove("Shuffle")


@pytest.mark.parametrize(
    "chain",
    [("InvertedSoftmax", "KReciprocal"), ("KReciprocal", "InvertedSoftmax"), ("ImageTextMatching", "QueryExpansion")],
)
def test_a_chain_whose_beginning_would_be_lost_is_refused(run, chain):
    with pytest.raises(ConfigError, match=rf"evaluation\.rerank\.1: {chain[1]} .* {chain[0]} before it"):
        found(run, *({"type": kind} for kind in chain))


@pytest.mark.parametrize("kind", ["InvertedSoftmax", "KReciprocal", "QueryExpansion"])
def test_a_cross_encoder_looks_at_what_the_one_before_has_found(run, kind):
    matching = {"type": "ImageTextMatching", "k": 5, "join": "range"}
    chains = [{"type": kind}], [matching], [{"type": kind}, matching]
    first, second, both = (found(run, *chain).results["standard"].ranks for chain in chains)
    assert both != first
    assert both != second


def test_a_plug_in_that_has_not_read_the_scores_before_it_is_found_out(run, shuffle):
    assert found(run, shuffle).track == "rerank"
    assert found(run, shuffle, {"type": "ImageTextMatching"}).track == "rerank"
    message = "Shuffle does not read the scores of KReciprocal before it: what KReciprocal found would be lost"
    with pytest.raises(ConfigError, match=rf"evaluation\.rerank\.1: {message}.* Put Shuffle first"):
        found(run, {"type": "KReciprocal"}, shuffle)


def test_a_sharp_bank_leaves_no_ties_and_scores_as_similarities_do(run):
    for k in (None, 1):
        sharp = found(run, {"type": "InvertedSoftmax", "beta": 3000.0, "k": k})
        assert not sharp.results["standard"].ranks.tied.any()
        joined = found(run, {"type": "InvertedSoftmax", "beta": 0.01, "k": k}, {"type": "ImageTextMatching", "k": 1,
                                                                                "join": "range"})  # fmt: skip
        assert not joined.results["standard"].ranks.tied.any()


def test_protocols_that_remove_images_are_re_ranked_in_their_own_gallery(run):
    kinds = ("standard", "clothes-change")
    after = found(run, {"type": "KReciprocal", "k1": 5}, protocols=kinds)
    assert [name for name in after.results if BEFORE in name] == [f"{kind}{BEFORE}" for kind in kinds]
    assert set(after.rerank_cost) == set(kinds)


def test_what_a_system_lacks_is_named(demo):
    config, _, *overrides = demo
    run = build_run(load_config(config, overrides))
    with pytest.raises(ConfigError, match="asks the loss 'itm', which this model has not as ITM"):
        found(run, {"type": "ImageTextMatching"})


def test_the_checkpoint_is_chosen_without_re_ranking(tool, demo, tmp_path):
    from tbpsbench.reading import read_json

    config, _, *overrides = demo
    options = [*overrides, "schedule.max_epochs=1", "evaluation.rerank=[dict(type='KReciprocal', k1=4, k2=2)]"]
    code, out, _ = tool("train", config, "--work-dir", tmp_path / "run", "--cfg-options", *options)
    assert code == 0
    record = read_json(tmp_path / "run" / "record" / "record.json")
    assert record["track"] == "rerank"
    assert record["rerank"] == [
        {"component": {"type": "KReciprocal", "k1": 4, "k2": 2}, "transductive": True},
    ]
    assert record["cost"]["rerank"]["standard"]["ms_per_query"] > 0
    assert f"standard{BEFORE}" in record["results"]
    assert "(before" in out
    code, out, _ = tool("leaderboard", "verify", tmp_path / "run" / "record", "--rescore", "-v")
    assert code == 0, out
    assert "every one is the same" in out
