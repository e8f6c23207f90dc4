"""What is common to all fusers, and each against its formula."""

import pytest
import torch
from torch.nn.functional import gelu, layer_norm

from tbpsbench import registry, testing
from tbpsbench.errors import RegistryError
from tbpsbench.fusers.mamba import MambaFuser
from tbpsbench.fusers.simple import SimpleFuser
from tbpsbench.fusers.transformer import TransformerFuser
from tbpsbench.types import Features

SMALL = {
    SimpleFuser: {"dim": 4, "out_dim": 3},
    TransformerFuser: {"dim": 4, "out_dim": 3, "depth": 2, "heads": 2, "mlp_ratio": 2.0},
    MambaFuser: {"dim": 4, "out_dim": 3, "depth": 2, "d_state": 3, "d_conv": 2},
}
SWITCHES = [{}, {"alignment": False}, {"gate": False}, {"text": None}, {"image": "image.pooled"}]
CASES = [(cls, {**SMALL[cls], **switches}) for cls in SMALL for switches in SWITCHES]
CASES += [(cls, {**SMALL[cls], "sequence": "tokens", **s}) for cls in (TransformerFuser, MambaFuser) for s in SWITCHES]


def build(cls, **options):
    torch.manual_seed(0)
    return cls(testing.toy_dims(), **{"dropout": 0.0, "text_dropout": 0.0, **options}).double()


def toy(seed=0):
    return testing.toy_features(testing.toy_batch(), seed=seed, dtype=torch.float64)


def without_text(features):
    return Features({name: value for name, value in features.tensors.items() if not name.startswith("text.")})


def aligned(module, x):
    if isinstance(module, torch.nn.Linear):
        return x @ module.weight.T + module.bias
    first, _, _, second, norm = module
    hidden = gelu(x @ first.weight.T + first.bias)
    return layer_norm(hidden @ second.weight.T + second.bias, norm.normalized_shape, norm.weight, norm.bias)


def joined(pair, features, with_text=True):
    """Section 3.4 up to the mixer, row by row: a list of (S, dim), one per image."""
    rows = []
    for b in range(len(features["image.pooled"])):
        image = aligned(pair.align_image, features[pair.image][b].view(-1, 16))
        text = pair.null[None]
        if with_text and pair.text is not None:
            given = features[pair.text][b].view(-1, 16)
            given = given if pair.pooled else given[features["text.identity.mask"][b]]
            text = aligned(pair.align_text, given)
        both = torch.cat([image.mean(0), text.mean(0)])
        weight = both.new_tensor([0.5, 0.5])
        if pair.gate is not None:
            logits = pair.gate.weight @ both + pair.gate.bias
            weight = logits.exp() / logits.exp().sum()
        rows.append(
            weight[0] * image + weight[1] * text if pair.pooled else torch.cat([weight[0] * image, weight[1] * text])
        )
    return rows


def by_the_formula(fuser, features, with_text=True):
    made = []
    for row in joined(fuser.pair, features, with_text):
        if isinstance(fuser, SimpleFuser):
            first, _, _, second = fuser.mlp
            made.append(second(gelu(first(row[0]))))
        elif isinstance(fuser, MambaFuser):
            x = row[None]
            for layer in fuser.layers:
                x = layer(x) + x
            made.append(fuser.project(x[0, -1]))
        else:
            x = row[None] if fuser.readout is None else torch.cat([fuser.readout[None], row])[None]
            for layer in fuser.layers.layers:
                y = layer.norm1(x)
                x = x + layer.self_attn(y, y, y, need_weights=False)[0]
                x = x + layer.linear2(gelu(layer.linear1(layer.norm2(x))))
            made.append(fuser.project(fuser.layers.norm(x[0, 0])))
    return torch.stack(made)


@pytest.mark.parametrize(("cls", "options"), CASES)
@pytest.mark.parametrize("with_text", [True, False])
def test_equals_its_formula(cls, options, with_text):
    fuser, features = build(cls, **options), toy()
    given = features if with_text else without_text(features)
    expected = by_the_formula(fuser, features, with_text)
    for training in (True, False):
        torch.testing.assert_close(fuser.train(training)(given), expected)


@pytest.mark.parametrize(("cls", "options"), CASES)
def test_contract(cls, options):
    testing.check_fuser({"type": cls.__name__, **options})


@pytest.mark.parametrize("with_text", [True, False])
@pytest.mark.parametrize(("cls", "options"), [case for case in CASES if len(case[1]) in (2, 3, 5, 6)])
def test_gradcheck(cls, options, with_text):
    fuser, features = build(cls, **options), toy()
    features = features if with_text else without_text(features)
    parameters = dict(fuser.named_parameters())
    read = [name for name in (fuser.pair.image, fuser.pair.text) if name in features]

    def run(*values):
        given = Features(features.tensors | {n: v[:2] for n, v in zip(read, values, strict=False)})
        if "text.identity.mask" in given:
            given["text.identity.mask"] = given["text.identity.mask"][:2]
        return torch.func.functional_call(fuser, dict(zip(parameters, values[len(read) :], strict=True)), (given,))

    values = (*(features[name].detach()[:2].requires_grad_() for name in read), *parameters.values())
    assert torch.autograd.gradcheck(run, values, fast_mode=True)


