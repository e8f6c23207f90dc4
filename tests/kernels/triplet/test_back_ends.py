"""The batch-hard loss on each back end; Triton in its interpreter."""

from functools import partial

import kernel_cases as cases
import pytest
import torch

from tbpsbench.kernels.triplet import naive, op, triplet
from tbpsbench.kernels.triplet import torch as plain

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
REDUCTIONS = ("mean", "none")


def batch(rows, width, kind="pairs", dtype=torch.float32, layout="contiguous"):
    """Features around one centre per identity, far enough apart for costs above and below zero."""
    label = cases.labels(rows, kind)
    x = cases.features(rows, width, dtype=torch.float64).detach()
    return cases.laid_out((x + 0.3 * (label % 7)[:, None]).to(dtype), layout).requires_grad_(), label


def upstream(reduction, rows):
    """Another gradient for each cost, some of them 0."""
    if reduction == "mean":
        return torch.tensor(1.5)
    return torch.rand(rows, generator=torch.Generator().manual_seed(3)).sub(0.2).clamp(min=0)


def check(x, label, reduction, margin=0.3):
    given = upstream(reduction, len(x))
    ours, definition = (partial(form, margin=margin, reduction=reduction) for form in (triplet, naive.batch_hard))
    found = cases.value_and_gradients(ours, [x, label], given)
    plain = cases.value_and_gradients(definition, [x.detach().float().requires_grad_(), label], given)
    oracle = cases.value_and_gradients(definition, [*cases.in_float64([x]), label], given)
    assert found[0].dtype == torch.float32
    assert found[1].dtype == x.dtype
    if x.dtype == torch.float32:
        cases.assert_close_to_oracle(found, plain, oracle, x.dtype, ("cost", "gradient"))
    else:
        # Costs come from the features as they are; gradients are rounded to their type.
        assert cases.relative_error(found[0], oracle[0]) <= 1e-5
        assert cases.relative_error(found[1], oracle[1]) <= (1e-3 if x.dtype == torch.float16 else 4e-3)


@pytest.mark.parametrize(("rows", "width"), [(1, 5), (2, 3), (7, 13), (33, 17)])
@pytest.mark.parametrize("kind", cases.LABELS)
def test_odd_sizes_and_labels(backend, kind, rows, width):
    check(*batch(rows, width, kind), "none")


def test_several_blocks_in_every_direction(backend):
    check(*batch(70, 40, "uneven"), "mean")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "permuted", "sliced"])
def test_types_and_memory_layouts(backend, layout, dtype):
    check(*batch(25, 21, "uneven", dtype, layout), "none", margin=4.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_batch(backend, dtype):
    for reduction in REDUCTIONS:
        x, label = batch(0, 5, dtype=dtype)
        cost, gradient = cases.value_and_gradients(partial(triplet, reduction=reduction), [x, label])
        assert cost.shape == (() if reduction == "mean" else (0,))
        assert cost.sum() == 0
        assert gradient.shape == (0, 5)
        assert gradient.dtype == dtype


def test_first_of_rows_that_are_as_far_is_chosen(backend):
    # Whole numbers with mean 0: ties stay ties.
    x = torch.tensor([[0.0], [1.0], [-1.0], [2.0], [-2.0], [0.0]]).requires_grad_()
    label = torch.tensor([0, 0, 0, 1, 1, 2])
    cost, gradient = cases.value_and_gradients(partial(triplet, margin=3.5, reduction="none"), [x, label])
    exact, expected = cases.value_and_gradients(
        partial(naive.batch_hard, margin=3.5, reduction="none"), [*cases.in_float64([x]), label]
    )
    torch.testing.assert_close(cost, exact.float())
    torch.testing.assert_close(gradient, expected.float())


def test_cost_of_exactly_zero_moves_nothing(triton_backend):
    x = torch.tensor([[0.0], [1.0], [2.0]]).requires_grad_()
    # The second row is as far from its positive as from its negative.
    cost, gradient = cases.value_and_gradients(
        partial(triplet, margin=0.0, reduction="none"), [x, torch.tensor([0, 0, 1])]
    )
    assert cost.tolist() == [0, 0, 0]
    assert gradient[:, 0].tolist() == [0, 0, 0]


def test_float32_is_exact_wherever_the_mean_lies(backend):
    x, label = batch(40, 24)
    x = (x.detach() + 100).requires_grad_()
    check(x, label, "none")


def test_same_bits_in_every_run(triton_backend):
    x, label = batch(40, 20, "uneven", torch.bfloat16)
    runs = [cases.value_and_gradients(triplet, [x, label]) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_many_anchors_of_one_row(backend):
    # One row is every other identity's nearest negative, over more blocks of rows than one.
    rows = 40
    x = 10 * torch.eye(rows).repeat_interleave(2, 0)[: rows + 1]
    x[-1] = 0.1
    check(x.requires_grad_(), torch.cat([torch.arange(rows) // 2, torch.tensor([99])]), "none", margin=50.0)


def test_compiled_without_a_graph_break(backend):
    cases.assert_no_graph_break(partial(triplet, margin=2.5), batch(12, 6))


@pytest.mark.parametrize("mean", [True, False])
def test_operator(backend, mean):
    x, label = batch(9, 6, "uneven", layout="permuted")
    cases.check_op(op.triplet_batch_hard, (x, label, 0.5, mean))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_naive_and_torch_forms_have_their_gradients(reduction):
    x, label = batch(9, 4, "uneven", torch.float64)
    for form in (naive.batch_hard, triplet):
        run = partial(form, margin=2.0, reduction=reduction)
        assert torch.autograd.gradcheck(lambda x, run=run: run(x, label), x)


def test_costs_are_for_batch_hard_alone():
    with pytest.raises(ValueError, match="reduction is 'mean', or 'none' for batch-hard; got 'none' for semi-hard"):
        triplet(torch.ones(2, 2), torch.tensor([0, 1]), mining="semi-hard", reduction="none")


def test_self_check_passes_and_finds_a_wrong_kernel(triton_backend, monkeypatch):
    op._self_check(torch.device("cpu"), torch.bfloat16)
    from tbpsbench.kernels.triplet import triton_launch

    right = triton_launch.backward
    monkeypatch.setattr(triton_launch, "backward", lambda *a: 1.001 * right(*a))
    with pytest.raises(op.KernelError, match="gradient is off"):
        op._self_check(torch.device("cpu"), torch.float32)


def test_torch_form_keeps_one_chunk_of_distances(monkeypatch):
    x, label = batch(30, 6)
    whole = cases.value_and_gradients(partial(triplet, reduction="none"), [x, label])
    monkeypatch.setattr(plain, "CHUNK", 100)
    parts = cases.value_and_gradients(partial(triplet, reduction="none"), [x, label])
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
