"""Values and gradients of every form against the definitions in float64."""

import pytest
import torch
from contrastive_cases import CASES, definition, inputs, loss
from kernel_cases import assert_close_to_oracle, in_float64, relative_error, value_and_gradients

FORMS = ("torch", "triton small", "triton large")
LARGE = ("triton large", "triton large pointers", "triton large once")
each_form = pytest.mark.parametrize("form", FORMS, indirect=True)
each_loss = pytest.mark.parametrize("case", CASES)
NAMES = ("losses", "anchors", "positives", "scale")


def compare(case, form, rows, width, dtype=torch.float32, **options):
    """The form is about as close to the definition in float64 as the definition in its own precision."""
    given = inputs(case, rows, width, dtype=dtype, **options)
    upstream = torch.randn(rows, generator=torch.Generator().manual_seed(3))
    oracle = value_and_gradients(definition(case), in_float64(given), upstream)
    plain = value_and_gradients(definition(case), given, upstream)
    found = value_and_gradients(loss(case, backend=form), given, upstream)
    assert [x.dtype for x in found[1:]] == [x.dtype for x in given if x.is_floating_point()]
    assert_close_to_oracle(found, plain, oracle, dtype, NAMES)


@each_form
@each_loss
@pytest.mark.parametrize(("rows", "kind"), [(21, "uneven"), (3, "one")])
def test_value_and_gradients(case, form, rows, kind):
    compare(case, form, rows, 19, kind=kind)


@each_form
@each_loss
def test_one_pair(case, form):
    given = inputs(case, 1, 5)
    oracle = value_and_gradients(definition(case), in_float64(given))
    for found, true in zip(value_and_gradients(loss(case, backend=form), given), oracle, strict=True):
        torch.testing.assert_close(found.double(), true, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("form", [*FORMS[1:], "triton large pointers", "triton large once"], indirect=True)
@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        ("infonce", torch.bfloat16), ("infonce", torch.float16), ("infonce-identity", torch.bfloat16),
        ("ritc", torch.float16), ("tal", torch.bfloat16), ("trl", torch.float16),
    ],
)  # fmt: skip
def test_half_precision_is_summed_in_float32(case, form, dtype):
    compare(case, form, 21, 24, dtype, kind="uneven")


@pytest.mark.parametrize("form", LARGE, indirect=True)
@pytest.mark.parametrize(
    ("case", "dtype", "width"),
    [("sdm", torch.bfloat16, 24), ("infonce", torch.float16, 16), ("cmpm", torch.bfloat16, 23)],
)
def test_gradients_of_many_blocks(case, form, dtype, width):
    compare(case, form, 69, width, dtype, kind="uneven")


@pytest.mark.parametrize("form", ["triton large once"], indirect=True)
@pytest.mark.parametrize(
    ("case", "dtype"),
    [("tal", torch.bfloat16), ("trl", torch.float16), ("nitc", torch.bfloat16), ("cmpm", torch.bfloat16)],
)
def test_columns_of_several_bands(case, form, dtype):
    compare(case, form, 53, 16, dtype, kind="uneven")


@pytest.mark.parametrize("form", ["triton large"], indirect=True)
@pytest.mark.parametrize("learning", [0, 1])
def test_one_side_of_many_blocks_gets_its_gradient(form, learning):
    given = inputs("sdm", 69, 16, dtype=torch.bfloat16)
    both = value_and_gradients(loss("sdm", backend=form), given)[1 + learning]
    given[1 - learning].requires_grad_(False)
    (alone,) = value_and_gradients(loss("sdm", backend=form), given)[1:]
    assert torch.equal(alone, both)


@pytest.mark.parametrize("form", FORMS[1:], indirect=True)
def test_gradients_of_a_mean_do_not_vanish_in_float16(form):
    given = inputs("sdm", 18, 16, dtype=torch.float16)
    tiny = torch.full((18,), 1e-7)
    found = value_and_gradients(loss("sdm", backend=form), given, tiny)[1]
    oracle = value_and_gradients(definition("sdm"), in_float64(given), tiny)[1]
    # What float16 can hold of it: its spacing near zero is 6e-8.
    assert (found.double() - oracle).abs().max() <= 6e-8


@pytest.mark.parametrize("form", LARGE, indirect=True)
def test_pairs_whose_labels_are_not_compared(form):
    given = inputs("infonce", 37, 24, dtype=torch.bfloat16, scale=1000.0)
    oracle = value_and_gradients(definition("infonce"), in_float64(given))
    found = value_and_gradients(loss("infonce", backend=form), given)
    assert relative_error(found[0], oracle[0]) <= 1e-5
    assert relative_error(found[3], oracle[3]) <= 1e-5


@each_form
@pytest.mark.parametrize(("case", "layout"), [("infonce", "permuted"), ("cmpm", "sliced"), ("tal", "expanded")])
def test_any_layout(case, form, layout):
    compare(case, form, 18, 12, layout=layout)


@each_form
@each_loss
def test_a_temperature_of_a_thousandth_overflows_nothing(case, form):
    given = inputs(case, 9, 11, kind="uneven", scale=1000.0)
    oracle = value_and_gradients(definition(case, 1000.0), in_float64(given))
    found = value_and_gradients(loss(case, scale=1000.0, backend=form), given)
    assert relative_error(found[0], oracle[0]) <= 1e-5
    # A similarity that is computed again may differ by a rounding, 1e-7, of which the logits make a thousand times as
    # much; a gradient that does not vanish has the size of the scale.
    for ours, true in zip(found[1:3], oracle[1:3], strict=True):
        assert torch.isfinite(ours).all()
        assert (ours - true).norm() <= 3e-4 * max(1000.0, true.norm())
    assert all(torch.isfinite(x).all() for x in found)


@each_form
@pytest.mark.parametrize("case", ["infonce", "infonce-identity", "nitc"])
def test_a_temperature_of_a_millionth_loses_no_digits(case, form):
    # Logits of chunks differ by more than the exponent of any number reaches.
    given = inputs(case, 21, 11, kind="uneven", scale=1e6)
    oracle = value_and_gradients(definition(case, 1e6), in_float64(given))
    found = value_and_gradients(loss(case, scale=1e6, backend=form), given)
    assert relative_error(found[0], oracle[0]) <= 1e-6
    assert relative_error(found[3], oracle[3]) <= 1e-6


@each_form
@each_loss
def test_an_empty_batch_has_no_losses_and_no_gradients(case, form):
    given = inputs(case, 0, 6)
    value = loss(case, backend=form)(*given)
    gradients = torch.autograd.grad(value.sum(), given[:2])
    assert value.shape == (0,)
    assert [x.shape for x in gradients] == [(0, 6), (0, 6)]


@each_form
@pytest.mark.parametrize(("case", "learning"), [("ritc", 0), ("trl", 1)])
def test_one_side_alone_gets_its_gradient(case, form, learning):
    given = inputs(case, 18, 12)
    both = value_and_gradients(loss(case, backend=form), given)[1 + learning]
    given[1 - learning].requires_grad_(False)
    if CASES[case].scaled:
        given[3].requires_grad_(False)
    (alone,) = value_and_gradients(loss(case, backend=form), given)[1:]
    assert torch.equal(alone, both)


@each_form
@pytest.mark.parametrize("case", ["cmpm", "trl"])
def test_every_run_gives_the_same_bits(case, form):
    given = inputs(case, 18, 12, kind="uneven")
    first, second = (value_and_gradients(loss(case, backend=form), given) for _ in range(2))
    assert all(map(torch.equal, first, second))
