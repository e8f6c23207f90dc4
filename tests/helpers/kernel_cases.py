"""What the tests of all kernels share: back ends, poisoned memory, awkward inputs, how wrong a result may be.

Nothing here needs more than torch, triton, numpy and pytest.
"""

import functools
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tbpsbench import kernels
from tbpsbench.kernels import dispatch, launching

ROOT = Path(__file__).parents[2]
POISON = {torch.bool: True}

# name -> (dtype, whether the batch's rows are what it says), see `features`.
LAYOUTS = ("contiguous", "permuted", "sliced", "expanded")
# Sizes that no tile divides.
ODD_SIZES = ((1, 5), (2, 3), (7, 13), (33, 17), (67, 40), (130, 100))
LABELS = ("one", "distinct", "pairs", "uneven")


def use_backend(name, monkeypatch):
    """Every kernel runs on this back end until the test ends; Triton is its interpreter.

    Args:
        name: "torch" or "triton".
    """
    if name == "triton":
        pytest.importorskip("triton")
    assert name == "torch" or dispatch.interpreting(), "TRITON_INTERPRET was not set before this test"
    monkeypatch.setenv(dispatch.VARIABLE, name)
    dispatch.forget()


def features(rows, width, *, dtype=torch.float32, layout="contiguous", seed=0, unit=False):
    """(rows, width) normal features that require gradients, in a given memory layout.

    Args:
        layout: "contiguous"; "permuted": dense, columns first; "sliced": every second row and column of a larger
            tensor; "expanded": one row repeated with stride 0.
        unit: scale the rows to norm 1, in float64 before the dtype is taken.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    if layout == "expanded":
        x = x[:1].expand(rows, width) if rows else x
    if unit:
        x = x / x.norm(dim=1, keepdim=True)
    x = laid_out(x.to(dtype), layout)
    return x.requires_grad_()


def laid_out(x, layout):
    """The same values in another memory layout."""
    if layout == "permuted":
        return x.detach().t().contiguous().t()
    if layout == "sliced":
        larger = x.new_full((2 * x.shape[0] + 1, 2 * x.shape[1] + 1), float("nan"))
        view = larger[1 : 2 * x.shape[0] : 2, 1 : 2 * x.shape[1] : 2]
        view.copy_(x.detach())
        return view
    if layout == "expanded" and len(x):
        return x[:1].detach().clone().expand(x.shape)
    return x.detach().clone()


def shifted(x, by):
    """The same values, `by` numbers behind the start of memory: one number is less than the 16 bytes of an address."""
    room = x.new_empty(x.numel() + by)
    view = room[by:].view(x.shape)
    view.copy_(x.detach())
    return view.requires_grad_(x.requires_grad)


def labels(rows, kind="pairs", seed=0):
    """(rows,) int64 identities.

    Args:
        kind: "one": a single identity; "distinct": all different; "pairs": two rows each, shuffled; "uneven": few
            identities of very different sizes, large and negative numbers among them.
    """
    generator = torch.Generator().manual_seed(seed)
    if kind == "one":
        return torch.full((rows,), 7)
    if kind == "distinct":
        return torch.randperm(rows, generator=generator)
    if kind == "pairs":
        return (torch.arange(rows) // 2)[torch.randperm(rows, generator=generator)]
    drawn = (torch.rand(rows, generator=generator) ** 3 * 5).long()
    return torch.tensor([3, -1, 2**40, 0, -(2**35)])[drawn]


def relative_error(found, oracle):
    """||found - oracle|| / ||oracle|| in float64; the absolute error where the oracle is zero.

    NaN and infinities in `found` give infinity, so that no comparison lets them pass.
    """
    found, oracle = found.detach().double(), oracle.detach().double()
    assert found.shape == oracle.shape, f"shape {tuple(found.shape)}, expected {tuple(oracle.shape)}"
    if not torch.isfinite(found).all():
        return float("inf")
    size = oracle.norm().item()
    return ((found - oracle).norm() / (size or 1.0)).item()


def allowed(dtype, plain_error):
    """Largest relative error of a kernel, given that of the plain torch form in the same dtype.

    Args:
        plain_error: against the float64 oracle.
    """
    if dtype in (torch.bfloat16, torch.float16):
        return 1.5 * plain_error + 1e-3
    return max(2 * plain_error, 1e-12 if dtype == torch.float64 else 1e-5)


def assert_close_to_oracle(found, plain, oracle, dtype, names=None):
    """Each found tensor is about as close to the float64 oracle as the plain torch form in the same dtype.

    Args:
        found, plain, oracle: sequences of tensors or None (a gradient that was not asked for) of equal length.
        names: for the message.
    """
    assert len(found) == len(plain) == len(oracle)
    for i, (ours, theirs, true) in enumerate(zip(found, plain, oracle, strict=True)):
        name = names[i] if names else i
        if true is None:
            assert ours is None, f"{name}: expected None"
            continue
        error, limit = relative_error(ours, true), allowed(dtype, relative_error(theirs, true))
        assert error <= limit, f"{name}: relative error {error:.2g}, allowed {limit:.2g}"


def value_and_gradients(function, inputs, upstream=None):
    """[value, one gradient for each input that requires one].

    Args:
        upstream: gradient of the value; default: ones.
    """
    for tensor in inputs:
        if torch.is_tensor(tensor):
            tensor.grad = None
    value = function(*inputs)
    wanted = [tensor for tensor in inputs if torch.is_tensor(tensor) and tensor.requires_grad]
    upstream = torch.ones_like(value) if upstream is None else upstream.to(value.dtype)
    return [value, *torch.autograd.grad(value, wanted, upstream)]


def peak_bytes(work):
    """Most memory of the CPU in use during a call beyond what was in use before it."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]" and event.device_type() == torch.autograd.DeviceType.CPU:
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def in_float64(inputs):
    """Contiguous float64 copies of the floating-point tensors among the inputs, other things as they are."""
    return [
        tensor.detach().double().contiguous().requires_grad_(tensor.requires_grad)
        if torch.is_tensor(tensor) and tensor.is_floating_point()
        else tensor
        for tensor in inputs
    ]


