import pytest
import torch
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

from tbpsbench import registry, testing
from tbpsbench.disentanglers.bdam import BDAM, CrossAttention
from tbpsbench.errors import RegistryError
from tbpsbench.types import Features

SWITCHES = [{}, {"cross_attention": False}, {"gate": False}, {"cross_attention": False, "gate": False}, {"depth": 0}]


def patches(batch=3, length=5, width=8, dtype=torch.float64):
    x = torch.randn(batch, length, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x.to(dtype).requires_grad_()


def bdam(width=8, **options):
    torch.manual_seed(0)
    return BDAM({"image.patches": width}, **{"depth": 1, "heads": 2, "mlp_ratio": 2.0, **options}).double()


def attend(module, x, other):
    """Multi-head attention written out, from the parameters of nn.MultiheadAttention."""
    (wq, wk, wv), (bq, bk, bv) = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    heads = module.num_heads

    def split(y):
        return y.view(*y.shape[:2], heads, -1).transpose(1, 2)

    q, k, v = split(linear(x, wq, bq)), split(linear(other, wk, bk)), split(linear(other, wv, bv))
    weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
    torch.testing.assert_close(weights @ v, scaled_dot_product_attention(q, k, v))
    return module.out_proj((weights @ v).transpose(1, 2).flatten(2))


def by_the_formula(part, x):
    """Section 3.2, step by step."""

    def stream(module, y):
        y = module[0](y)
        for layer in module[1].layers:
            z = layer.norm1(y)
            y = y + attend(layer.self_attn, z, z)
            z = layer.norm2(y)
            y = y + layer.linear2(torch.nn.functional.gelu(layer.linear1(z)))
        return module[1].norm(y)

    def ask(module, y, other):
        norm = module.norm
        return layer_norm(y + attend(module.attention, y, other), (y.shape[-1],), norm.weight, norm.bias)

    identity, clothing = stream(part.identity_stream, x), stream(part.clothing_stream, x)
    if part.identity_asks is not None:
        identity, clothing = ask(part.identity_asks, identity, clothing), ask(part.clothing_asks, clothing, identity)
    identity_mean, clothing_mean = identity.sum(1) / x.shape[1], clothing.sum(1) / x.shape[1]
    if part.gate is None:
        return identity_mean, clothing_mean, clothing_mean, None
    joined = torch.cat([identity_mean, clothing_mean], 1)
    gate = 1 / (1 + torch.exp(-(joined @ part.gate.weight.T + part.gate.bias)))
    return gate * identity_mean, (1 - gate) * clothing_mean, clothing_mean, gate


@pytest.mark.parametrize("switches", SWITCHES)
@pytest.mark.parametrize("training", [True, False])
def test_equals_the_paper_step_by_step(switches, training):
    part, x = bdam(dropout=0.0, **switches).train(training), patches()
    made = part(Features({"image.patches": x}))
    identity, clothing, ungated, gate = by_the_formula(part, x)
    torch.testing.assert_close(made["identity"], identity)
    torch.testing.assert_close(made["clothing"], clothing)
    torch.testing.assert_close(made["clothing_ungated"], ungated)
    assert ("gate" in made) == (gate is not None) == (switches.get("gate", True))
    if gate is not None:
        torch.testing.assert_close(made["gate"], gate)


@pytest.mark.parametrize("switches", SWITCHES)
def test_contract(switches):
    testing.check_disentangler({"type": "BDAM", "depth": 1, **switches})


@pytest.mark.parametrize("switches", [{}, {"cross_attention": False, "gate": False}])
def test_gradcheck(switches):
    part = bdam(4, dropout=0.0, **switches)
    parameters = dict(part.named_parameters())

    def run(x, *values):
        features = (Features({"image.patches": x}),)
        made = torch.func.functional_call(part, dict(zip(parameters, values, strict=True)), features)
        return tuple(made.values())

    assert torch.autograd.gradcheck(run, (patches(1, 3, 4), *parameters.values()), fast_mode=True)


def test_identity_is_the_mean_of_its_gated_tokens():
    made = bdam()(Features({"image.patches": patches()}))
    torch.testing.assert_close(made["identity"], made["identity.tokens"].mean(1))


def test_gate_shares_every_dimension_out():
    made = bdam()(Features({"image.patches": patches()}))
    torch.testing.assert_close(made["clothing"], (1 - made["gate"]) * made["clothing_ungated"])
    assert ((made["gate"] > 0) & (made["gate"] < 1)).all()


def test_streams_meet_in_the_cross_attention_alone():
    x = patches()
    for cross_attention in (True, False):
        part = bdam(dropout=0.0, cross_attention=cross_attention)
        part(Features({"image.patches": x}))["clothing_ungated"].sum().backward()
        met = any(p.grad is not None for p in part.identity_stream.parameters())
        assert met is cross_attention


def test_each_stream_asks_what_the_other_was_before_the_exchange():
    part, x = bdam(dropout=0.0), patches()
    asked = []
    for module in (part.identity_asks, part.clothing_asks):
        module.register_forward_hook(lambda _m, given, _out: asked.append(given))
    part(Features({"image.patches": x}))
    (identity, clothing), (clothing_again, identity_again) = asked
    assert identity is identity_again
    assert clothing is clothing_again


def test_depth_is_the_number_of_layers_of_each_stream():
    shallow, deep = bdam(depth=3), bdam(depth=6)
    assert [len(p.identity_stream[1].layers) for p in (shallow, deep)] == [3, 6]
    assert [len(p.clothing_stream[1].layers) for p in (shallow, deep)] == [3, 6]


def test_layers_and_streams_do_not_start_with_equal_weights():
    part = bdam(depth=2)
    one, two = (layer.linear1.weight for layer in part.identity_stream[1].layers)
    other = part.clothing_stream[1].layers[0].linear1.weight
    assert not torch.equal(one, two)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 3}, r"heads \(3\) must divide the width of image.patches \(8\)"),
        ({"heads": 0}, "heads must be positive, got 0"),
        ({"depth": -1}, "depth must be 0 or more, got -1"),
        ({"mlp_ratio": 0.0}, "mlp_ratio must be positive, got 0"),
        ({"dropout": float("nan")}, "dropout must be a share between 0 and 1, got nan"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(RegistryError, match=message):
        registry.DISENTANGLERS.build({"type": "BDAM", **wrong}, "model.disentangler", {"dims": {"image.patches": 8}})


def test_evaluation_is_without_dropout_and_training_with():
    part, x = CrossAttention(8, 2, 0.5).double(), patches()
    assert not torch.equal(part(x, x), part(x, x))
    part.eval()
    assert torch.equal(part(x, x), part(x, x))