@pytest.mark.parametrize(("cls", "options"), [case for case in CASES if case[1].get("text", "") is not None])
def test_dropped_text_is_a_text_that_never_was(cls, options):
    fuser, features = build(cls, **{**options, "text_dropout": 1.0}), toy()
    dropped = fuser.train()(features)
    torch.testing.assert_close(dropped, fuser.eval()(without_text(features)))
    assert not torch.allclose(dropped, fuser(features))


def test_texts_are_dropped_row_by_row_in_training_alone():
    fuser, features = build(MambaFuser, **SMALL[MambaFuser], text_dropout=0.3), toy()
    with_text, without = fuser.eval()(features), fuser(without_text(features))
    assert torch.equal(fuser(features), with_text)
    fuser.train()
    kept = torch.cat([torch.isclose(fuser(features), with_text).all(1) for _ in range(200)])
    assert 0.64 < kept.double().mean() < 0.76
    row = fuser(features)
    assert (torch.isclose(row, with_text).all(1) | torch.isclose(row, without).all(1)).all()


@pytest.mark.parametrize("cls", SMALL)
def test_null_vector_has_a_gradient_even_where_no_text_is_missing(cls):
    fuser = build(cls, **SMALL[cls]).train()
    fuser(toy()).sum().backward()
    assert all(parameter.grad is not None for parameter in fuser.parameters())


@pytest.mark.parametrize("cls", [TransformerFuser, MambaFuser])
def test_padding_of_the_text_changes_nothing(cls):
    fuser, features = build(cls, **SMALL[cls], sequence="tokens").eval(), toy()
    before = fuser(features)
    tokens, mask = features["text.identity.tokens"], features["text.identity.mask"]
    features["text.identity.tokens"] = torch.where(mask[..., None], tokens, 9.0)
    torch.testing.assert_close(fuser(features), before)


@pytest.mark.parametrize("cls", [TransformerFuser, MambaFuser])
def test_empty_text_leaves_its_row_to_the_image_and_the_others_alone(cls):
    fuser, features = build(cls, **SMALL[cls], sequence="tokens").eval(), toy()
    before = fuser(features)
    mask = features["text.identity.mask"].clone()
    mask[1] = False
    features["text.identity.mask"] = mask
    fused = fuser(features)
    assert fused.isfinite().all()
    torch.testing.assert_close(fused[[0, 2, 3, 4, 5]], before[[0, 2, 3, 4, 5]])
    fused.sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in fuser.parameters())


def test_clothing_never_enters():
    for cls, options in CASES:
        fuser, features = build(cls, **options), toy()
        fuser(features).sum().backward()
        for name in ("clothing", "clothing_ungated", "text.clothing.pooled", "text.query.pooled"):
            assert features[name].grad is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "MambaFuser", "text_dropout": 1.5}, "share between 0 and 1, got 1.5"),
        ({"type": "SimpleFuser", "dropout": float("nan")}, "dropout must be a share between 0 and 1, got nan"),
        ({"type": "SimpleFuser", "dim": 0}, "dim must be positive, got 0"),
        ({"type": "SimpleFuser", "out_dim": 0}, "out_dim must be positive, got 0"),
        ({"type": "MambaFuser", "out_dim": 0}, "out_dim must be positive, got 0"),
        ({"type": "MambaFuser", "depth": 0}, "depth must be positive, got 0"),
        ({"type": "MambaFuser", "depth": -1}, "depth must be positive, got -1"),
        ({"type": "TransformerFuser", "out_dim": 0}, "out_dim must be positive, got 0"),
        ({"type": "TransformerFuser", "depth": -1}, "depth must be positive, got -1"),
        ({"type": "TransformerFuser", "mlp_ratio": float("nan")}, "mlp_ratio must be positive and finite, got nan"),
        ({"type": "TransformerFuser", "heads": 0}, "heads must be positive, got 0"),
        ({"type": "TransformerFuser", "heads": 7}, r"heads \(7\) must divide dim \(256\)"),
        ({"type": "SimpleFuser", "image": "identty"}, "image is 'identty', which nothing.*Did you mean 'identity'"),
        ({"type": "MambaFuser", "sequence": "tokens", "text": "nope"}, "text is 'nope', which nothing provides; there"),
        ({"type": "MambaFuser", "sequence": "tokens", "image": "clothing"}, "reads 'clothing.tokens', which nothing"),
        ({"type": "SimpleFuser", "sequence": "tokens"}, "SimpleFuser has no argument 'sequence'"),
        ({"type": "MambaFuser", "sequence": "token"}, "expected 'pooled' or 'tokens'"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    with pytest.raises(RegistryError, match=message):
        registry.FUSERS.build(options, "model.fuser", {"dims": testing.toy_dims()})
