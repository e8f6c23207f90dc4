"""The contracts of encoders, disentanglers and fusers can fail: each is shown a part that breaks a promise."""

import pytest
import torch
from torch import nn

from tbpsbench import testing
from tbpsbench.backbones.base import Encoded, ImageEncoder, TextEncoder
from tbpsbench.disentanglers.base import Disentangler
from tbpsbench.fusers.base import Fuser
from tbpsbench.registry import DISENTANGLERS, FUSERS, IMAGE_ENCODERS, TEXT_ENCODERS
from tbpsbench.types import Features, Tokens

WIDTH, ALONE = testing.WIDTH, "depends on the other rows of its batch, expected the same for the row by itself"


class Pixels(ImageEncoder):
    """Rows of pixels, projected: keeps every promise."""

    dim = 8

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(3, self.dim)

    def forward(self, image_B3HW):
        tokens_BLD = self.project(image_B3HW.mean(3).transpose(1, 2))
        return Encoded(tokens_BLD, tokens_BLD.mean(1))


class Words(TextEncoder):
    """The mean of word vectors: keeps every promise."""

    dim, max_length = 8, 9

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, self.dim)

    def forward(self, tokens):
        tokens_BTD, real_BT1 = self.embed(tokens.ids), tokens.mask[..., None]
        return Encoded(tokens_BTD, (tokens_BTD * real_BT1).sum(1) / real_BT1.sum(1), mask_BL=tokens.mask)


def changed(base, change):
    """An encoder whose output is changed on the way out."""

    class Bad(base):
        def forward(self, given):
            encoded = super().forward(given)
            change(encoded)
            return encoded

    return Bad


def test_sound_encoders_pass(register):
    testing.check_encoder(register(IMAGE_ENCODERS, Pixels), "IMAGE_ENCODERS")
    testing.check_encoder(register(TEXT_ENCODERS, Words), "TEXT_ENCODERS")


def centred(encoded):
    encoded.pooled_BD = encoded.pooled_BD - encoded.pooled_BD.mean(0)


def running(encoded):
    encoded.tokens_BLD = encoded.tokens_BLD.cumsum(0)


@pytest.mark.parametrize(("change", "name"), [(centred, "the pooled vector"), (running, "the tokens")])
@pytest.mark.parametrize(("slot", "base"), [(IMAGE_ENCODERS, Pixels), (TEXT_ENCODERS, Words)])
def test_encoder_that_mixes_rows_is_caught(register, slot, base, change, name):
    """A running sum leaves the first row alone: every row is looked at."""
    with pytest.raises(AssertionError, match=rf"{name} of row \d {ALONE}"):
        testing.check_encoder(register(slot, changed(base, change)), slot.slot)


def test_encoder_with_batch_norm_passes(register):
    class Normed(Pixels):
        """In evaluation a batch norm goes by what training saw."""

        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(self.dim)

        def forward(self, image_B3HW):
            encoded = super().forward(image_B3HW)
            return Encoded(encoded.tokens_BLD, self.norm(encoded.pooled_BD))

    testing.check_encoder(register(IMAGE_ENCODERS, Normed), "IMAGE_ENCODERS")


def test_text_encoder_that_reads_padding_is_caught(register):
    def pool_all(encoded):
        encoded.pooled_BD = encoded.tokens_BLD.mean(1)

    with pytest.raises(AssertionError, match="changes with the padding, expected the same"):
        testing.check_encoder(register(TEXT_ENCODERS, changed(Words, pool_all)), "TEXT_ENCODERS")


def shifted(encoded):
    encoded.tokens_BLD = encoded.tokens_BLD + encoded.tokens_BLD.shape[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: setattr(e, "mask_BL", None), "no mask for padded texts, expected mask_BL=tokens.mask"),
        (lambda e: setattr(e, "mask_BL", ~e.mask_BL), "the mask differs from tokens.mask, expected that"),
        (lambda e: setattr(e, "mask_BL", e.mask_BL[:3, :3]), r"the mask is torch.bool \(3, 3\), expected torch.bool"),
        (
            lambda e: setattr(e, "mask_BL", e.mask_BL.float()),
            r"the mask is torch.float32 \(6, 9\), expected torch.bool",
        ),
        (lambda e: setattr(e, "prefix", 9), "prefix is 9, expected fewer than the 9 tokens"),
        (lambda e: setattr(e, "prefix", -1), "prefix is -1, expected fewer than the 9 tokens"),
        (shifted, r"the tokens of row 1 changes with the padding, expected the same for a text cut"),
    ],
)
def test_text_encoder_that_misplaces_words_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_encoder(register(TEXT_ENCODERS, changed(Words, change)), "TEXT_ENCODERS")


def test_text_encoder_that_does_not_say_how_long_texts_may_be_is_caught(register):
    config = register(TEXT_ENCODERS, type("Bad", (Words,), {"max_length": None}))
    with pytest.raises(AssertionError, match="max_length is None, expected the longest text"):
        testing.check_encoder(config, "TEXT_ENCODERS")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda e: setattr(e, "pooled_BD", e.pooled_BD[:, :3]),
            r"pooled vector has shape \(6, 3\), expected B and dim",
        ),
        (lambda e: setattr(e, "tokens_BLD", e.tokens_BLD[..., :3]), r"tokens have shape \(6, 32, 3\), expected B and"),
        (lambda e: setattr(e, "tokens_BLD", e.pooled_BD), r"tokens have shape \(6, 8\), expected \(B, L, D\)"),
        (lambda e: setattr(e, "pooled_BD", e.pooled_BD / 0), "pooled vector is not finite, expected numbers"),
    ],
)
def test_encoder_of_another_shape_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_encoder(register(IMAGE_ENCODERS, changed(Pixels, change)), "IMAGE_ENCODERS")


