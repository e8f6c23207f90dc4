import warnings

import pytest
import torch

from tbpsbench.fusers.mamba_block import MambaBlock


def mixer(block, width):
    """transformers' Mamba mixer with the same weights."""
    from transformers import MambaConfig
    from transformers.models.mamba.modeling_mamba import MambaMixer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = MambaConfig(hidden_size=width, state_size=block.d_state, conv_kernel=block.d_conv, num_hidden_layers=1)
        other = MambaMixer(config, 0)
    other.load_state_dict(block.state_dict(), strict=True)
    return other


@pytest.mark.parametrize("length", [1, 2, 3, 5, 20])
def test_equals_transformers_mixer_forward_and_backward(length):
    block = MambaBlock(24, d_state=5, d_conv=4)
    with torch.no_grad():
        block.A_log.add_(0.3 * torch.randn_like(block.A_log))
        block.D.add_(torch.randn_like(block.D))
    other = mixer(block, 24)
    x = torch.randn(3, length, 24, requires_grad=True)
    weight = torch.randn(3, length, 24)
    ours, theirs = block(x), other(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    (gx,) = torch.autograd.grad((ours * weight).sum(), x, retain_graph=True)
    (gx_other,) = torch.autograd.grad((theirs * weight).sum(), x, retain_graph=True)
    torch.testing.assert_close(gx, gx_other, rtol=1e-5, atol=1e-5)
    (ours * weight).sum().backward()
    (theirs * weight).sum().backward()
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(block.get_parameter(name).grad, parameter.grad, rtol=1e-5, atol=1e-5, msg=name)


def test_parameters_are_those_of_mamba_ssm():
    shapes = {name: tuple(value.shape) for name, value in MambaBlock(32).state_dict().items()}
    assert shapes == {
        "A_log": (64, 16), "D": (64,), "in_proj.weight": (128, 32), "conv1d.weight": (64, 1, 4), "conv1d.bias": (64,),
        "x_proj.weight": (34, 64), "dt_proj.weight": (64, 2), "dt_proj.bias": (64,), "out_proj.weight": (32, 64),
    }  # fmt: skip


def test_no_position_sees_what_comes_later():
    block, x = MambaBlock(8, d_state=3).double(), torch.randn(2, 9, 8, dtype=torch.float64)
    whole = block(x)
    for length in (1, 3, 4, 8):
        torch.testing.assert_close(block(x[:, :length]), whole[:, :length])


def test_early_positions_reach_late_ones():
    block, x = MambaBlock(8).double(), torch.randn(1, 12, 8, dtype=torch.float64, requires_grad=True)
    block(x)[:, -1].sum().backward()
    assert (x.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("length", [1, 2, 4, 7])
@pytest.mark.parametrize("taps", [1, 2, 4])
def test_convolution_equals_conv1d_padded_on_the_left(length, taps):
    block, u = MambaBlock(4, d_conv=taps), torch.randn(2, length, 8)
    torch.testing.assert_close(block._convolve(u), block.conv1d(u.mT)[..., :length].mT)


def test_gradcheck():
    block = MambaBlock(4, d_state=3, d_conv=3).double()
    names = [name for name, _ in block.named_parameters()]

    def run(x, *parameters):
        return torch.func.functional_call(block, dict(zip(names, parameters, strict=True)), (x,))

    x = torch.randn(1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (x, *block.parameters()))


def test_steps_start_in_their_range():
    steps = torch.nn.functional.softplus(MambaBlock(64, dt_min=0.01, dt_max=0.2).dt_proj.bias)
    assert 0.0099 < steps.min() < steps.max() < 0.2001


@pytest.mark.parametrize("wrong", [{"d_state": 0}, {"dt_rank": 0}, {"dt_min": 0.0}, {"dt_max": float("nan")}])
def test_sizes_must_be_positive(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be positive"):
        MambaBlock(8, **wrong)
