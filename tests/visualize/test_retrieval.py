import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from tbpsbench.engine.evaluate import evaluate
from tbpsbench.errors import DataError
from tbpsbench.metrics.best import best_by
from tbpsbench.visualize.retrieval import choose, headings, rank, retrieval_sheet
from tbpsbench.visualize.sheets import KEY

STANDARD = "evaluation.protocols=('standard',)"


def ranked(run, split="test"):
    return rank(run.model, run.evaluation, split, run.settings.evaluation)


def recorded(run, split="test"):
    return evaluate(run.model, run.evaluation, split, run.settings.evaluation).results["standard"].scores["R@1"]


def test_ranking_uses_the_gallery_texts_as_evaluation_does(built):
    plain, told = built(), built("evaluation.gallery_texts=descriptions", STANDARD)
    told.model.load_state_dict(plain.model.state_dict())
    without, with_ = ranked(plain), ranked(told)
    gallery, queries = told.evaluation.gallery("test"), told.evaluation.queries("test")
    first = without.scores(0, min(7, len(queries))).clone()
    assert not torch.equal(first, with_.scores(0, min(7, len(queries))))
    best = best_by(with_.scores, with_.step, queries.pids, gallery.pids, range(len(queries)), 10)
    hits_Qk = gallery.pids[best.order] == queries.pids[:, None]
    scores = evaluate(told.model, told.evaluation, "test", told.settings.evaluation).results["standard"].scores
    assert with_.recall == 100 * hits_Qk[:, 0].mean() == scores["R@1"]
    assert 100 * hits_Qk.any(axis=1).mean() == scores["R@10"]
    assert "gallery with descriptions" in headings(told.evaluation, "test", with_, "")[0]


def test_token_sets_are_shown_as_they_are_ranked(built):
    heads = "model.heads={'global': None, 'tokens': dict(type='TokenHead', embed_dim=8)}"
    losses = "model.losses={'itc': dict(type='MaxSim')}"
    run = built(heads, losses, "model.balancer={'type': 'Fixed'}", STANDARD)
    found = ranked(run)
    queries, gallery = run.evaluation.queries("test"), run.evaluation.gallery("test")
    best = best_by(found.scores, found.step, queries.pids, gallery.pids, range(len(queries)), 1)
    hits = gallery.pids[best.order[:, 0]] == queries.pids
    assert found.recall == 100 * hits.mean() == recorded(run)


@pytest.mark.parametrize("ties", ["pessimistic", "stable", "expected"])
def test_a_collapsed_model_has_the_records_recall(built, ties):
    run = built(f"evaluation.ties={ties}", STANDARD)
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.zero_()
    found = ranked(run)
    assert found.ranks.ties == len(found.ranks)
    assert found.recall == recorded(run)
    assert (found.recall == 0) == (ties == "pessimistic")
    assert f"R@1 {recorded(run):.2f} %" in headings(run.evaluation, "test", found, "")[0]


def test_a_sheet_of_a_system_that_is_re_ranked_says_that_it_is_not(built):
    run = built("evaluation.rerank=[dict(type='QueryExpansion')]", STANDARD)
    found, results = ranked(run), evaluate(run.model, run.evaluation, "test", run.settings.evaluation).results
    assert found.recall == results["standard (before re-ranking)"].scores["R@1"]
    assert " before re-ranking" in headings(run.evaluation, "test", found, "")[0]
    assert "before" not in headings(run.evaluation, "test", ranked(built(STANDARD)), "")[0]


def test_rows_are_chosen_by_caption_person_or_success(built):
    run = built(STANDARD)
    found, queries = ranked(run), run.evaluation.queries("test")
    caption, pid = int(queries.caption_ids[7]), int(queries.pids[-1])
    assert choose(found, run.evaluation, "test", captions=[caption]) == ([7], "Queries chosen by number.")
    chosen, rule = choose(found, run.evaluation, "test", identities=[pid], rows=99)
    assert sorted(chosen) == np.flatnonzero(queries.pids == pid).tolist()
    assert "persons" in rule
    worst, _ = choose(found, run.evaluation, "test", show="worst", rows=3)
    assert found.first[worst[0]] == max(found.first.values())
    right = sum(rank == 0 for rank in found.first.values())
    told = choose(found, run.evaluation, "test", rows=len(found.first))[1]
    assert told.startswith(f"Queries: {right} right, {len(found.first) - right} wrong at rank 1")
    assert choose(found, run.evaluation, "test", show="random", seed=3)[1] == "Queries: drawn with seed 3."
    with pytest.raises(DataError, match="no query of this identity"):
        choose(found, run.evaluation, "test", identities=[pid + 1000])


def test_a_sheet_has_a_row_for_every_query(built, tmp_path):
    run = built(STANDARD)
    found = ranked(run)
    sizes = []
    for rows in (1, 3):
        path = retrieval_sheet(run.evaluation, "test", found, list(range(rows)), "All.", tmp_path / f"{rows}.png")
        with Image.open(path) as image:
            sizes.append(image.size)
    (width, low), (same, high) = sizes
    assert width == same >= 860
    assert (high - low) % 2 == 0
    assert high > 2 * low


def test_a_sheet_tells_and_draws_right_and_wrong_without_colours(built, tmp_path, texts, monkeypatch):
    signs = []
    monkeypatch.setattr("tbpsbench.visualize.retrieval.judged_sign", lambda draw, x, y, *, right: signs.append(right))
    run = built(STANDARD)
    found, queries, gallery = ranked(run), run.evaluation.queries("test"), run.evaluation.gallery("test")
    retrieval_sheet(run.evaluation, "test", found, [0, 1], "All.", tmp_path / "sheet.png")
    best = best_by(found.scores, found.step, queries.pids, gallery.pids, [0, 1], 10)
    assert signs == (gallery.pids[best.order] == queries.pids[:2, None]).ravel().tolist()
    assert KEY in " ".join(texts)
    assert "its rank and similarity." in " ".join(texts)


def test_a_split_of_one_query_is_told_as_one(built):
    run = built(STANDARD)
    found = ranked(run)
    ranks, end = found.ranks, int(found.ranks.offsets[1])
    of_queries = {"query": ranks.query[:1], "gallery_size": ranks.gallery_size[:1], "offsets": ranks.offsets[:2]}
    first = dataclasses.replace(ranks, ranks=ranks.ranks[:end], tied=ranks.tied[:end], **of_queries)
    one = dataclasses.replace(found, ranks=first)
    assert headings(run.evaluation, "test", one, "")[0].endswith("% over 1 query")
