import copy
from dataclasses import replace

import pytest
import torch
from small_models import vit

from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.heads.global_head import GlobalHead
from tbpsbench.losses.base import Loss
from tbpsbench.model.person_search import PersonSearchModel, joint
from tbpsbench.registry import HEADS, LOSSES
from tbpsbench.testing import toy_batch, toy_tokens
from tbpsbench.types import Batch, LossOutput

SMALL = {
    "image_encoder": vit(),
    "text_encoder": {
        "type": "BERT",
        "arch": {
            "hidden_size": 24,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 12,
        },
        "vocab_size": 50,
        "dropout": 0.0,
    },
    "heads": {"global": {"type": "GlobalHead", "embed_dim": 8}},
    "losses": {"itc": {"type": "InfoNCE"}},
}


def build(**changes):
    torch.manual_seed(0)
    return PersonSearchModel(**copy.deepcopy({**SMALL, **changes}), roles=("identity", "clothing"))


def test_features_have_the_names_that_components_read():
    features = build().extract(toy_batch())
    assert {
        "image.tokens", "image.patches", "image.pooled", "text.query.tokens", "text.query.pooled", "text.query.mask",
        "text.identity.pooled", "identity", "identity.tokens", "heads.global.image", "heads.global.text",
    } <= set(features)  # fmt: skip
    assert features["image.patches"].shape[1] == features["image.tokens"].shape[1] - 1


def test_the_model_knows_which_texts_it_reads_beside_a_picture():
    assert build().gallery_roles == set()
    fuser = {"type": "SimpleFuser", "text": "text.identity.pooled", "dim": 8, "out_dim": 8}
    heads = {"global": {"type": "GlobalHead", "image": "fused", "embed_dim": 8}}
    assert build(fuser=fuser, heads=heads).gallery_roles == {"identity"}


