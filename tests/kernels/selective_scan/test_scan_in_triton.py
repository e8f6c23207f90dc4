"""The scan's Triton kernels in the interpreter, against the definition in float64."""

import pytest
import torch
from kernel_cases import assert_close_to_oracle, in_float64, value_and_gradients
from scan_cases import NAMES, inputs

from tbpsbench.kernels.selective_scan import naive, selective_scan
from tbpsbench.kernels.selective_scan import torch as plain

pytestmark = pytest.mark.usefixtures("triton_backend")


def check(given, dtype=torch.float32, function=selective_scan):
    """Value and gradients are about as good as plain torch's; the upstream gradient is random."""
    upstream = torch.randn(given[0].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    oracle = value_and_gradients(naive.selective_scan, in_float64(given), upstream)
    theirs = value_and_gradients(plain.selective_scan, given, upstream)
    ours = value_and_gradients(function, given, upstream)
    names = ["y", *(name for name, x in zip(NAMES, given, strict=True) if x is not None)]
    assert [x.dtype for x in ours] == [x.dtype for x in theirs]
    assert_close_to_oracle(ours, theirs, oracle, dtype, names)
    return ours


# One position fewer and more than a chunk, channels that no program divides, states 1, 2, 5 and 16; two sizes that
# need no mask.
@pytest.mark.parametrize(
    ("length", "batch", "channels", "state"),
    [
        (2, 2, 3, 16),
        (3, 1, 9, 5),
        (5, 1, 20, 16),
        (3, 1, 3, 1),
        (3, 1, 17, 2),
        (2, 1, 3, 33),
        (4, 1, 16, 16),
    ],
)
def test_equals_the_definition(length, batch, channels, state):
    check(inputs(length, batch, channels, state, torch.float32))


def scan_cut_as(*tile):
    """The scan by its launches, cut as said."""
    from tbpsbench.kernels.selective_scan import triton_launch as launch

    class Scan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *x):
            ctx.x = launch.Inputs(*x)
            y, ctx.kept = launch.forward(ctx.x, True, launch.Tile(*tile))
            return y

        @staticmethod
        def backward(ctx, gy):
            return launch.backward(gy, ctx.x, ctx.kept, launch.Tile(*tile))

    return Scan.apply


def test_three_segments_with_long_memories():
    check(inputs(33, batch=1, state=16, dtype=torch.float32, bias=-4.0), function=scan_cut_as(1, 1, 16))


# Rows of channels in the forward and the backward pass, positions of a segment; three and two segments.
@pytest.mark.parametrize(("tile", "length", "channels"), [((2, 1, 4), 9, 3), ((1, 4, 4), 5, 10)])
def test_other_tiles(tile, length, channels):
    check(inputs(length, 1, channels, state=16, dtype=torch.float32), function=scan_cut_as(*tile))


@pytest.mark.parametrize("without", ["D", "z", "bias", ("D", "z", "bias")])
def test_parts_may_be_left_out(without):
    check(
        inputs(3, batch=1, state=16, dtype=torch.float32, without=(without,) if isinstance(without, str) else without)
    )


# Softplus as the identity, and as an exponential that float32 holds to few digits beside 1.
@pytest.mark.parametrize("bias", [40.0, -20.0])
def test_extreme_step_sizes(bias):
    check(inputs(5, batch=1, state=16, dtype=torch.float32, bias=bias))


def test_half_precision_and_the_same_bits_again():
    given = inputs(5, batch=1, state=16, dtype=torch.bfloat16)
    once, again = check(given, torch.bfloat16), check(given, torch.bfloat16)
    assert all(torch.equal(x, y) for x, y in zip(once, again, strict=True))


def test_rates_in_single_precision_beside_half_precision_inputs():
    given = inputs(3, batch=1, state=16, dtype=torch.bfloat16)
    for i in (2, 5, 7):
        given[i] = given[i].detach().float().requires_grad_()
    check(given, torch.bfloat16)


def test_permuted_inputs_and_views():
    given = inputs(3, batch=1, state=16, dtype=torch.float32, grad=False)
    permuted = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in given]
    check([x.requires_grad_() for x in permuted])
    # As in a Mamba layer: B and C are columns of one tensor, and so is the gate.
    joint = torch.cat([given[0], given[6], given[3], given[4]], dim=-1)
    u, z, B, C = joint.split([3, 3, 16, 16], dim=-1)
    views = [u, given[1], given[2], B, C, given[5], z, given[7]]
    check([x.detach().requires_grad_() for x in views])


def test_gradients_of_some_inputs_alone():
    given = inputs(2, batch=1, state=16, dtype=torch.float32, grad=False)
    given[3].requires_grad_()
    (gradient,) = torch.autograd.grad(selective_scan(*given).sum(), given[3])
    doubles = in_float64(given)
    (oracle,) = torch.autograd.grad(naive.selective_scan(*doubles).sum(), doubles[3])
    torch.testing.assert_close(gradient.double(), oracle, rtol=1e-5, atol=1e-6)


def test_without_gradients_the_values_are_the_same_bits():
    given = inputs(5, batch=1, state=16, dtype=torch.float32)
    with torch.no_grad():
        alone = selective_scan(*given)
    assert torch.equal(alone, selective_scan(*given))


def test_no_sample():
    given = inputs(5, batch=0, dtype=torch.float32)
    value, *gradients = value_and_gradients(selective_scan, given)
    assert value.shape == (0, 5, 3)
    assert [g.shape for g in gradients] == [x.shape for x in given]
    assert not any(g.count_nonzero() for g in gradients)


def test_second_derivatives_are_refused():
    given = inputs(2, batch=1, dtype=torch.float32)
    (first,) = torch.autograd.grad(selective_scan(*given).pow(2).sum(), given[0], create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives alone"):
        first.sum().backward()
