"""Which back end runs, what is said when it is not the expected one, and that nothing is checked twice."""

import logging
import threading
import warnings

import pytest
import torch

from tbpsbench.kernels import dispatch
from tbpsbench.kernels.dispatch import KernelError, chosen


class Cuda:
    """As much of a CUDA tensor as `chosen` looks at."""

    is_cuda = True

    def __init__(self, dtype=torch.float32, index=0):
        self.dtype, self.device = dtype, torch.device("cuda", index)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    dispatch.forget()
    yield
    dispatch.forget()


@pytest.fixture
def gpu(monkeypatch):
    """A machine with GPUs of compute capability 9.0, as far as `dispatch` can tell."""
    found = {"capability": (9, 0)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: found["capability"])
    monkeypatch.setattr(torch.cuda, "device", lambda _: warnings.catch_warnings())
    return found


def passes(device, dtype):
    pass


def fails(device, dtype):
    raise KernelError("gradient off by 3e-1\nand a page of details")


def quiet(*arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return chosen(*arguments)


def test_auto_runs_torch_on_cpu_tensors_without_a_word():
    assert quiet("k", torch.zeros(2), fails) == "torch"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_auto_runs_triton_on_a_gpu_that_passes(gpu, dtype):
    assert quiet("k", Cuda(dtype), passes) == "triton"


def test_float64_is_computed_by_torch_without_a_check(gpu):
    assert quiet("k", Cuda(torch.float64), fails) == "torch"


def test_the_variable_chooses_torch(gpu, monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, "torch")
    assert quiet("k", Cuda(), fails) == "torch"


def test_an_unknown_value_of_the_variable_is_an_error(monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, "cuda")
    with pytest.raises(KernelError, match="TBPSBENCH_KERNELS=cuda: it must be auto, triton or torch"):
        chosen("k", torch.zeros(2), passes)


def test_a_failed_check_falls_back_and_says_why_once(gpu, caplog):
    with caplog.at_level(logging.WARNING), pytest.warns(RuntimeWarning, match="k runs in plain torch.*off by 3e-1"):
        assert chosen("k", Cuda(), fails) == "torch"
    assert "off by 3e-1" in caplog.text
    assert "page of details" not in caplog.text
    assert quiet("k", Cuda(), fails) == "torch"


def test_each_kernel_device_and_dtype_is_checked_once(gpu):
    calls = []
    for _ in range(2):
        for kernel in ("k", "l"):
            for index in (0, 1):
                for dtype in (torch.float32, torch.bfloat16):
                    assert chosen(kernel, Cuda(dtype, index), lambda *found: calls.append(found)) == "triton"
    assert len(calls) == 8
    assert (torch.device("cuda", 1), torch.bfloat16) in calls


def test_other_kernels_are_not_blamed(gpu):
    with pytest.warns(RuntimeWarning):
        chosen("k", Cuda(), fails)
    assert quiet("l", Cuda(), passes) == "triton"


def test_an_older_gpu_falls_back_with_its_capability(gpu):
    gpu["capability"] = (7, 5)
    with pytest.warns(RuntimeWarning, match=r"compute capability 7\.5 is below 8\.0"):
        assert chosen("k", Cuda(), passes) == "torch"


def test_without_triton_it_falls_back_and_says_so(gpu, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "triton", None)
    with pytest.warns(RuntimeWarning, match="triton cannot be imported"):
        assert chosen("k", Cuda(), passes) == "torch"


def test_triton_is_an_error_instead_of_a_fallback(gpu, monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, "triton")
    for _ in range(2):
        with pytest.raises(KernelError, match="off by 3e-1"):
            chosen("k", Cuda(), fails)
    with pytest.raises(KernelError, match="float64 is computed by torch"):
        chosen("k", Cuda(torch.float64), passes)


def test_triton_on_a_cpu_needs_the_interpreter(monkeypatch):
    monkeypatch.setenv(dispatch.VARIABLE, "triton")
    pytest.importorskip("triton")
    assert quiet("k", torch.zeros(2), fails) == "triton"
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(KernelError, match="tensors on cpu"):
        chosen("k", torch.zeros(2), passes)


def test_a_check_may_call_the_kernel_itself(gpu):
    def check(device, dtype):
        assert chosen("k", Cuda(dtype), check) == "triton"

    assert quiet("k", Cuda(), check) == "triton"


def test_a_check_sees_neither_disabled_autograd_nor_autocast(gpu):
    def check(device, dtype):
        x = torch.ones(2, 2, requires_grad=True)
        y = x @ x
        assert y.dtype == torch.float32
        y.sum().backward()
        assert x.grad is not None

    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert quiet("k", Cuda(), check) == "triton"


def test_a_check_inside_a_custom_op_can_differentiate(gpu):
    @torch.library.custom_op("tbpsbench_tests::asks", mutates_args=())
    def asks(x: torch.Tensor) -> torch.Tensor:
        def check(device, dtype):
            y = torch.ones(2, requires_grad=True)
            y.square().sum().backward()
            assert y.grad is not None

        return x * (2 if quiet("k", Cuda(), check) == "triton" else 3)

    assert asks(torch.ones(1)).item() == 2


def test_a_backward_in_another_thread_does_not_wait_for_the_check(gpu):
    def check(device, dtype):
        found = []
        thread = threading.Thread(target=lambda: found.append(chosen("k", Cuda(dtype), check)), daemon=True)
        thread.start()
        thread.join(timeout=30)
        assert found == ["triton"]

    assert quiet("k", Cuda(), check) == "triton"


def test_the_report_names_every_choice_and_its_reason(gpu):
    chosen("k", torch.zeros(2), passes)
    chosen("k", Cuda(torch.bfloat16), passes)
    with pytest.warns(RuntimeWarning):
        chosen("l", Cuda(), fails)
    found = {(choice.kernel, choice.device): choice for choice in dispatch.report()}
    assert found["k", "cpu"].backend == "torch"
    assert found["k", "cuda:0"] == ("k", "cuda:0", "bfloat16", "triton", "passed its self-check")
    assert found["l", "cuda:0"].backend == "torch"
    assert "off by 3e-1" in found["l", "cuda:0"].reason