def check_op(op, args, kwargs=None):
    """`torch.library.opcheck` with all its tests; the inputs include a dense permuted layout where it matters."""
    result = torch.library.opcheck(op, args, kwargs or {}, raise_exception=True)
    assert set(result.values()) <= {"SUCCESS"}, result


def assert_no_graph_break(function, inputs, tolerance=1e-5):
    """Value and gradients of `torch.compile(fullgraph=True)` equal those without it.

    The back end is `aot_eager`: graph capture, autograd and fake tensors, without code generation.
    """
    torch._dynamo.reset()
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    plain, found = value_and_gradients(function, inputs), value_and_gradients(compiled, inputs)
    for ours, theirs in zip(found, plain, strict=True):
        assert relative_error(ours, theirs) <= tolerance


def watch_launches(monkeypatch):
    """Fail where a launch that is kept is called with arguments or options that Triton would compile other code for."""
    repeated, kept, known = launching.repeated, launching.kept, {}

    def asked(key, kernel, grid, options):
        whole, found = (id(kernel), grid, key), options()
        assert known.setdefault(whole, found) == found, f"{kernel} is kept with {known[whole]}, asked for with {found}"
        return kept(key, kernel, grid, lambda: found)

    def watched(kernel, grid, **options):
        launch, first = repeated(kernel, grid, **options), []
        constants = [name for name in kernel.arg_names if name in options]
        assert list(kernel.arg_names)[len(kernel.arg_names) - len(constants) :] == constants, f"{kernel}: not the last"

        def call(*arguments):
            found = [compiled_for(x) for x in arguments]
            first.append(found)
            assert found == first[0], f"{kernel} is kept for {first[0]}, called with {found}"
            launch(*arguments)

        return call

    monkeypatch.setattr(launching, "repeated", watched)
    for module in launchers():
        monkeypatch.setattr(module, "kept", asked)


@functools.cache
def launchers():
    """All modules with launches that are kept, and the one that has `kept`."""
    try:
        importlib.import_module("triton")
    except ImportError:
        return [launching]
    names = [name for _, name, _ in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}.")]
    found = [importlib.import_module(name) for name in names if name.rpartition(".")[2].startswith("triton")]
    return [launching, *(module for module in found if hasattr(module, "kept"))]


def compiled_for(x):
    """What Triton's code depends on: types, whether an address or a number is a multiple of 16, numbers that are 1."""
    if isinstance(x, torch.Tensor):
        return x.dtype, x.data_ptr() % 16 == 0
    if isinstance(x, int):
        return x == 1, x % 16 == 0, -(2**31) <= x < 2**31
    return (x.base.dtype, x.block_shape) if hasattr(x, "block_shape") else type(x)


def poison(monkeypatch):
    """Make fresh memory hold NaN for code of `tbpsbench.kernels`, so that an output that is not written shows."""

    def wrapped(make):
        def poisoned(*args, **kwargs):
            made = make(*args, **kwargs)
            if sys._getframe(1).f_globals.get("__name__", "").startswith("tbpsbench.kernels"):
                _fill(made)
            return made

        return poisoned

    for name in ("empty", "empty_like", "empty_strided", "empty_permuted"):
        monkeypatch.setattr(torch, name, wrapped(getattr(torch, name)))
    for name in ("new_empty", "new_empty_strided"):
        monkeypatch.setattr(torch.Tensor, name, wrapped(getattr(torch.Tensor, name)))


def _fill(tensor):
    with torch.no_grad():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.fill_(float("nan"))
        else:
            tensor.fill_(POISON.get(tensor.dtype) or torch.iinfo(tensor.dtype).min)


def outside(program, *arguments, **environment):
    """Run a program in a process where Triton compiles instead of interpreting; the JSON that it prints last.

    Args:
        program: its text, or the path of its file; `arguments` are its sys.argv[1:].
        environment: variables to set.
    """
    variables = {
        name: value for name, value in os.environ.items() if name not in ("TRITON_INTERPRET", dispatch.VARIABLE)
    }
    variables |= {"PYTHONPATH": f"{ROOT}:{variables.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"} | environment
    how = [program] if isinstance(program, Path) else ["-c", program]
    command = [sys.executable, *how, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])
