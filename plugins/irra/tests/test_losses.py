import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tbpsbench import registry, testing
from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.types import Tokens

MLM = {"type": "MLM", "vocab_size": 50, "depth": 1, "heads": 2}
ID = {"type": "IDLoss", "num_ids": 6}


def build(config, width=testing.WIDTH):
    return registry.LOSSES.build(config, "loss", {"dims": testing.toy_dims(width)})


@pytest.mark.parametrize("config", [ID, MLM, {**MLM, "attend_padding": False}], ids=["id", "mlm", "mlm-no-padding"])
def test_contract(config):
    testing.check_loss(config)


def test_id_is_the_mean_of_both_sides():
    loss, batch = build(ID), testing.toy_batch()
    features = testing.toy_features(batch)
    sides = [cross_entropy(loss.classifier(features[f"heads.global.{s}"]), batch.pid_B) for s in ("image", "text")]
    torch.testing.assert_close(loss(features, batch).value, sum(sides) / 2)


def test_id_starts_with_a_classifier_that_knows_nothing():
    loss = build({**ID, "num_ids": 500}, width=64)
    assert loss.classifier.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert not loss.classifier.bias.any()


def test_id_refuses_sides_of_two_widths():
    with pytest.raises(ValueError, match=r"image is 2 wide and heads\.global\.text 3"):
        registry.LOSSES.get("IDLoss")(dims={"heads.global.image": 2, "heads.global.text": 3}, num_ids=4)


def test_mlm_scores_every_position_like_the_masked_ones():
    """The released code scores all positions and lets the cross-entropy ignore label 0."""
    loss, batch = build(MLM).double(), testing.toy_batch()
    features = testing.toy_features(batch, dtype=torch.float64)
    scores = loss.mlm_head(loss.encoder(features["text.masked.tokens"], features["image.tokens"]))
    labels = batch.texts["masked"].labels
    whole = cross_entropy(scores.flatten(0, 1), labels.flatten(), ignore_index=0)
    out = loss(features, batch)
    torch.testing.assert_close(out.value, whole)
    right = (scores.argmax(-1) == labels)[labels != 0].double().mean()
    torch.testing.assert_close(out.stats["accuracy"], right)
    found = torch.autograd.grad(out.value, list(loss.parameters()))
    expected = torch.autograd.grad(whole, list(loss.parameters()))
    torch.testing.assert_close(found, expected)


def test_mlm_without_masked_tokens_is_zero_with_zero_gradients():
    loss, batch = build(MLM), testing.toy_batch()
    batch.texts["masked"].labels.zero_()
    out = loss(testing.toy_features(batch), batch)
    assert out.value.item() == 0.0
    out.value.backward()
    assert not any(parameter.grad.any() for parameter in loss.parameters())


def test_mlm_says_how_to_get_masked_tokens():
    batch = testing.toy_batch()
    features = testing.toy_features(batch)
    batch.texts["masked"] = Tokens(batch.texts["masked"].ids, batch.texts["masked"].mask)
    with pytest.raises(ConfigError, match=r"MLM\.text is 'text\.masked\.tokens'.*data\.masked_tokens=True"):
        build(MLM)(features, batch)
    features["text.query.tokens"] = features["text.masked.tokens"]
    with pytest.raises(ConfigError, match=r"no tokens are masked in the role 'query'"):
        build({**MLM, "text": "text.query.tokens"})(features, testing.toy_batch())


def test_mlm_without_padding_is_the_same_for_a_cut_text():
    loss, batch = build({**MLM, "attend_padding": False}), testing.toy_batch()
    assert loss.reads_padding == ()
    features, masked = testing.toy_features(batch), batch.texts["masked"]
    masked.mask[:, 6:], masked.labels[:, 6:] = False, 0
    whole = loss(features, batch).value
    for name in ("tokens", "mask"):
        features[f"text.masked.{name}"] = features[f"text.masked.{name}"][:, :6]
    torch.testing.assert_close(loss(features, batch).value, whole)


def test_mlm_with_padding_asks_for_whole_texts():
    loss, batch = build(MLM), testing.toy_batch()
    assert loss.reads_padding == ("masked",)
    features = testing.toy_features(batch)
    whole = loss(features, batch).value
    features["text.masked.tokens"] = features["text.masked.tokens"][:, :-1]
    assert loss(features, batch).value.item() != pytest.approx(whole.item(), rel=1e-6)


def test_mlm_follows_towers_into_half_precision():
    loss, batch = build(MLM), testing.toy_batch()
    features = testing.toy_features(batch)
    plain = loss(features, batch).value
    for name in ("text.masked.tokens", "image.tokens"):
        features[name] = features[name].detach().bfloat16()
    out = loss(features, batch).value
    assert out.dtype == torch.float32
    assert out.item() == pytest.approx(plain.item(), rel=0.02)


def test_mlm_initialisation_is_the_published_one():
    loss = build({"type": "MLM", "vocab_size": 2000, "depth": 2}, width=64)
    parts = {name: parameter.std().item() for name, parameter in loss.named_parameters()}
    into, back, wide = 64**-0.5, 64**-0.5 * 4**-0.5, 128**-0.5
    expected = {
        "encoder.cross_attn.in_proj_weight": into,
        "encoder.cross_attn.out_proj.weight": back,
        "encoder.cross_modal_transformer.resblocks.1.attn.in_proj_weight": into,
        "encoder.cross_modal_transformer.resblocks.1.attn.out_proj.weight": back,
        "encoder.cross_modal_transformer.resblocks.1.mlp.c_fc.weight": wide,
        "encoder.cross_modal_transformer.resblocks.1.mlp.c_proj.weight": back,
        "mlm_head.dense.weight": wide,
        "mlm_head.fc.weight": back,
    }
    for name, deviation in expected.items():
        assert parts[name] == pytest.approx(deviation, rel=0.05), name


def test_mlm_has_one_head_per_64_and_at_least_one():
    assert [build({**MLM, "heads": None}, width=width).encoder.heads for width in (16, 64, 128)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"heads": 3}, "divide the width"), ({"depth": 0}, "must be positive"), ({"vocab_size": 0}, "must be positive")],
)
def test_mlm_refuses_wrong_sizes(change, message):
    with pytest.raises(RegistryError, match=message):
        build({**MLM, **change})


def test_groups_follow_the_released_order_of_rules():
    settings = registry.PARAM_GROUPS.build({"type": "IRRAGroups"}).settings
    for name, expected in {
        "base_model.visual.proj": (1, 4),
        "base_model.ln_final.bias": (2, 0),
        "cross_attn.in_proj_weight": (5, 4),
        "cross_attn.in_proj_bias": (2, 0),
        "classifier.bias": (5, 0),
        "mlm_head.fc.weight": (5, 4),
        "ln_pre_t.weight": (1, 4),
    }.items():
        assert np.allclose(settings(name, 1.0, 4.0), expected), name
