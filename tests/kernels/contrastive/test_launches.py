"""What the Triton launches do besides losses: identities made once, memory, and who runs a few pairs on CUDA."""

import kernel_cases
import pytest
import torch
from contrastive_cases import inputs, loss
from kernel_cases import value_and_gradients

from tbpsbench.kernels import contrastive, dispatch
from tbpsbench.kernels.contrastive import functions, naive
from tbpsbench.kernels.contrastive.form import Form

triton = pytest.importorskip("triton") and pytest.importorskip("tbpsbench.kernels.contrastive.triton")
triton_blocks = pytest.importorskip("tbpsbench.kernels.contrastive.triton_blocks")
triton_call = pytest.importorskip("tbpsbench.kernels.contrastive.triton_call")
large = pytest.mark.parametrize("form", ["triton large"], indirect=True)


@large
@pytest.mark.parametrize("compared", [0, 64])
@pytest.mark.parametrize("kind", kernel_cases.LABELS)
def test_identities_are_those_of_the_labels(form, kind, compared, monkeypatch):
    monkeypatch.setattr(triton_call, "COMPARED_ROWS", compared)
    side, label = torch.zeros(33, 4, dtype=torch.bfloat16), kernel_cases.labels(33, kind)
    identity, count = triton_call.Call(side, side, label, None, Form("entropy")).identities()
    same = label[:, None] == label
    assert torch.equal(identity[:, None] == identity, same)
    assert torch.equal(count, same.sum(1).float())
    assert identity.dtype == torch.float32


@large
def test_distinct_pairs_need_no_comparison(form):
    side = torch.zeros(33, 4, dtype=torch.bfloat16)
    call = triton_call.Call(side, side, torch.arange(33), None, Form("entropy", distinct=True))
    identity, count = call.identities()
    assert torch.equal(identity, torch.arange(33.0))
    assert torch.equal(count, torch.ones(33))


@large
@pytest.mark.parametrize(("dtype", "times"), [(torch.bfloat16, 1), (torch.float32, 0)])
def test_identities_are_made_once_for_both_passes(form, dtype, times, monkeypatch):
    made = []
    identities = triton_call.Call.identities
    monkeypatch.setattr(triton_call.Call, "identities", lambda call: made.append(call) or identities(call))
    value_and_gradients(loss("sdm", backend="triton"), inputs("sdm", 17, 8, dtype=dtype))
    assert len(made) == times


@pytest.mark.parametrize(
    ("form", "dtype"),
    [("triton large", torch.float32), ("triton large", torch.bfloat16), ("triton large once", torch.bfloat16)],
    indirect=["form"],
)
def test_unaligned_sides_get_launches_of_their_own(form, dtype):
    """A fixture compares what a launch that is kept is called with."""
    given = inputs("ritc", 33 if dtype == torch.bfloat16 else 18, 16, dtype=dtype)
    call = loss("ritc", backend="triton")
    expected = value_and_gradients(call, given)
    for moved in ((1, 0), (0, 1)):
        found = value_and_gradients(call, [*map(kernel_cases.shifted, given[:2], moved), *given[2:]])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=1e-2)


