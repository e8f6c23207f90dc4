"""The operators as torch sees them: schemas, derivatives, capture without graph breaks; memory; who runs what."""

import pytest
import torch
from contrastive_cases import CASES, definition, inputs, loss
from kernel_cases import assert_no_graph_break, check_op, laid_out, value_and_gradients
from torch.utils._python_dispatch import TorchDispatchMode

from tbpsbench.kernels import contrastive
from tbpsbench.kernels.contrastive import functions, naive
from tbpsbench.kernels.contrastive.form import KINDS

each_form = pytest.mark.parametrize("form", ["torch", "triton small", "triton large"], indirect=True)
NUMBERS = [12.5, 1.0, 1.0, 1e-8, 0.0, 0.2, 0.0]


@pytest.mark.parametrize(
    ("kind", "form"),
    [("entropy", "torch"), ("entropy", "triton small"), ("divergence", "triton large")],
    indirect=["form"],
)
def test_opcheck(kind, form):
    anchor, positive, label, scale = inputs("ritc", 9, 6)
    permuted = laid_out(anchor, "permuted").requires_grad_()
    assert not permuted.is_contiguous()
    alpha = torch.tensor(0.3) if kind == "entropy" else None
    given = (permuted, positive, label, scale, alpha, kind, NUMBERS, kind == "entropy", True, form)
    check_op(torch.ops.tbpsbench.contrastive.default, given)


@each_form
def test_opcheck_of_the_backward_pass(form):
    anchor, positive, label, scale = inputs("ritc", 9, 6)
    permuted = laid_out(anchor, "permuted")
    _, saved, _, identity = torch.ops.tbpsbench.contrastive(
        permuted, positive, label, scale, None, "divergence", NUMBERS, False, True, form
    )
    for needed in ([True, True], [False, True]):
        given = (torch.ones(9), permuted, positive, label, scale, saved, identity, "divergence", NUMBERS, needed, form)
        given = [x.detach() if torch.is_tensor(x) else x for x in given]
        check_op(torch.ops.tbpsbench.contrastive_backward.default, tuple(given))


@pytest.mark.parametrize("form", ["torch"], indirect=True)
@pytest.mark.parametrize("case", CASES)
def test_gradients_in_float64(case, form):
    if CASES[case].name in ("nitc", "tal", "trl"):
        # What they hold constant has a derivative: one positive a row, and no softmax in the targets, leave none.
        kind, options = "distinct", {"alpha": 0.0} if CASES[case].name == "nitc" else {}
        function = loss(case, backend=form) if not options else _hard_targets(form)
    else:
        kind, function = "uneven", loss(case, backend=form)
    given = inputs(case, 7, 4, kind=kind, dtype=torch.float64, scale=3.0)
    assert torch.autograd.gradcheck(function, given)


def _hard_targets(form):
    return lambda anchor, positive, label, scale: contrastive.nitc(
        anchor, positive, label, scale, alpha=0.0, backend=form
    )


@pytest.mark.parametrize("case", ["infonce-identity", "sdm", "cmpm", "tal", "trl"])
def test_gradients_of_the_definitions_in_float64(case):
    kind = "distinct" if case in ("tal", "trl") else "uneven"
    given = inputs(case, 6, 3, kind=kind, dtype=torch.float64, scale=3.0)
    assert torch.autograd.gradcheck(definition(case, 3.0), given)


@each_form
@pytest.mark.parametrize("case", ["infonce", "tal"])
def test_no_graph_break_and_float_arguments(case, form):
    assert_no_graph_break(lambda *given: loss(case)(*given).sum(), inputs(case, 9, 6))


def test_the_definition_is_captured_too():
    assert_no_graph_break(lambda *given: loss("sdm")(*given).sum(), inputs("sdm", 9, 6))


class _Largest(TorchDispatchMode):
    """Remembers how many bytes the largest memory has that any operation made."""

    size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if torch.is_tensor(tensor):
                self.size = max(self.size, tensor.untyped_storage().nbytes())
        return out


@pytest.mark.parametrize("form", ["torch", "triton large"], indirect=True)
@pytest.mark.parametrize("case", ["infonce-identity", "sdm", "tal"])
def test_no_matrix_of_similarities_is_made(case, form):
    rows = 64 if form == "torch" else 48
    given = inputs(case, rows, 4, kind="one" if form == "torch" else "pairs")
    with _Largest() as largest:
        value_and_gradients(lambda *given: loss(case, backend=form)(*given).sum(), given)
    assert 0 < largest.size < 4 * rows**2
    with _Largest() as largest:
        definition(case)(*given)
    assert largest.size >= 4 * rows**2


@pytest.mark.parametrize("case", ["infonce", "sdm", "cmpm", "tal", "trl", "nitc"])
def test_small_batches_on_a_cpu_are_the_definition_itself(case, monkeypatch):
    given = inputs(case, 12, 6)
    expected = value_and_gradients(definition(case), given)
    assert all(map(torch.equal, value_and_gradients(loss(case), given), expected))
    monkeypatch.setattr(functions, "CROSSOVER", dict.fromkeys(KINDS, 12))
    monkeypatch.setattr(functions, "naive", None)
    found = value_and_gradients(loss(case), given)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)


def test_the_hardest_of_equal_negatives_is_the_first():
    anchor = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).requires_grad_()
    positive = torch.tensor([[0.6, 0.8], [1.0, 0.0], [1.0, 0.0]]).requires_grad_()
    value = contrastive.trl(anchor, positive, torch.arange(3), backend="torch")
    torch.testing.assert_close(value, naive.trl(anchor, positive, torch.arange(3)))
    (grad,) = torch.autograd.grad(value[0], positive)
    assert grad[1].abs().sum() > 0
    assert grad[2].abs().sum() == 0