def test_encoder_that_returns_no_encoded_is_caught(register):
    class Bad(Pixels):
        def forward(self, image_B3HW):
            return super().forward(image_B3HW).tokens_BLD

    with pytest.raises(AssertionError, match="returned Tensor, expected Encoded"):
        testing.check_encoder(register(IMAGE_ENCODERS, Bad), "IMAGE_ENCODERS")


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (None, "provides its attention and returned none"),
        (torch.ones(6, 3, 3), "has shape .*, expected one row and col"),
    ],
)
def test_encoder_that_lacks_its_attention_is_caught(register, attention, message):
    class Bad(Pixels):
        def forward(self, image_B3HW, *, need_attention=False):
            encoded = super().forward(image_B3HW)
            encoded.attention_BLL = attention
            return encoded

    with pytest.raises(AssertionError, match=message):
        testing.check_encoder(register(IMAGE_ENCODERS, Bad, provides=("image.attention",)), "IMAGE_ENCODERS")


class Split(Disentangler):
    """The mean of the patches: keeps every promise."""

    def __init__(self, dims):
        super().__init__()
        self.dims = {"identity": dims["image.patches"]}

    def forward(self, features):
        return {"identity": features["image.patches"].mean(1)}


def broken_split(change):
    class Bad(Split):
        def forward(self, features):
            return change(super().forward(features)["identity"])

    return Bad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {"identity": x - x.mean(0)}, rf"identity of row 0 {ALONE}"),
        (lambda x: {"clothing": x}, r"made \['clothing'\], expected what it is registered to provide: \['identity'\]"),
        (lambda x: {"identity": x[:, :3]}, "identity is 3 wide, announced 16, expected the same"),
        (lambda x: {"identity": x[:2]}, "identity has 2 rows, expected one for each of the 6 pairs"),
        (lambda x: {"identity": x / 0}, "identity is not finite, expected numbers"),
    ],
)
def test_broken_disentangler_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_disentangler(register(DISENTANGLERS, broken_split(change), provides=("identity",)))


def test_disentangler_that_knows_the_query_is_caught(register):
    class Bad(Split):
        def forward(self, features):
            return {"identity": features["image.patches"].mean(1) + features["text.query.pooled"]}

    with pytest.raises(AssertionError, match="identity changes with the query, expected it to know none"):
        testing.check_disentangler(register(DISENTANGLERS, Bad, provides=("identity",)))


def test_part_whose_parameters_come_late_is_caught(register):
    class Bad(Split):
        def forward(self, features):
            self.late = nn.Linear(WIDTH, WIDTH)
            return {"identity": features["image.patches"].mean(1)}

    with pytest.raises(AssertionError, match=r"save different entries .*, expected equal ones: make parameters"):
        testing.check_disentangler(register(DISENTANGLERS, Bad, provides=("identity",)))


class Sum(Fuser):
    """Image plus text: keeps every promise."""

    out_dim = WIDTH

    def forward(self, features):
        return features["image.pooled"] + features.tensors.get("text.identity.pooled", 0)


def broken_sum(change):
    class Bad(Sum):
        def forward(self, features):
            return change(super().forward(features), features)

    return Bad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, f: x - x.mean(0) / 2, rf"the fused vector with a text of row 0 {ALONE}"),
        (lambda x, f: x[:, :3], r"with a text the fused vector has shape \(6, 3\), expected B and out_dim: \(6, 16\)"),
        (
            lambda x, f: x if "text.identity.pooled" in f else x[:1],
            r"without a text the fused vector has shape \(1, 16\)",
        ),
        (lambda x, f: x / 0, "is not finite, expected numbers"),
        (
            lambda x, f: x + f.tensors.get("text.query.pooled", 0),
            "the fused vector changes with the query, expected it to know none",
        ),
        (lambda x, f: x.detach().requires_grad_(), "no feature of the image gets a gradient, expected one"),
    ],
)
def test_broken_fuser_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_fuser(register(FUSERS, broken_sum(change), provides=("fused",)))


def test_fuser_that_mixes_rows_without_a_text_alone_is_caught(register):
    def change(x, features):
        return x if "text.identity.pooled" in features else x - x.mean(0) / 2

    with pytest.raises(AssertionError, match=f"the fused vector without a text of row 0 {ALONE}"):
        testing.check_fuser(register(FUSERS, broken_sum(change), provides=("fused",)))


def test_rows_of_anything_with_tensors_can_be_picked():
    batch = testing.toy_batch()
    features = testing.toy_features(batch)
    few, shown = testing.picked(batch, [4, 1]), testing.picked(features, slice(2, 3))
    assert few.pid_B.tolist() == [2, 0]
    assert isinstance(few.texts["masked"], Tokens)
    assert torch.equal(few.texts["masked"].labels, batch.texts["masked"].labels[[4, 1]])
    assert isinstance(shown, Features)
    assert torch.equal(shown["heads.tokens.text"], features["heads.tokens.text"][2:3])
    assert shown.heads["global"].weight == 1.0
