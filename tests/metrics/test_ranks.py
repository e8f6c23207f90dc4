import numpy as np
import pytest
from golden_files import Golden, each_golden

from tbpsbench.errors import DataError
from tbpsbench.metrics.ranking import PositiveRanks, positive_ranks_from_scores, summarize, trapezoidal_ap
from tbpsbench.metrics.ranks import TIES

NOTES_SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.5, 0.4, 0.9, 0.3], [0.2, 0.3, 0.8, 0.1, 0.7]])
NOTES_PIDS = [1, 2, 3], [1, 2, 1, 3, 2]


def tie_heavy(seed, queries=40, gallery=70, identities=6):
    generator = np.random.default_rng(seed)
    scores = (generator.integers(0, 5, (queries, gallery)) / 4 - 0.5).astype(np.float32)
    gallery_pids = generator.integers(0, identities, gallery)
    return scores, generator.choice(gallery_pids, queries), gallery_pids


@each_golden("losses")
def test_golden_losses_ranks_of_the_released_evaluator(path):
    golden = Golden(path)
    names = [name.removesuffix("/sim") for name in golden if name.startswith("rank") and name.endswith("/sim")]
    assert names, f"{path} holds no ranking"
    for name in names:
        result = positive_ranks_from_scores(*(golden[f"{name}/{part}"] for part in ("sim", "q", "g")))
        cmc, others = golden[f"{name}/cmc"], {score: golden[f"{name}/{score}"] for score in ("mAP", "mINP")}
        ours = summarize(result, range(1, len(cmc) + 1))
        theirs = {f"R@{k}": value for k, value in enumerate(cmc, 1)} | others
        assert set(theirs) == set(ours)
        for score, value in theirs.items():
            # The released evaluator adds in the file's precision.
            rounding = 1e-9 if value.dtype == np.float64 else 1e-5
            np.testing.assert_allclose(ours[score], value, rtol=rounding, err_msg=f"{name}/{score}")


def test_golden_example_of_the_field_notes():
    result = positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS)
    values = summarize(result, range(1, 6))
    assert [values[f"R@{k}"] for k in range(1, 6)] == pytest.approx([100 / 3, 200 / 3, 200 / 3, 200 / 3, 100])
    assert values["mAP"] == pytest.approx(51.1111, abs=1e-4)
    assert values["mINP"] == pytest.approx(45.5556, abs=1e-4)
    assert 100 * trapezoidal_ap(result).mean() == pytest.approx(40.8333, abs=1e-4)


def test_summary_has_the_names_of_a_table():
    assert list(summarize(positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS))) == [
        "R@1",
        "R@5",
        "R@10",
        "mAP",
        "mINP",
    ]


def test_ranks_survive_a_file(tmp_path):
    scores, *pids = tie_heavy(5)
    pids[0][3] = 99
    for ties in TIES:
        result = positive_ranks_from_scores(scores, *pids, ties=ties, skip_unmatched=True)
        np.savez_compressed(tmp_path / "ranks.npz", **result.to_arrays())
        with np.load(tmp_path / "ranks.npz", allow_pickle=False) as arrays:
            again = PositiveRanks.from_arrays(arrays)
        assert again == result
        assert summarize(again) == summarize(result)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("ranks", lambda array: array[::-1], "do not ascend|outside"),
        ("ranks", lambda array: array + 1000, "outside its gallery"),
        ("ranks", lambda array: array.astype(float), "vector of integers"),
        ("offsets", lambda array: array + 1, "offsets do not divide"),
        ("gallery_size", lambda array: array[1:], "lengths disagree"),
        ("tied", lambda array: array - 1, "count of ties"),
        ("ties_rule", lambda _: np.array("luck"), "ties_rule is 'luck'"),
        ("tied", None, "no array tied"),
    ],
)
def test_damaged_ranks_are_refused(name, change, message):
    arrays = positive_ranks_from_scores(NOTES_SCORES, *NOTES_PIDS).to_arrays()
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    with pytest.raises(DataError, match=message):
        PositiveRanks.from_arrays(arrays)
