"""The contract of heads can fail: it is shown heads that break a promise."""

import pytest
import torch
from torch.nn.functional import normalize

from tbpsbench import testing
from tbpsbench.heads.base import Head
from tbpsbench.registry import HEADS
from tbpsbench.types import Embedding
from tbpsbench.vectors import Vectors

WIDTH, ALONE = testing.WIDTH, "depends on the other rows of its batch, expected the same for the row by itself"


SIDES = ("image.pooled", "text.query.pooled")


class Plain(Head):
    """The pooled vectors: keeps every promise."""

    dim = WIDTH

    def forward(self, features, batch):
        return Embedding(features.tensors.get("image.pooled"), features.tensors.get("text.query.pooled"))


def broken_head(change=lambda embedding, features: embedding, **attributes):
    class Bad(Plain):
        def forward(self, features, batch):
            return change(super().forward(features, batch), features)

    for name, value in attributes.items():
        setattr(Bad, name, value)
    return Bad


def each(embedding, change):
    """A change of the sides that are there."""
    sides = (None if side is None else change(side) for side in (embedding.image, embedding.text))
    return Embedding(*sides)


def nearest_mean(x):
    """Each row moves to the mean of itself and its nearest neighbour in the batch: it scores better, and cheats."""
    near = normalize(x, dim=-1) @ normalize(x, dim=-1).T - 2 * torch.eye(len(x))
    return (x + x[near.argmax(1)]) / 2


def image_mean(e, f):
    return Embedding(None if e.image is None else e.image + f["text.query.pooled"], e.text) if e.text is not None else e


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, f: each(e, nearest_mean), rf"the image side of row 0 {ALONE}"),
        (lambda e, f: each(e, lambda x: x.cumsum(0)), rf"the image side of row 1 {ALONE}"),
        (lambda e, f: each(e, lambda x: x[:, :3]), r"the image side has shape \(6, 3\), expected B and head.dim"),
        (lambda e, f: each(e, lambda x: x[0]), r"has shape \(16,\), expected \(B, D\) or \(B, T, D\)"),
        (lambda e, f: e.image, "returned Tensor, expected Embedding"),
        (lambda e, f: Embedding(None, e.text), "the image side is None in a batch with both, expected"),
        (image_mean, "the image side depends on the query, expected it to see the image alone"),
        (
            lambda e, f: Embedding(torch.ones(6, WIDTH) if e.image is None else e.image, e.text),
            "without an image the im",
        ),
        (lambda e, f: e if e.image is not None else Embedding(None, None), "without an image the text side is None"),
        (
            lambda e, f: Embedding(e.image, torch.ones(6, WIDTH) if e.text is None else e.text),
            "without a query the text",
        ),
        (lambda e, f: e if e.text is not None else Embedding(None, None), "without a query the image side is None"),
    ],
)
def test_broken_head_is_caught(register, change, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_head(register(HEADS, broken_head(change), requires=SIDES))


def centred(self, embedding, side):
    values = Head.compared(self, embedding, side).values
    return Vectors(values - values.mean(0))


def hubs(self, text, image):
    """Cosines less those of each image with all texts."""
    score = text.values @ image.values.T
    return score - score.mean(0)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"compared": centred}, rf"what is compared of the text side of row 0 {ALONE}"),
        ({"weight": 0.0}, r"the weight is 0\.0, expected above 0"),
        ({"score": hubs, "cosine": False}, "depends on the others that are scored with them, expected the same alone"),
        ({"score": lambda self, t, i: 2 * t.values @ i.values.T}, "cosine is True and .* expected cosine = False"),
        ({"score": lambda self, t, i: t.values.sum(1), "cosine": False}, r"shape \(6,\), expected \(Q, G\)"),
        ({"score": lambda self, t, i: t.values @ i.values.T / 0, "cosine": False}, "not finite, expected numbers"),
        (
            {"first_stage": lambda self, v, side: v.values[0]},
            r"first_stage gave \(16,\) for 6 rows, expected one vector",
        ),
    ],
)
def test_head_that_scores_wrongly_is_caught(register, attributes, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_head(register(HEADS, broken_head(**attributes), requires=SIDES))


def test_head_that_needs_both_sides_is_caught(register):
    class Bad(Plain):
        def forward(self, features, batch):
            return Embedding(features["image.pooled"], features["text.query.pooled"])

    with pytest.raises(AssertionError, match=r"Toy reads 'image\.pooled' where it is not there, expected each side"):
        testing.check_head(register(HEADS, Bad, requires=SIDES))


def clothed(e, f):
    return e if e.image is None else Embedding(e.image + f["clothing"], e.text)


def test_head_that_does_not_say_what_it_requires_is_caught(register):
    with pytest.raises(
        AssertionError, match=r"reads the feature 'clothing' and does not require it, expected `requires"
    ):
        testing.check_head(register(HEADS, broken_head(clothed), requires=SIDES))
    testing.check_head(register(HEADS, broken_head(clothed), requires=(*SIDES, "clothing")))


def boom(self, features, batch):
    if self.training:
        raise RuntimeError("in training")
    return Plain.forward(self, features, batch)


def test_head_that_cannot_be_trained_is_caught(register):
    config = register(HEADS, broken_head(lambda e, f: each(e, torch.Tensor.detach)), requires=SIDES)
    with pytest.raises(AssertionError, match="neither side has a gradient in training, expected one"):
        testing.check_head(config)
    HEADS.remove("Toy")
    with pytest.raises(RuntimeError, match="in training"):
        testing.check_head(register(HEADS, broken_head(forward=boom), requires=SIDES))


@pytest.mark.parametrize("image", ["hair", "hair.vector", "heads.part.image"])
def test_head_on_features_of_others_passes(register, image):
    """As another plug-in's disentangler makes them, or another head."""

    class Hair(Plain):
        def __init__(self, dims):
            super().__init__()
            self.dim = dims[image]

        def forward(self, features, batch):
            found = features[image] if image in features else None  # noqa: SIM401 - not a dict
            return Embedding(found, features.tensors.get("text.query.pooled"))

    testing.check_head(register(HEADS, Hair, requires=(image, "text.query.pooled")))