def test_a_loss_that_returns_no_loss_output_is_named():
    @LOSSES.register("Bare", requires=("image.pooled",))
    class Bare(Loss):
        def forward(self, features, batch):
            return features["image.pooled"].mean()

    try:
        with pytest.raises(ConfigError, match=r"model\.losses\.bare: Bare returned Tensor, expected LossOutput"):
            build(losses={"bare": {"type": "Bare"}})(toy_batch())
    finally:
        LOSSES.remove("Bare")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fuser": {"type": "SimpleFuser", "text": "text.query.pooled", "dim": 8}},
            r"model\.fuser: reads 'text\.query\.pooled', of the query: in training each picture",
        ),
        (
            {"heads": {"global": {"type": "GlobalHead", "image": "text.query.pooled", "embed_dim": 8}}},
            r"model\.heads\.global: image is 'text\.query\.pooled', of the query: pictures",
        ),
        (
            {"heads": {"global": {"type": "GlobalHead", "text": "image.pooled", "embed_dim": 8}}},
            r"model\.heads\.global: text is 'image\.pooled', of the picture: queries",
        ),
    ],
)
def test_a_part_that_reads_the_other_side_is_refused_without_the_check(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(**changes)


@pytest.fixture
def one_sided():
    """A head whose arguments have names of its own."""

    @HEADS.register("OneSided", requires=("question", "answer"))
    class OneSided(GlobalHead):
        def __init__(self, dims, question: str, answer: str):
            super().__init__(dims, answer, question, embed_dim=8)

    yield lambda **names: build(heads={"own": {"type": "OneSided", **names}}, losses={})
    HEADS.remove("OneSided")


def test_a_side_that_a_head_cannot_make_alone_is_told(one_sided):
    batch = toy_batch()
    with pytest.raises(ConfigError, match=r"model\.heads\.own: OneSided embeds nothing of a picture without a query"):
        one_sided(question="text.query.pooled", answer="text.query.pooled").encode_gallery(batch.image_B3HW)
    with pytest.raises(ConfigError, match=r"model\.heads\.own: OneSided embeds nothing of a query without a picture"):
        one_sided(question="image.pooled", answer="image.pooled").encode_query(batch.texts["query"])


def test_a_loss_that_reads_what_it_does_not_require_is_named():
    @LOSSES.register("Undeclared", requires=("image.pooled",))
    class Undeclared(Loss):
        def forward(self, features, batch):
            return LossOutput.mean((features["image.pooled"] - features["clothing"]).square().sum(1))

    try:
        message = r"model\.losses\.u: Undeclared reads the feature 'clothing', which is not there; .*`requires`"
        with pytest.raises(ConfigError, match=message):
            build(losses={"u": {"type": "Undeclared"}})(toy_batch())
    finally:
        LOSSES.remove("Undeclared")


def test_missing_feature_names_what_there_is():
    with pytest.raises(KeyError, match=r"no feature 'fused'; there are: .*image\.tokens"):
        build().extract(toy_batch())["fused"]


def test_gallery_and_query_encode_alone_what_they_encode_together():
    model, batch = build().eval(), toy_batch()
    together = model.extract(batch).heads["global"]
    image = model.encode_gallery(batch.image_B3HW)["global"].values
    text = model.encode_query(batch.texts["query"])["global"].values
    torch.testing.assert_close(image, torch.nn.functional.normalize(together.image, dim=-1))
    torch.testing.assert_close(text, torch.nn.functional.normalize(together.text, dim=-1))
    torch.testing.assert_close(image.norm(dim=1), torch.ones(len(batch)))


def test_gallery_side_refuses_query_captions():
    batch = toy_batch()
    with pytest.raises(ValueError, match="must not see query captions"):
        build().encode_gallery(batch.image_B3HW, {"query": batch.texts["query"]})


def test_similarity_is_the_weighted_sum_of_the_heads_cosines():
    heads = {"a": {"type": "GlobalHead", "embed_dim": 8, "weight": 3.0}, "b": {"type": "GlobalHead", "embed_dim": 4}}
    losses = {"itc": {"type": "InfoNCE", "anchor": "heads.a.image", "positive": "heads.a.text"}}
    model, batch = build(heads=heads, losses=losses).eval(), toy_batch()
    assert model.head_weights == {"a": 0.75, "b": 0.25}
    image, text = model.encode_gallery(batch.image_B3HW), model.encode_query(batch.texts["query"])
    similarity = joint(text, model.head_weights) @ joint(image, model.head_weights).T
    torch.testing.assert_close(
        similarity, 0.75 * text["a"].values @ image["a"].values.T + 0.25 * text["b"].values @ image["b"].values.T
    )
    torch.testing.assert_close(model.score(text, image), similarity)


def test_cutting_texts_to_the_longest_changes_nothing():
    long = toy_tokens(length=9)
    long.ids[:, 6:], long.mask[:, 6:] = 0, False
    whole, cut = build(cut_texts=False).eval(), build().eval()
    torch.testing.assert_close(whole.encode_query(long)["global"].values, cut.encode_query(long)["global"].values)
    batch = toy_batch()
    batch.texts = {"query": long}
    assert cut.extract(batch)["text.query.tokens"].shape[1] == 6
    assert whole.extract(batch)["text.query.tokens"].shape[1] == 9


@pytest.fixture
def reads_masked():
    """A loss that reads the masked caption, padding included."""

    @LOSSES.register("ReadsMasked", requires=("text",))
    class ReadsMasked(Loss):
        reads_padding = ("masked",)

        def __init__(self, text: str = "text.masked.tokens"):
            super().__init__()

        def forward(self, features, batch):
            return LossOutput(features["text.masked.tokens"].mean())

    yield {"mlm": {"type": "ReadsMasked"}}
    LOSSES.remove("ReadsMasked")


def test_masked_caption_is_encoded_where_a_loss_reads_it(reads_masked):
    model, batch = build(losses=reads_masked).eval(), toy_batch()
    features = model.extract(batch)
    torch.testing.assert_close(features["text.query.pooled"], build().eval().extract(batch)["text.query.pooled"])
    masked = model.text_encoder(batch.texts["masked"])
    torch.testing.assert_close(features["text.masked.tokens"], masked.tokens_BLD)
    assert not any(name.startswith("text.masked") for name in build().extract(batch))


def test_shared_mask_is_encoded_once_under_both_names(reads_masked):
    model, batch = build(losses=reads_masked), toy_batch()
    masked = batch.texts["masked"]
    batch.texts = {"query": masked, "masked": replace(masked, copy_of="query")}
    features = model.extract(batch)
    assert features["text.masked.tokens"] is features["text.query.tokens"]


def test_attention_of_a_shared_text_is_made_where_only_its_other_role_asks_for_it():
    @LOSSES.register("ReadsAttention", requires=("attention",))
    class ReadsAttention(Loss):
        def __init__(self, attention: str = "text.masked.attention"):
            super().__init__()

        def forward(self, features, batch):
            return LossOutput(features["text.masked.attention"].mean())

    try:
        model, batch = build(losses={"it": {"type": "ReadsAttention"}}), toy_batch()
        masked = batch.texts["masked"]
        batch.texts = {"query": masked, "masked": replace(masked, copy_of="query")}
        assert "text.masked.attention" in model.extract(batch)
    finally:
        LOSSES.remove("ReadsAttention")


def test_roles_whose_padding_is_read_are_not_cut(reads_masked):
    model, batch = build(losses=reads_masked), toy_batch()
    masked = batch.texts["masked"]
    masked.mask[:, 6:] = False  # the query's, too
    features = model.extract(batch)
    assert features["text.masked.tokens"].shape[1] == 9
    assert features["text.query.tokens"].shape[1] == 6
    batch.texts = {"query": masked, "masked": replace(masked, copy_of="query")}
    assert model.extract(batch)["text.query.tokens"].shape[1] == 9


def test_parse_losses_balances_and_logs_without_adding_what_is_only_logged():
    model = build(balancer={"type": "Fixed", "weights": {"itc": 0.5}})
    losses = model(toy_batch(), mode="loss")
    total, log = model.parse_losses(losses)
    torch.testing.assert_close(total, 0.5 * losses["itc"].value)
    assert log["loss_itc"] == losses["itc"].value
    assert log["itc_scale"].item() == pytest.approx(1 / 0.07)


def test_component_errors_carry_their_place_in_the_config():
    with pytest.raises(RegistryError, match=r"model\.heads\.global: GlobalHead: image\.pooled is 16 wide and .* 24"):
        build(heads={"global": {"type": "GlobalHead"}})
    with pytest.raises(RegistryError, match=r"model\.balancer: Fixed: a weight for 'idc'.*Did you mean 'itc'"):
        build(balancer={"type": "Fixed", "weights": {"idc": 1.0}})


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode is 'loss' or 'tensor'"):
        build()(toy_batch(), mode="predict")


def test_batch_moves_whole():
    batch = toy_batch().to("meta")
    assert isinstance(batch, Batch)
    assert batch.image_B3HW.device.type == batch.texts["identity"].ids.device.type == batch.pid_B.device.type == "meta"
