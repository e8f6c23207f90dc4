"""What all kernels promise alike: their own precision, first derivatives alone, NaN that shows, errors for the rest."""

from functools import partial

import pytest
import torch
from kernel_cases import features

from tbpsbench.kernels import contrastive
from tbpsbench.kernels.contrastive import naive as contrastive_naive
from tbpsbench.kernels.hsic import cka, hsic, linear_by_width
from tbpsbench.kernels.max_sim import max_sim
from tbpsbench.kernels.selective_scan import naive as scan_naive
from tbpsbench.kernels.selective_scan import selective_scan
from tbpsbench.kernels.triplet import naive as triplet_naive
from tbpsbench.kernels.triplet import triplet

ROWS, WIDTH = 24, 8
LABEL = torch.arange(ROWS) // 3
CONTRASTIVE = ("info_nce", "nitc", "sdm", "cmpm", "tal", "trl")
MININGS = ("batch-hard", "batch-all", "semi-hard")


def scan(u, dt, function=selective_scan):
    A = torch.linspace(-2, -0.5, WIDTH * 3).view(WIDTH, 3).to(u.dtype)
    B = torch.linspace(-1, 1, u[..., :3].numel()).view(*u.shape[:2], 3).to(u.dtype)
    return function(u, dt, A, B, B.flip(1))


def of_pairs(function):
    return lambda x, y: function(torch.nn.functional.normalize(x), torch.nn.functional.normalize(y), LABEL)


# Name -> a function of two sets of features.
CALLS = {
    "hsic": hsic,
    "hsic by width": partial(hsic, form="width"),
    "hsic by rows": partial(hsic, form="rows"),
    "hsic unbiased": partial(hsic, estimator="unbiased", form="width"),
    "hsic rbf": partial(hsic, kernel="rbf"),
    "hsic rbf by tiles": partial(hsic, kernel="rbf", form="tiles"),
    "cka": cka,
    "of several processes": partial(linear_by_width, reduce=lambda x: x),
    "max_sim": lambda x, y: max_sim(x.view(4, 6, WIDTH), y.view(6, 4, WIDTH)),
    "scan": lambda x, y: scan(x.view(2, -1, WIDTH), y.view(2, -1, WIDTH)),
}
CALLS |= {f"triplet {mining}": lambda x, y, m=mining: triplet(x + y, LABEL, margin=9.0, mining=m) for mining in MININGS}
CALLS |= {name: of_pairs(getattr(contrastive, name)) for name in CONTRASTIVE}
CALLS |= {f"{name} in chunks": of_pairs(partial(getattr(contrastive, name), backend="torch")) for name in CONTRASTIVE}
# Whose backward pass is written out, on each back end: what runs for many rows.
WRITTEN_OUT = {
    "torch": ["hsic by width", "hsic rbf by tiles", "of several processes", "scan"]
    + [name for name in CALLS if name.endswith("in chunks")],
    "triton": ["hsic", "hsic by width", "hsic rbf", "of several processes", "scan", "triplet batch-hard", *CONTRASTIVE],
}
each_written_out = pytest.mark.parametrize(
    ("backend", "name"), [(b, name) for b, names in WRITTEN_OUT.items() for name in names], indirect=["backend"]
)


def pair(dtype=torch.float32, **options):
    return [features(ROWS, WIDTH, dtype=dtype, seed=seed, **options) for seed in (1, 2)]


def value_and_gradients(call, given):
    value = call(*given)
    return [value, *torch.autograd.grad(value.square().sum(), given)]


@pytest.mark.parametrize("name", CALLS)
def test_autocast_changes_nothing(backend, name):
    plain, given = value_and_gradients(CALLS[name], pair()), pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = CALLS[name](*given)
    cast = [value, *torch.autograd.grad(value.square().sum(), given)]
    assert all(map(torch.equal, plain, cast))


@each_written_out
def test_autocast_around_a_backward_pass_changes_nothing(backend, name):
    plain, given = value_and_gradients(CALLS[name], pair()), pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = value_and_gradients(CALLS[name], given)
    assert all(map(torch.equal, plain, cast))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", CONTRASTIVE)
def test_half_precision_is_added_up_in_float32_by_the_definition_too(monkeypatch, name, dtype):
    monkeypatch.setenv("TBPSBENCH_KERNELS", "torch")
    given = pair(dtype, unit=True)
    call, exact = getattr(contrastive, name), getattr(contrastive_naive, name)
    value = call(*given, LABEL)
    expected = exact(*(x.detach().double() for x in given), LABEL)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    assert [x.dtype for x in torch.autograd.grad(value.sum(), given)] == [dtype, dtype]
    assert call(*(x[:0] for x in given), LABEL[:0]).dtype == torch.float32


OF_TWO_TYPES = {name: CALLS[name] for name in ("hsic", "hsic by width", "hsic by rows", "hsic rbf", "cka")}
OF_TWO_TYPES |= {name: lambda x, y, name=name: getattr(contrastive, name)(x, y, LABEL) for name in CONTRASTIVE}


