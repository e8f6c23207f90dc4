import numpy as np

from tbpsbench.engine.evaluate import evaluate
from tbpsbench.visualize.retrieval import best_matches


def test_ranking_uses_the_gallery_texts_as_evaluation_does(built):
    plain, told = built(), built("evaluation.gallery_texts=descriptions", "evaluation.protocols=('standard',)")
    told.model.load_state_dict(plain.model.state_dict())
    without, with_ = (best_matches(run.model, run.evaluation, "test", k=10) for run in (plain, told))
    assert not np.array_equal(without.scores, with_.scores)
    gallery, queries = told.evaluation.gallery("test"), told.evaluation.queries("test")
    hits_Qk = gallery.pids[with_.order] == queries.pids[:, None]
    scores = evaluate(told.model, told.evaluation, "test", told.settings.evaluation).results["standard"].scores
    assert 100 * hits_Qk[:, 0].mean() == scores["R@1"]
    assert 100 * hits_Qk.any(axis=1).mean() == scores["R@10"]
