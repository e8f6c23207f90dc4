import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.errors import DataError
from tbpsbench.rerankers.softmax import corrected, hubness, inverted_softmax, popular


def normalised(score_QG, bank_SG, beta, k):
    return inverted_softmax(score_QG, hubness(bank_SG, beta), beta, popular(bank_SG, k))


@each_golden("rerank")
@pytest.mark.parametrize("kind", ["out", "one", "bank1"])
def test_golden_rerank_dynamic_inverted_softmax(path, kind):
    golden = Golden(path)
    test, bank = golden["qb/test"].astype(np.float64), golden["qb/bank"].astype(np.float64)
    if kind == "out":
        cases = list(zip(golden["qb/params"], golden["qb/out"], golden["qb/activated"], strict=True))
    elif kind == "one":
        test, cases = test[:1], [((20, 5), golden["qb/one/out"], golden["qb/one/activated"])]
    else:
        bank, cases = bank[:1], [((20, 3), golden["qb/bank1/out"], golden["qb/bank1/activated"])]
    for (beta, k), theirs, activated in cases:
        ours, changed = normalised(test, bank, float(beta), int(k))
        assert np.array_equal(changed, activated)
        assert np.abs(ours / theirs - 1).max() <= 1e-9


@each_golden("rerank")
def test_golden_rerank_inverted_softmax_in_float32(path):
    golden = Golden(path)
    for (beta, k), theirs in zip(golden["qb/params"], golden["qb/out_f32"], strict=False):
        ours, _ = normalised(golden["qb/test"], golden["qb/bank"], float(beta), int(k))
        assert np.abs(ours / theirs - 1).max() <= 1e-4


@each_golden("rerank")
def test_golden_rerank_the_static_form_changes_every_query(path):
    golden = Golden(path)
    test, bank = golden["qb/test"].astype(np.float64), golden["qb/bank"].astype(np.float64)
    static = [n for n, (_, k) in enumerate(golden["qb/params"]) if k >= test.shape[1]]
    assert static
    for n in static:
        beta = float(golden["qb/params"][n][0])
        ours, changed = inverted_softmax(test, hubness(bank, beta), beta)
        assert changed.all()
        assert np.abs(ours / golden["qb/out"][n] - 1).max() <= 1e-9


def test_a_sharp_softmax_does_not_overflow():
    score_QG = np.random.default_rng(0).uniform(size=(3, 5)).astype(np.float32)
    ours, _ = inverted_softmax(score_QG, hubness(score_QG, 500.0), 500.0)
    assert np.isfinite(ours).all()


def test_a_bank_of_another_gallery_is_refused():
    for form in (inverted_softmax, corrected):
        with pytest.raises(DataError, match="the bank knows 4 images, the queries rank 5"):
            form(np.zeros((2, 5)), np.zeros(4), 1.0)


def draw(beta, k):
    rng = np.random.default_rng(0)
    score_QG, bank_SG = rng.uniform(-1, 1, size=(6, 40)), rng.uniform(-1, 1, size=(30, 40))
    return score_QG, hubness(bank_SG, beta), beta, popular(bank_SG, k)


@pytest.mark.parametrize("k", [1, 40])
def test_what_re_ranks_has_the_order_of_the_inverted_softmax(k):
    ours, changed = corrected(*draw(20.0, k))
    theirs, activated = inverted_softmax(*draw(20.0, k))
    assert np.array_equal(changed, activated)
    assert changed.any()
    assert np.array_equal(np.argsort(-ours, axis=1), np.argsort(-theirs, axis=1))


@pytest.mark.parametrize("beta", [1e-3, 3000.0, 1e6])
def test_no_sharpness_makes_images_equal(beta):
    score_QG, hubness_G, _, popular_G = draw(beta, 40)
    ours, _ = corrected(score_QG, hubness_G, beta, popular_G)
    assert np.isfinite(ours).all()
    assert all(len(np.unique(row)) == len(row) for row in ours)
    exponent_QG = score_QG * beta - hubness_G
    assert np.array_equal(np.argsort(-ours, axis=1), np.argsort(-exponent_QG, axis=1))


def test_with_a_sharp_bank_a_score_is_less_the_nearest_caption():
    bank_SG = np.random.default_rng(1).uniform(-1, 1, size=(30, 40))
    ours, _ = corrected(np.zeros((1, 40)), hubness(bank_SG, 1e6), 1e6)
    assert np.abs(ours + bank_SG.max(axis=0)).max() <= 1e-5
