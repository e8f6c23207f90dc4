"""A model of another build: what it must have, and what it may write anew."""

import numpy as np
import pytest
import torch
from torch import nn

from tbpsbench.errors import ConfigError
from tbpsbench.heads.global_head import GlobalHead
from tbpsbench.losses.infonce import InfoNCE
from tbpsbench.model.base import SearchModel, model_of
from tbpsbench.registry import MODELS
from tbpsbench.testing import toy_batch
from tbpsbench.types import Features, LossOutput
from tbpsbench.vectors import Vectors

WIDTH = 4


class Colours(SearchModel):
    """The mean colour of a picture against a mean of words."""

    def __init__(self, roles: tuple[str, ...] = (), losses: bool = True):
        super().__init__()
        self.roles = roles
        self.words = nn.Embedding(1000, WIDTH)
        self.colour = nn.Linear(3, WIDTH)
        self.heads = nn.ModuleDict()
        for name, weight in (("one", 1.0), ("two", 3.0)):
            dims = {"image.pooled": WIDTH, "text.query.pooled": WIDTH}
            self.heads[name] = GlobalHead(dims, embed_dim=WIDTH, weight=weight)
        if losses:
            names = ("heads.one.image", "heads.one.text"), ("heads.two.image", "heads.two.text")
            self.losses = nn.ModuleDict({f"itc{n}": InfoNCE(*pair) for n, pair in enumerate(names)})

    def extract(self, batch):
        features = Features()
        if batch.image_B3HW is not None:
            features["image.pooled"] = self.colour(batch.image_B3HW.mean(dim=(2, 3)))
        if "query" in batch.texts:
            features["text.query.pooled"] = self.words(batch.texts["query"].ids).mean(dim=1)
        for name, head in self.heads.items():
            features.heads[name] = head(features, batch)
        return features


@pytest.fixture
def registered():
    added = []

    def register(cls):
        MODELS.register(cls.__name__)(cls)
        added.append(cls.__name__)
        return cls

    yield register
    for name in added:
        MODELS.remove(name)


def test_extract_and_heads_are_enough_to_be_searched_and_trained(registered):
    registered(Colours)
    torch.manual_seed(0)
    model, batch = model_of({"type": "Colours"}, ("identity",)), toy_batch()
    assert model.roles == ("identity",)
    images, texts = model.encode_gallery(batch.image_B3HW), model.encode_query(batch.texts["query"])
    score = model.score(texts, images)
    by_hand = [(texts[name].values @ images[name].values.T) * share for name, share in (("one", 0.25), ("two", 0.75))]
    torch.testing.assert_close(score, by_hand[0] + by_hand[1])
    losses = model(batch)
    total, log = model.parse_losses(losses)
    assert float(total.detach()) == pytest.approx(sum(float(loss.value.detach()) for loss in losses.values()))
    assert {"loss", "loss_itc0", "loss_itc1"} <= set(log)
    total.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert model.encoders == {}
    assert model.settled == {}
    with pytest.raises(ValueError, match="must not see query captions"):
        model.encode_gallery(batch.image_B3HW, batch.texts)


def test_losses_and_embedding_may_be_written_anew(registered):
    @registered
    class Anew(Colours):
        def __init__(self):
            super().__init__(losses=False)

        def compute_losses(self, features, batch):
            return {"colour": LossOutput(features["image.pooled"].square().mean())}

        def parse_losses(self, losses):
            return 2 * losses["colour"].value, {"loss": losses["colour"].value}

        def encode_query(self, texts):
            return {name: Vectors(torch.ones(len(texts.ids), WIDTH)) for name in self.heads}

    model, batch = model_of({"type": "Anew"}, ()), toy_batch()
    assert dict(model.losses.items()) == {}
    assert list(model.state_dict()) == list(Colours(losses=False).state_dict())
    losses = model(batch)
    assert float(model.parse_losses(losses)[0].detach()) == pytest.approx(2 * float(losses["colour"].value.detach()))
    assert model.score(model.encode_query(batch.texts["query"]), model.encode_gallery(batch.image_B3HW)).shape == (6, 6)


def test_loss_that_is_no_loss_output_is_named(registered):
    @registered
    class Bare(Colours):
        def compute_losses(self, features, batch):
            return {"itc0": features["image.pooled"].sum(), "mine": features["image.pooled"].sum()}

    with pytest.raises(ConfigError, match=r"model\.losses\.itc0: InfoNCE returned Tensor, expected LossOutput"):
        model_of({"type": "Bare"}, ())(toy_batch())


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (LossOutput(torch.ones(6)), r"returned a tensor of shape \(6,\) as its value, expected a scalar tensor"),
        (LossOutput(torch.ones(1)), r"returned a tensor of shape \(1,\) as its value"),
        (LossOutput(0.5), "returned a float as its value"),
        (
            LossOutput(torch.ones(()), stats={"more": torch.zeros(3)}),
            r"returned a tensor of shape \(3,\) as stats\['more'\]",
        ),
        (LossOutput(torch.ones(()), stats={"more": "a"}), r"returned a str as stats\['more'\], expected a scalar"),
    ],
)
def test_value_or_statistic_that_is_no_scalar_is_named(registered, output, message):
    @registered
    class Vector(Colours):
        def compute_losses(self, features, batch):
            return {**super().compute_losses(features, batch), "itc1": output}

    with pytest.raises(ConfigError, match=rf"model\.losses\.itc1: InfoNCE {message}"):
        model_of({"type": "Vector"}, ())(toy_batch())


def test_statistics_may_be_numbers_of_any_kind(registered):
    stats = {"a": 1, "b": 0.5, "c": np.float32(1), "d": torch.ones(1, 1), "e": torch.ones(())}

    @registered
    class Told(Colours):
        def compute_losses(self, features, batch):
            return {"mine": LossOutput(torch.ones(()), stats=stats)}

    model = model_of({"type": "Told"}, ())
    _, log = model.parse_losses(model(toy_batch()))
    assert {f"mine_{name}" for name in stats} <= set(log)


@pytest.mark.parametrize("heads", [None, {}, {"a": nn.Linear(2, 2)}])
def test_model_without_heads_is_refused(registered, heads):
    @registered
    class Headless(Colours):
        def __init__(self):
            super().__init__()
            del self.heads
            if heads is not None:
                self.heads = nn.ModuleDict(heads)

    with pytest.raises(ConfigError, match=r"Headless has no heads to be searched with: .* self\.heads"):
        model_of({"type": "Headless"}, ())
