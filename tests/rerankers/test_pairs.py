import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.metrics.ranking import positive_ranks_from_scores, summarize
from tbpsbench.rerankers.pairs import best, join_pairs


def joined(score_QG, logit_QG, k, how):
    best_QK = best(score_QG, k)
    return join_pairs(score_QG, best_QK, np.take_along_axis(logit_QG, best_QK, axis=1), how)


@each_golden("rerank")
@pytest.mark.parametrize(("name", "how"), [("rasa", "replace"), ("blip", "add"), ("cmp", "range")])
def test_golden_rerank_text_to_image(path, name, how):
    golden = Golden(path)
    sims, logits = golden["itm/sims"], golden["itm/logit1"]
    for k, theirs in zip(golden["itm/k"], golden[f"itm/{name}"], strict=True):
        assert np.abs(joined(sims, logits, int(k), how) - theirs).max() <= 1e-5
    if name != "blip":
        one = joined(sims[:1], logits[:1], 10, how)
        assert np.abs(one - golden[f"itm/one/{name}"]).max() <= 1e-5


@each_golden("rerank")
@pytest.mark.parametrize(("name", "how"), [("albef_i2t", "replace"), ("blip_i2t", "add")])
def test_golden_rerank_image_to_text(path, name, how):
    golden = Golden(path)
    for k, theirs in zip(golden["itm/k"], golden[f"itm/{name}"], strict=False):
        assert np.abs(joined(golden["itm/sims"].T, golden["itm/logit1"].T, int(k), how) - theirs).max() <= 1e-5


@each_golden("rerank")
def test_golden_rerank_scores_of_the_released_evaluators(path):
    golden = Golden(path)
    sims, logits, pids = golden["itm/sims"], golden["itm/logit1"], (golden["pids/q"], golden["pids/g"])
    for k, rasa, cmp in zip(golden["itm/k"], golden["itm/rasa_metrics"], golden["itm/cmp_metrics"], strict=True):
        found = summarize(positive_ranks_from_scores(joined(sims, logits, int(k), "replace"), *pids))
        ours = [found["R@1"], found["R@5"], found["R@10"], np.mean([found[f"R@{n}"] for n in (1, 5, 10)]), found["mAP"]]
        assert all(abs(mine - theirs) <= 1e-4 for mine, theirs in zip(ours, rasa, strict=True) if theirs != -1)
        found = summarize(positive_ranks_from_scores(joined(sims, logits, int(k), "range"), *pids))
        ours = [found[name] for name in ("R@1", "R@5", "R@10", "mAP", "mINP")]
        assert np.abs(np.array(ours) - cmp).max() <= 1e-4


def test_more_than_the_gallery_takes_all():
    score_QG = np.array([[0.1, 0.3, 0.3]], np.float32)
    assert best(score_QG, 10).tolist() == [[1, 2, 0]]
    assert joined(score_QG, score_QG, 10, "replace").tolist() == score_QG.tolist()
