"""BatchNorm is nn.BatchNorm1d in one process, BatchNorm2d nn.BatchNorm2d; in two that of the joined batch."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from tbpsbench.layers.batch_norm import BatchNorm, BatchNorm2d


def pair(**arguments):
    torch.manual_seed(0)
    ours, theirs = BatchNorm(5, **arguments).double(), nn.BatchNorm1d(5).double()
    for mine, other in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        nn.init.normal_(mine)
        other.data.copy_(mine.data)
    return ours, theirs


def test_equals_torchs_in_training_and_evaluation():
    ours, theirs = pair()
    for _ in range(3):
        x = 3 + 2 * torch.randn(7, 5, dtype=torch.float64)
        one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        torch.testing.assert_close(ours(one), theirs(other))
        ours(one).square().sum().backward()
        theirs(other).square().sum().backward()
        torch.testing.assert_close(one.grad, other.grad)
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_all_axes_but_the_last_are_rows():
    ours, _ = pair()
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x).reshape(6, 5), ours(x.reshape(6, 5)))


def test_frozen_trains_with_the_running_statistics_and_keeps_them():
    ours, theirs = pair(frozen=True)
    x = 3 + 2 * torch.randn(7, 5, dtype=torch.float64)
    out = ours.train()(x)
    torch.testing.assert_close(out, theirs.eval()(x))
    out.sum().backward()
    assert ours.weight.grad is not None
    assert torch.equal(ours.running_mean, torch.zeros(5).double())


def test_gradient_in_float64():
    norm, _ = pair()
    assert torch.autograd.gradcheck(norm, (torch.randn(4, 5, dtype=torch.float64, requires_grad=True),))


def test_one_row_and_constant_features_stay_finite():
    norm, _ = pair()
    for x in (torch.ones(1, 5), torch.ones(6, 5)):
        x = x.double().requires_grad_()
        out = norm(x)
        out.sum().backward()
        torch.testing.assert_close(out, norm.bias.expand_as(out))
        assert torch.isfinite(x.grad).all()


def test_half_precision_is_normalised_in_float32():
    norm = BatchNorm(5)
    x = (100 + torch.randn(64, 5)).bfloat16()
    out = norm(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, norm(x.float()).bfloat16())


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"dim": 4, "eps": 0.0}, {"dim": 4, "momentum": 2.0}])
def test_settings_must_make_sense(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        BatchNorm(**wrong)


def pictures():
    torch.manual_seed(0)
    ours, theirs = BatchNorm2d(5), nn.BatchNorm2d(5)
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    theirs.load_state_dict(ours.state_dict())  # names, too
    return ours, theirs


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_of_pictures_equals_torchs_to_the_last_bit(memory_format):
    ours, theirs = pictures()
    x = (3 + 2 * torch.randn(4, 5, 6, 3)).contiguous(memory_format=memory_format)
    found = []
    for norm in (ours, theirs):
        one = x.clone().requires_grad_()
        with torch.autocast("cpu", enabled=memory_format == torch.channels_last):
            out = norm(one)
        out.float().square().sum().backward()
        found.append([out, one.grad, norm.weight.grad, norm.bias.grad, *norm.buffers(), norm.eval()(x)])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


ROWS = (slice(0, 5), slice(5, 8))  # unequal: texts bring different numbers of tokens


def work(rank, path):
    torch.set_num_threads(1)
    whole, _ = pair()
    ours, _ = pair()
    weight_ND, x_ND = torch.randn(2, 8, 5, dtype=torch.float64)
    joined = x_ND.clone().requires_grad_()
    (whole(joined) * weight_ND).sum().backward()
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    mine = x_ND[ROWS[rank]].clone().requires_grad_()
    out = ours(mine)
    # As with gathered losses, the objective of all processes together is what autograd sums.
    (out * weight_ND[ROWS[rank]]).sum().backward()
    for parameter in ours.parameters():
        dist.all_reduce(parameter.grad)
    dist.destroy_process_group()
    torch.testing.assert_close(out, whole(x_ND)[ROWS[rank]])
    torch.testing.assert_close(mine.grad, joined.grad[ROWS[rank]])
    torch.testing.assert_close(ours.weight.grad, whole.weight.grad)
    torch.testing.assert_close(ours.bias.grad, whole.bias.grad)


def work_on_pictures(rank, path):
    torch.set_num_threads(1)
    ours, whole = (norm.double() for norm in pictures())
    weight, x = (
        part.contiguous(memory_format=torch.channels_last) for part in torch.randn(2, 8, 5, 4, 3, dtype=torch.float64)
    )
    joined = x.clone().requires_grad_()
    expected = whole(joined)
    (expected * weight).sum().backward()
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    mine = x[ROWS[rank]].clone().requires_grad_()
    out = ours(mine)
    (out * weight[ROWS[rank]]).sum().backward()
    for parameter in ours.parameters():
        dist.all_reduce(parameter.grad)
    dist.destroy_process_group()
    assert out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(out, expected[ROWS[rank]])
    torch.testing.assert_close(mine.grad, joined.grad[ROWS[rank]])
    torch.testing.assert_close(ours.weight.grad, whole.weight.grad)
    torch.testing.assert_close(ours.bias.grad, whole.bias.grad)
    for one, other in zip(ours.buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("part", [work, work_on_pictures])
def test_two_processes_equal_one(tmp_path, part):
    mp.start_processes(part, (tmp_path / "rendezvous",), nprocs=2, start_method="fork")
