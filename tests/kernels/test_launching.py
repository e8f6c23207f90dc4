"""A launch that is repeated: what it hands on, and when Triton's own dispatch is left out."""

import pytest

from tbpsbench.kernels.launching import repeated


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
