"""The scan as an operator of torch, and which of its forms runs."""

import pytest
import torch
from kernel_cases import assert_no_graph_break, check_op
from scan_cases import inputs

from tbpsbench.kernels import dispatch
from tbpsbench.kernels import selective_scan as module
from tbpsbench.kernels.selective_scan import op, selective_scan


def test_operators_are_registered_in_full(backend):
    given = inputs(3, batch=1, state=4, dtype=torch.float32)
    given[1] = given[1].detach().transpose(0, 2).contiguous().transpose(0, 2).requires_grad_()
    check_op(op.scan, (*given, True))
    without = [x if i < 5 else None for i, x in enumerate(given)]
    _, kept = op.scan(*without, True)
    check_op(op.scan_backward, (torch.randn(1, 3, 3), *(x if x is None else x.detach() for x in without), kept))


def test_no_graph_break(backend):
    assert_no_graph_break(selective_scan, inputs(3, batch=1, state=4, dtype=torch.float32))


def test_gradients_of_the_operator_in_double_precision():
    given = inputs(5, batch=1, channels=2, state=3)
    assert torch.autograd.gradcheck(lambda *x: op.scan(*x, True)[0], given)
    without = inputs(5, batch=1, channels=2, state=3, without=("D", "z", "bias"))
    assert torch.autograd.gradcheck(lambda *x: op.scan(*x, None, None, None, True)[0], without[:5])


def test_self_check_passes_and_finds_a_wrong_result(triton_backend, monkeypatch):
    from tbpsbench.kernels.selective_scan import triton_launch as launch

    right = launch.backward

    def wrong(*arguments):
        gradients = list(right(*arguments))
        gradients[3] = gradients[3] * 1.01
        return tuple(gradients)

    monkeypatch.setattr(launch, "backward", wrong)
    with pytest.raises(dispatch.KernelError, match=r"relative error 1\.0e-02 of B"):
        op.self_check(torch.device("cpu"), torch.float32, length=2, channels=3)
    monkeypatch.setattr(launch, "backward", right)
    op.self_check(torch.device("cpu"), torch.float32, length=2, channels=3)


class _Cuda(torch.Tensor):
    is_cuda = True


@pytest.mark.parametrize(
    ("wanted", "compiled", "runs"),
    [("auto", True, "mamba_ssm"), ("auto", False, "triton"), ("triton", True, "triton"), ("torch", True, "torch")],
)
def test_what_runs_on_cuda(wanted, compiled, runs, monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, wanted)
    monkeypatch.setattr(module, "cuda_kernel", lambda: (compiled, ""))
    monkeypatch.setattr(module, "_mamba_ssm", lambda *_: "mamba_ssm")
    monkeypatch.setattr(module, "_in_torch", lambda *_: "torch")
    monkeypatch.setattr(op, "which", lambda _: "torch" if wanted == "torch" else "triton")
    monkeypatch.setattr(op, "in_triton", lambda *_: "triton")
    given = [x.as_subclass(_Cuda) for x in inputs(5, grad=False)]
    assert selective_scan(*given) == runs
    one = [x[:, :1] if x.ndim == 3 else x for x in given]
    assert selective_scan(*one) == "torch"


def test_a_cpu_runs_plain_torch(monkeypatch):
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    monkeypatch.setattr(op, "in_triton", None)
    assert selective_scan(*inputs(5)).shape == (2, 5, 3)
