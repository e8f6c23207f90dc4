import os
import re
from pathlib import Path

import numpy as np
import pytest

from tbpsbench.errors import DataError
from tbpsbench.metrics.ranking import PositiveRanks, positive_ranks_from_scores, summarize, trapezoidal_ap
from tbpsbench.metrics.ranks import TIES

GOLDEN = Path(os.environ.get("TBPSBENCH_GOLDEN", Path(__file__).parents[1] / "data" / "golden"))
NOTES_SCORES = np.array([[0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.5, 0.4, 0.9, 0.3], [0.2, 0.3, 0.8, 0.1, 0.7]])
NOTES_PIDS = [1, 2, 3], [1, 2, 1, 3, 2]


def tie_heavy(seed, queries=40, gallery=70, identities=6):
    generator = np.random.default_rng(seed)
    scores = (generator.integers(0, 5, (queries, gallery)) / 4 - 0.5).astype(np.float32)
    gallery_pids = generator.integers(0, identities, gallery)
    return scores, generator.choice(gallery_pids, queries), gallery_pids


def golden_ranks():
    """(file, entry) of every ranking in every losses_*.npz of the golden folder."""
    cases = []
    for path in sorted(GOLDEN.glob("losses_*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            names = {found[1] for key in arrays.files if (found := re.fullmatch(r"(rank[^/]*)/sim", key))}
        cases += [(path, name) for name in sorted(names)]
    return cases


def test_golden_files_are_there():
    assert golden_ranks(), f"no losses_*.npz with rank* entries in {GOLDEN}"


@pytest.mark.parametrize(("path", "name"), golden_ranks(), ids=lambda value: getattr(value, "stem", value))
def test_golden_numbers_of_the_released_evaluator(path, name):
    with np.load(path, allow_pickle=False) as arrays:
        scores, query, gallery, cmc, mean_ap, mean_inp = (
            arrays[f"{name}/{key}"] for key in ("sim", "q", "g", "cmc", "mAP", "mINP")
        )
    result = positive_ranks_from_scores(scores, query, gallery)
    ours = summarize(result, range(1, len(cmc) + 1))
    for value, expected in ((list(ours.values())[: len(cmc)], cmc), (ours["mAP"], mean_ap), (ours["mINP"], mean_inp)):
        np.testing.assert_allclose(value, expected, rtol=1e-9 if expected.dtype == np.float64 else 2e-6)


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
