import sys
import types

import pytest
import torch
from scan_cases import NAMES, inputs
from torch.nn.functional import silu, softplus

from tbpsbench.kernels import selective_scan as module
from tbpsbench.kernels.selective_scan import naive, scan, selective_scan


def by_the_formula(u, dt, A, B, C, D=None, z=None, bias=None):
    """x_t = exp(dt A) x_{t-1} + dt B u, y = C x + D u, element by element."""
    dt = softplus(dt if bias is None else dt + bias)
    rows = []
    for b in range(u.shape[0]):
        for e in range(u.shape[2]):
            state = torch.zeros(A.shape[1], dtype=u.dtype)
            for t in range(u.shape[1]):
                state = torch.exp(dt[b, t, e] * A[e]) * state + dt[b, t, e] * B[b, t] * u[b, t, e]
                rows.append((C[b, t] * state).sum())
    y = torch.stack(rows).view(u.shape[0], u.shape[2], u.shape[1]).transpose(1, 2)
    y = y if D is None else y + D * u
    return y if z is None else y * silu(z)


# Lengths on both sides of a whole number of segments.
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 9, 10, 16, 17])
def test_equals_the_formula_with_its_gradients(length):
    given = inputs(length)
    ours, plain = selective_scan(*given), by_the_formula(*given)
    torch.testing.assert_close(ours, plain, rtol=1e-11, atol=1e-12)
    weight = torch.randn_like(plain)
    expected = torch.autograd.grad((plain * weight).sum(), given, allow_unused=True)
    for name, one, other in zip(NAMES, torch.autograd.grad((ours * weight).sum(), given), expected, strict=True):
        other = torch.zeros_like(one) if other is None else other
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("length", [1, 2, 6])
def test_gradcheck(length):
    assert torch.autograd.gradcheck(selective_scan, inputs(length, batch=2, channels=2, state=3))


def test_definition_equals_the_formula():
    given = inputs(6)
    torch.testing.assert_close(naive.selective_scan(*given), by_the_formula(*given), rtol=1e-12, atol=1e-13)
    assert torch.autograd.gradcheck(naive.selective_scan, inputs(3, channels=2, state=2))


def test_gradcheck_of_the_recurrence_alone():
    u, dt, A, B, C = inputs(5, channels=2)[:5]
    assert torch.autograd.gradcheck(lambda *x: scan(x[0], softplus(x[1]), *x[2:]), (u, dt, A, B, C))


def test_gradients_of_some_inputs_alone():
    for wanted in range(8):
        given = inputs(7, grad=False)
        given[wanted].requires_grad_()
        (ours,) = torch.autograd.grad(selective_scan(*given).sum(), given[wanted])
        (plain,) = torch.autograd.grad(by_the_formula(*given).sum(), given[wanted])
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("left_out", [{"D": None}, {"z": None}, {"bias": None}, {"D": None, "z": None, "bias": None}])
def test_parts_may_be_left_out(left_out):
    given = dict(zip(NAMES, inputs(5), strict=True)) | left_out
    torch.testing.assert_close(selective_scan(*given.values()), by_the_formula(*given.values()))


def test_one_position_gives_the_rates_a_gradient_of_zero():
    given = inputs(1)
    selective_scan(*given).sum().backward()
    assert torch.equal(given[2].grad, torch.zeros_like(given[2]))


def test_one_position_equals_the_first_of_many():
    u, dt, A, B, C, D, z, bias = inputs(6)
    many = selective_scan(u, dt, A, B, C, D, z, bias)
    first = selective_scan(u[:, :1], dt[:, :1], A, B[:, :1], C[:, :1], D, z[:, :1], bias)
    torch.testing.assert_close(first, many[:, :1])


def test_without_gradients_the_values_are_the_same_bits():
    given = inputs(11, dtype=torch.float32)
    with torch.no_grad():
        alone = selective_scan(*given)
    assert torch.equal(alone, selective_scan(*given))


def test_single_precision_is_close_to_double_with_forgetting_and_remembering_states():
    doubles = inputs(65, batch=3, channels=5, state=16, grad=False)
    doubles[2] = -torch.logspace(-4, 2, 16, dtype=torch.float64).repeat(5, 1)
    singles = [x.float() for x in doubles]
    exact = selective_scan(*doubles)
    assert ((selective_scan(*singles) - exact).norm() / exact.norm()).item() < 1e-6


def test_half_precision_keeps_its_state_in_single():
    given = inputs(9, dtype=torch.bfloat16, grad=False)
    y = selective_scan(*given)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y, selective_scan(*(x.float() for x in given)).to(torch.bfloat16))
    singles = inputs(9, dtype=torch.float32, grad=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = selective_scan(*singles)
    assert torch.equal(inside, selective_scan(*singles))


def test_inputs_are_left_as_they_are():
    given = inputs(8)
    before = [x.detach().clone() for x in given]
    selective_scan(*given).sum().backward()
    assert all(torch.equal(x, y) for x, y in zip(given, before, strict=True))


def test_second_derivatives_are_refused():
    given = inputs(4)
    (first,) = torch.autograd.grad(selective_scan(*given).pow(2).sum(), given[0], create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives alone"):
        first.sum().backward()


@pytest.mark.parametrize(("which", "name"), [(1, "dt"), (2, "A"), (3, "B"), (4, "C")])
def test_shapes_that_do_not_fit_are_named(which, name):
    given = inputs(4)
    given[which] = given[which][:1] if which == 2 else given[which][:, :3]
    with pytest.raises(ValueError, match=f"{name} is .*, expected"):
        selective_scan(*given)


def test_no_position_is_refused():
    with pytest.raises(ValueError, match="L > 0"):
        selective_scan(*inputs(0))


def test_cuda_kernel_is_asked_for_by_its_compiled_part(monkeypatch):
    module.cuda_kernel.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    found, why = module.cuda_kernel()
    assert not found
    assert "selective_scan_cuda" in why
    module.cuda_kernel.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name == "selective_scan_cuda" else None)
    assert module.cuda_kernel() == (True, "")
    module.cuda_kernel.cache_clear()


def test_mamba_ssm_is_called_in_its_own_layout(monkeypatch):
    def selective_scan_fn(u, dt, A, B, C, D, z, delta_bias, delta_softplus):
        assert delta_softplus
        assert A.dtype == D.dtype == delta_bias.dtype == torch.float32
        assert u.is_contiguous()
        u, dt, B, C, z = (x.transpose(1, 2) for x in (u, dt, B, C, z))
        return by_the_formula(u, dt, A, B, C, D, z, delta_bias).transpose(1, 2)

    fake = types.SimpleNamespace(selective_scan_fn=selective_scan_fn)
    monkeypatch.setitem(sys.modules, "mamba_ssm", types.ModuleType("mamba_ssm"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops", types.ModuleType("mamba_ssm.ops"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.selective_scan_interface", fake)
    given = inputs(5, dtype=torch.float32)
    torch.testing.assert_close(module._mamba_ssm(*given), selective_scan(*given))
