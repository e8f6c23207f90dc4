"""Features of further views of the pairs: their names, their values, and that search knows nothing of them."""

from dataclasses import replace

import pytest
import torch
from small_models import vit

from tbpsbench.errors import RegistryError
from tbpsbench.model import roles
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.model.views import plain, view_of
from tbpsbench.testing import toy_batch, toy_tokens

PARTS = {
    "image_encoder": vit(),
    "text_encoder": {
        "type": "BERT",
        "arch": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
        "vocab_size": 50,
        "dropout": 0.0,
    },
    "heads": {"global": {"type": "GlobalHead", "embed_dim": 8}},
}
ITC = {"type": "InfoNCE"}
SECOND = {"type": "NITC", "also": ("view.second.heads.global.image",)}
SIMCLR = {"type": "SimCLR", "first": "image.pooled", "second": "view.second.image.pooled", "hidden": 4, "out_dim": 4}
FURTHER = {"type": "InfoNCE", "anchor": "heads.global.text", "positive": "view.query_2.heads.global.text"}


def build(names=(), **losses):
    torch.manual_seed(0)
    return PersonSearchModel(**PARTS, losses=losses or {"itc": ITC}, roles=("identity", "clothing", *names))


def shown():
    """A batch with a second view, a second caption and an attribute."""
    batch = toy_batch()
    further = {**batch.texts, "query_2": toy_tokens(6, seed=9)}
    return replace(batch, texts=further, views={"second": batch.image_B3HW.flip(3)}, extras={"camera": torch.arange(6)})


@pytest.mark.parametrize(
    ("feature", "view", "rest"),
    [
        ("view.second.heads.global.image", "second", "heads.global.image"),
        ("image.pooled", None, "image.pooled"),
        ("view", None, "view"),
        ("view.second", None, "view.second"),
    ],
)
def test_names_of_features_of_views(feature, view, rest):
    assert (view_of(feature), plain(feature)) == (view, rest)


def test_views_leave_all_other_features_as_they_are():
    plain_model, model = build(itc=ITC), build(("query_2",), itc=ITC, nitc=SECOND, further=FURTHER)
    before, now = plain_model.extract(toy_batch()), model.extract(shown())
    for name in before:
        assert torch.equal(before[name], now[name]), name


def test_a_view_has_the_features_of_a_batch_that_shows_it():
    model = build(("query_2",), nitc=SECOND, further=FURTHER)
    batch = shown()
    features = model.extract(batch)
    image = model.extract(replace(toy_batch(), image_B3HW=batch.views["second"]))
    text = model.extract(replace(toy_batch(), texts={"query": batch.texts["query_2"]}))
    for name in ("image.tokens", "image.patches", "image.pooled", "identity", "heads.global.image"):
        assert torch.equal(features[f"view.second.{name}"], image[name]), name
    for name in ("text.query.pooled", "heads.global.text"):
        assert torch.equal(features[f"view.query_2.{name}"], text[name]), name
    assert "view.second.heads.global.text" not in features
    assert "view.query_2.image.pooled" not in features


def test_views_and_captions_that_nobody_reads_cost_nothing(monkeypatch):
    model, calls = build(("query_2",), itc=ITC), []
    for tower in (model.image_encoder, model.text_encoder):
        tower.register_forward_hook(lambda *_: calls.append(1))
    features = model.extract(shown())
    assert len(calls) == 1 + len({"query", "identity", "clothing"})
    assert not any(name.startswith(("view.", "text.query_2")) for name in features)


def test_a_caption_can_be_read_by_its_role_too():
    loss = {"type": "InfoNCE", "anchor": "text.query.pooled", "positive": "text.query_2.pooled"}
    assert "text.query_2.pooled" in build(("query_2",), itc=loss).extract(shown())


def test_search_knows_neither_views_nor_further_captions():
    model = build(("query_2",), nitc=SECOND, further=FURTHER).eval()
    assert model.gallery_roles == frozenset()
    torch.testing.assert_close(
        model.encode_gallery(toy_batch().image_B3HW)["global"].values,
        build(itc=ITC).eval().encode_gallery(toy_batch().image_B3HW)["global"].values,
        rtol=0, atol=0,
    )  # fmt: skip


def test_losses_on_views_train_the_encoders_through_them():
    model = build(("query_2",), simclr=SIMCLR, further=FURTHER)
    batch = shown()
    for name, tower in (("simclr", model.image_encoder), ("further", model.text_encoder)):
        model.zero_grad()
        model(batch)[name].value.backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in tower.parameters())


def test_widths_of_views_are_those_of_the_features():
    model = build(simclr={**SIMCLR, "second": "view.second.heads.global.image", "first": "heads.global.image"})
    assert model.dims["view.second.heads.global.image"] == 8
    with pytest.raises(RegistryError, match=r"image.pooled is 16 wide and view.second.heads.global.image 8"):
        build(simclr={**SIMCLR, "second": "view.second.heads.global.image"})


def test_extras_are_features():
    assert build().extract(shown())["extras.camera"].tolist() == [*range(6)]


@pytest.mark.parametrize("name", ["query", "masked", "query_2", "query_11", "a.b"])
def test_roles_that_the_data_make_cannot_be_declared(name):
    with pytest.raises(RegistryError, match="choose a name"):
        roles.declare(name, "taken")


def test_roles_of_captions():
    assert roles.caption_roles(1) == ("query",)
    assert roles.caption_roles(3) == ("query", "query_2", "query_3")
    assert [roles.of_training(role) for role in ("query", "masked", "query_2", "queryx", "query_b")] == [
        False, True, True, False, False,
    ]  # fmt: skip
