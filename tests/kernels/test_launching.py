"""Launches that are repeated or kept: what they hand on, and when Triton's own dispatch is left out."""

import pytest
import torch
from kernel_cases import features, shifted, use_backend, value_and_gradients

from tbpsbench.kernels import contrastive, hsic, launching, selective_scan, triplet
from tbpsbench.kernels.launching import kept, repeated


class Kernel:
    """Records its launches; `compiles` as on a GPU, or not, as in the interpreter."""

    arg_names = ("x", "first", "last", "KIND", "BLOCK")

    def __init__(self, compiles):
        self.compiles, self.calls = compiles, []

    def __getitem__(self, grid):
        def launch(*arguments, **options):
            self.calls.append(("kernel", grid, arguments, options))
            return Compiled(self.calls) if self.compiles else None

        return launch


class Compiled:
    def __init__(self, calls):
        self.calls = calls

    def __getitem__(self, grid):
        return lambda *arguments: self.calls.append(("compiled", grid, arguments))


def launched(compiles):
    kernel = Kernel(compiles)
    launch = repeated(kernel, (3, 2), BLOCK=16, KIND="entropy", num_warps=4)
    for first in (0, 16, 32):
        launch("tensor", first, first + 16)
    return kernel.calls


def test_from_the_second_time_on_the_compiled_kernel_runs_with_all_arguments_in_order():
    options = {"BLOCK": 16, "KIND": "entropy", "num_warps": 4}
    assert launched(compiles=True) == [
        ("kernel", (3, 2), ("tensor", 0, 16), options),
        ("compiled", (3, 2, 1), ("tensor", 16, 32, "entropy", 16)),
        ("compiled", (3, 2, 1), ("tensor", 32, 48, "entropy", 16)),
    ]


def test_the_interpreter_compiles_nothing():
    assert [call[0] for call in launched(compiles=False)] == ["kernel"] * 3


def test_constants_are_the_last_arguments_of_the_kernel_that_is_repeated():
    pytest.importorskip("triton")
    from tbpsbench.kernels.contrastive.triton_weigh import weigh_kernel

    names = weigh_kernel.arg_names
    constants = [x for x in names if x.isupper()]
    assert list(names[-len(constants) :]) == constants


def test_a_kept_launch_is_made_once_for_a_key(monkeypatch):
    monkeypatch.setattr(launching, "_kept", {})
    kernel, asked = Kernel(compiles=True), []

    def options():
        asked.append(1)
        return {"BLOCK": 16, "KIND": "entropy"}

    for key in ("a", "b", "a"):
        kept(key, kernel, (3,), options)("tensor", 0, 16)
    kept("a", kernel, (4,), options)("tensor", 0, 16)
    assert [call[:2] for call in kernel.calls] == [
        ("kernel", (3,)),
        ("kernel", (3,)),
        ("compiled", (3, 1, 1)),
        ("kernel", (4,)),
    ]
    assert len(asked) == 3


def test_only_so_many_launches_are_kept(monkeypatch):
    monkeypatch.setattr(launching, "_kept", {})
    monkeypatch.setattr(launching, "MOST_KEPT", 4)
    kernel = Kernel(compiles=True)
    for key in range(9):
        kept(key, kernel, (1,), dict)
    assert len(launching._kept) == 1


CALLS = {
    "hsic": (lambda x, y, _: hsic.hsic(x, y), 20, 16),
    "hsic unbiased": (lambda x, y, _: hsic.hsic(x, y, estimator="unbiased", form="width"), 140, 16),
    "hsic width": (lambda x, y, _: hsic.hsic(x, y, form="width"), 140, 16),
    "sdm": (contrastive.sdm, 20, 16),
    "nitc": (contrastive.nitc, 20, 16),
    "triplet": (lambda x, y, label: triplet.triplet(x, label) + triplet.triplet(y, label), 20, 16),
    "scan": (
        lambda x, y, _: selective_scan.selective_scan(
            x[None], y[None], -torch.ones(16, 4), *torch.ones(2, 1, len(x), 4).unbind()
        ),
        4,
        16,
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", CALLS)
def test_unaligned_inputs_get_a_launch_of_their_own(name, dtype, monkeypatch):
    """The fixture of this folder compares what a kept launch is called with."""
    pytest.importorskip("triton")
    use_backend("triton", monkeypatch)
    call, rows, width = CALLS[name]
    label = torch.arange(rows) // 2
    given = [features(rows, width, dtype=dtype, seed=seed, unit=True) for seed in (1, 2)]
    expected = value_and_gradients(call, [*given, label])
    for moved in ((1, 0), (0, 1), (0, 0), (1, 1)):
        found = value_and_gradients(call, [*map(shifted, given, moved), label])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=1e-3)
