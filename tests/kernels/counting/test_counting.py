"""Counts on each back end against the definition; Triton in its interpreter."""

import pytest
import torch

from tbpsbench.kernels.counting import counts, naive, public


def problem(number_B, gallery, seed=0, dtype=torch.float32, whole=True):
    """Scores with many ties, thresholds among them, and where each row's begin."""
    generator = torch.Generator().manual_seed(seed)
    number_B = torch.tensor(number_B)
    scores_BG = torch.randn(len(number_B), gallery, generator=generator, dtype=torch.float64)
    scores_BG = (scores_BG * 3).round() if whole else scores_BG
    row_M = torch.repeat_interleave(torch.arange(len(number_B)), number_B)
    threshold_M = scores_BG[row_M, torch.randint(0, gallery, (len(row_M),), generator=generator)]
    edge_B1 = torch.cat([torch.zeros(1, dtype=torch.int64), number_B.cumsum(0)])
    return scores_BG.to(dtype), threshold_M.to(dtype), edge_B1, int(number_B.max())


def check(scores_BG, threshold_M, edge_B1, widest):
    found = counts(scores_BG, threshold_M, edge_B1, widest)
    for ours, expected in zip(found, naive.counts(scores_BG, threshold_M, edge_B1), strict=True):
        assert ours.dtype == torch.int32
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("number", [[1], [2, 0, 1], [3, 3], [0, 17, 16, 33], [0, 0]])
@pytest.mark.parametrize("gallery", [1, 7, 256, 300])
def test_odd_sizes(backend, number, gallery):
    check(*problem(number, gallery))


def test_values_that_are_all_different(backend):
    check(*problem([20, 3], 600, whole=False))


def test_infinite_values_and_rows_of_one_value(backend):
    scores_BG, threshold_M, edge_B1, widest = problem([4, 4, 4], 270)
    scores_BG[0, :5], scores_BG[0, 269] = float("inf"), float("-inf")
    scores_BG[1], scores_BG[2] = float("-inf"), 0.0
    threshold_M[:] = torch.tensor([float("inf"), float("-inf"), 0.0, 1.0] * 3)
    check(scores_BG, threshold_M, edge_B1, widest)


def test_rows_that_do_not_lie_behind_one_another(backend):
    scores_BG, *more = problem([5, 9, 1], 130)
    wide = torch.full((3, 200), float("nan"))
    wide[:, :130] = scores_BG
    check(wide[:, :130], *more)
    check(scores_BG.T.contiguous().T, *more)


def test_float64_is_counted_by_torch(poisoned):
    check(*problem([4, 1], 50, dtype=torch.float64, whole=False))


def test_the_self_check_passes_and_sees_a_wrong_count(triton_backend, monkeypatch):
    from tbpsbench.kernels.counting import triton_launch

    public._self_check(torch.device("cpu"), torch.float32)
    real = triton_launch.counts

    def wrong(*given):
        at_least, above = real(*given)
        above[7] += 1
        return at_least, above

    monkeypatch.setattr(triton_launch, "counts", wrong)
    with pytest.raises(public.KernelError, match=r"1 of 59 counts \(above\) are wrong"):
        public._self_check(torch.device("cpu"), torch.float32)