@pytest.mark.parametrize(
    ("backend", "types"),
    [("torch", (torch.float32, torch.float64)), ("torch", (torch.bfloat16, torch.float32)),
     ("triton", (torch.bfloat16, torch.float32))],
    indirect=["backend"],
)  # fmt: skip
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("name", OF_TWO_TYPES)
def test_of_two_types_the_wider_one_counts(backend, name, types, order):
    given = [x.detach().to(kind).requires_grad_() for x, kind in zip(pair(unit=True), types[::order], strict=True)]
    found = value_and_gradients(OF_TWO_TYPES[name], given)
    assert [x.dtype for x in found] == [torch.promote_types(*types), *types[::order]]
    wide = [x.detach().to(found[0].dtype).requires_grad_() for x in given]
    torch.testing.assert_close(found[0], OF_TWO_TYPES[name](*wide), rtol=1e-5, atol=1e-5)


@each_written_out
def test_a_gradient_penalty_is_refused_and_not_half_computed(backend, name):
    given = pair()
    # What stands around the function could be differentiated twice.
    gradients = torch.autograd.grad(CALLS[name](*(x.tanh() for x in given)).sum(), given, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives alone"):
        sum(x.square().sum() for x in gradients).backward()


@each_written_out
def test_a_graph_of_gradients_that_nobody_differentiates_changes_nothing(backend, name):
    first, second = (
        torch.autograd.grad(CALLS[name](*given).sum(), given, create_graph=graph)
        for given, graph in ((pair(), False), (pair(), True))
    )
    assert all(map(torch.equal, first, second))


def test_definitions_have_second_derivatives():
    given = [torch.randn(2, 3, WIDTH, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradgradcheck(partial(scan, function=scan_naive.selective_scan), given)


NEVER_BLIND = [name for name in CALLS if name not in ("max_sim", "scan")]


@pytest.mark.parametrize("where", [(3, 1), ()])
@pytest.mark.parametrize("name", NEVER_BLIND)
def test_what_is_not_a_number_is_seen(backend, name, where):
    given = pair()
    given[0].data[where] = float("nan")
    assert CALLS[name](*given).sum().isnan()


def test_a_lone_row_that_is_not_a_number_is_seen(backend):
    x = features(7, 5).detach()
    x[6] = float("nan")
    label = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    assert triplet(x, label).isnan()
    assert triplet_naive.batch_hard(x, label).isnan()


@pytest.mark.parametrize("label", [torch.zeros(6).long(), torch.arange(6)])
def test_a_batch_without_triplets_costs_nothing_whatever_it_holds(backend, label):
    x = torch.full((6, 4), 1e30)
    assert triplet(x, label) == triplet_naive.batch_hard(x, label) == 0


SHAPES = {"short positives": ((9, 4), (8, 4), 9), "narrow": ((9, 4), (9, 3), 9), "few labels": ((9, 4), (9, 4), 8)}


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("name", CONTRASTIVE)
@pytest.mark.parametrize("forced", [None, "torch"])
def test_pairs_that_do_not_fit_are_refused(backend, forced, name, case):
    first, second, labels = SHAPES[case]
    with pytest.raises(ValueError, match=r"anchors and positives are \(N, D\) and labels \(N,\), got"):
        getattr(contrastive, name)(torch.ones(first), torch.ones(second), torch.arange(labels), backend=forced)


@pytest.mark.parametrize(
    ("more", "what"),
    [({"D_E": torch.ones(3)}, "D is"), ({"D_E": torch.ones(1)}, "D is"), ({"z_BLE": torch.ones(2, 1, 6)}, "z is"),
     ({"z_BLE": torch.ones(2, 9, 3)}, "z is"), ({"dt_bias_E": torch.ones(1)}, "dt_bias is")],
)  # fmt: skip
def test_a_scan_of_what_does_not_fit_is_refused(backend, more, what):
    wide, narrow = torch.ones(2, 9, 6), torch.ones(2, 9, 4)
    with pytest.raises(ValueError, match=rf"{what} \(.*\), expected"):
        selective_scan(wide, wide, -torch.ones(6, 4), narrow, narrow, **more)


X = torch.ones(6, 4)
WORDS = {
    "kernel is one of linear, rbf, got 'gaussian'": lambda: hsic(X, X, kernel="gaussian"),
    "form is one of auto, width, rows, tiles, got 'row'": lambda: hsic(X, X, form="row"),
    "estimator is one of biased, unbiased, got 'unbias'": lambda: hsic(X, X, estimator="unbias"),
    "sigma is 'median' or a number above 0, got 'mean'": lambda: cka(X, X, kernel="rbf", sigma="mean"),
    "sigma is 'median' or a number above 0, got -1": lambda: hsic(X, X, sigma=-1),
    "sigma is 'median' or a number above 0, got nan": lambda: hsic(X, X, sigma=float("nan"), kernel="rbf"),
    "positives is one of instance, identity, got 'Instance'": lambda: contrastive.info_nce(
        X, X, torch.arange(6), positives="Instance"
    ),
    "direction is one of text, image, both, got 'texts'": lambda: max_sim(X[None], X[None], direction="texts"),
    "an image has no vector": lambda: max_sim(X[None], torch.ones(2, 0, 4), direction="image"),
    "features are (N, D) and labels (N,)": lambda: triplet(X, torch.arange(5)),
}


@pytest.mark.parametrize("message", WORDS)
def test_other_words_are_refused(message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        WORDS[message]()
    assert message in str(error.value)