@pytest.mark.parametrize("form", ["triton small", "triton large"], indirect=True)
@pytest.mark.parametrize(
    ("name", "option", "whole", "part"),
    [("info_nce", "scale", 1, 14.3), ("sdm", "temperature", 1, 0.1), ("tal", "margin", 1, 0.1), ("sdm", "eps", 1, 0.1)],
)
def test_whole_numbers_are_no_other_launch_than_parts(form, name, option, whole, part):
    """Triton would compile 1 into the code. A fixture compares what a launch that is kept is called with."""
    anchor, positive, label = inputs("sdm", 20, 16, dtype=torch.bfloat16)
    of = [getattr(module, name) for module in (contrastive, naive)]
    for value in (whole, part, whole):
        ours, true = (call(anchor.detach(), positive.detach(), label, **{option: value}) for call in of)
        torch.testing.assert_close(ours, true.float(), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("form", ["triton large", "triton large once"], indirect=True)
def test_pairs_and_identities_get_launches_of_their_own(form):
    given = inputs("infonce", 20, 16, dtype=torch.bfloat16)
    for case in ("infonce", "infonce-identity", "infonce"):
        ours, true = (call(*given).detach() for call in (loss(case, backend="triton"), loss(case, naive)))
        torch.testing.assert_close(ours, true.float(), rtol=2e-2, atol=2e-2)


class Nothing:
    """A kernel whose launch does nothing; the interpreter holds on to its arguments, a GPU does not."""

    arg_names = ()

    def __getitem__(self, grid):
        return lambda *_, **__: None


@pytest.mark.parametrize(("dtype", "columns"), [(torch.bfloat16, 512), (torch.float32, 1024)])
def test_backward_pass_holds_one_gradient_a_sum_and_a_block(dtype, columns, monkeypatch):
    rows, width, height = 1024, 64, 256
    side, label = torch.zeros(rows, width, dtype=dtype), torch.arange(rows)
    sizes = triton_blocks.Sizes(rows=height, bytes=2 * height * columns, whole=0)
    monkeypatch.setattr(triton_blocks, "STRIP_BYTES", 4 * height * columns)
    for kernel in ("prepare_kernel", "weigh_kernel"):
        monkeypatch.setattr(triton_blocks, kernel, Nothing())
    # A CPU has no product of half-precision matrices that gives float32.
    monkeypatch.setattr(triton_blocks, "_multiply", lambda *_, **__: None)
    grad, saved, identity = torch.ones(rows), torch.zeros(2, 4, rows), torch.zeros(rows)
    # On a processor that multiplies bfloat16 itself, oneDNN copies an operand first.
    with torch.backends.mkldnn.flags(enabled=False):
        peak = kernel_cases.peak_bytes(
            lambda: triton.gradient(grad, side, side, label, None, saved, identity, Form("divergence"), sizes=sizes)
        )
    block, of_gradient, of_sum = height * columns * dtype.itemsize, rows * width * dtype.itemsize, 4 * rows * width
    of_rows, prepared = 4 * height * width if columns < rows else 0, 4 * 2 * 5 * rows
    assert peak == pytest.approx(of_gradient + of_sum + block + of_rows + prepared, rel=0.01)


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("rows", [1, 127, 129, 4097, 12289])
def test_blocks_cover_every_similarity_once(rows, half):
    seen, corner, alike = 0, (0, 0), {}
    for block in triton_blocks.blocks(rows, half):
        # What Triton compiles for: one launch is repeated for all blocks of a shape.
        assert alike.setdefault(block.shape, [(x % 16, x == 1) for x in block]) == [(x % 16, x == 1) for x in block]
        assert (block.begin, block.start) == corner
        assert 0 < block.end - block.begin <= rows
        assert block.end <= rows
        assert block.last <= rows
        seen += block.shape[0] * block.shape[1]
        corner = (block.begin, block.last) if block.last < rows else (block.end, 0)
    assert (seen, corner) == (rows * rows, (rows, 0))


class Cuda:
    """As much of a CUDA tensor as the choice looks at."""

    is_cuda, device = True, torch.device("cuda", 0)

    def __init__(self, rows, dtype=torch.float32):
        self.rows, self.dtype = rows, dtype

    def __len__(self):
        return self.rows


def test_few_pairs_in_float32_on_cuda_take_the_definition(monkeypatch):
    monkeypatch.setattr(functions, "which", lambda *_: "triton")
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    few = functions.FEW_ON_CUDA

    def plain(rows, dtype=torch.float32, backend=None, most=few):
        return functions._definition(Cuda(rows, dtype), "entropy", backend, most)

    assert plain(few)
    assert not plain(few + 1)
    assert not plain(few, torch.bfloat16)
    assert not plain(few, backend="triton")
    assert not plain(few, most=0)
    monkeypatch.setenv(dispatch.VARIABLE, "triton")
    assert not plain(few)


def test_eager_and_captured_calls_agree(monkeypatch):
    given = inputs("infonce", 9, 6)
    call = loss("infonce", backend="torch")
    eager = value_and_gradients(call, given)
    assert type(call(*given).grad_fn).__name__ == "ContrastBackward"
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert all(map(torch.equal, eager, value_and_gradients(call, given)))
    assert "Contrast" not in type(call(*given).grad_fn).__name__


def test_a_second_derivative_is_refused():
    given = inputs("infonce", 9, 6)
    value = loss("infonce", backend="torch")(*given)
    (first,) = torch.autograd.grad(value.square().sum(), given[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives alone"):
        first.sum().backward()
