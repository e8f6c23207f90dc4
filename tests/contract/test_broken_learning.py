"""The contracts of optimisers, schedules and models can fail: each is shown one that breaks a promise."""

import pytest
import torch
from torch import nn

from tbpsbench import testing
from tbpsbench.heads.global_head import GlobalHead
from tbpsbench.losses.infonce import InfoNCE
from tbpsbench.model.base import SearchModel
from tbpsbench.registry import MODELS, OPTIMIZERS, SCHEDULES
from tbpsbench.schedules.base import Schedule
from tbpsbench.types import Features


class Momentum(torch.optim.Optimizer):
    """Keeps every promise; what is broken of it is told by the arguments."""

    def __init__(self, params, lr: float, broken: str = ""):
        super().__init__(params, {"lr": lr})
        self.broken, self.aside = broken, {}

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            rate = 0.1 if self.broken == "rate" else group["lr"]
            for weight in group["params"]:
                if self.broken == "vectors" and weight.ndim == 1:
                    continue
                state = self.aside.setdefault(weight, {}) if self.broken == "memory" else self.state[weight]
                mean = state.setdefault("mean", torch.zeros_like(weight))
                mean.mul_(0.9).add_(weight.grad)
                weight -= rate * mean / (0 if self.broken == "number" else 1)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("rate", "moved at a rate of 0"),
        ("vectors", "0.bias did not move in 3 steps"),
        ("memory", "moves differently after the optimizer was saved and loaded"),
        ("number", "is not finite after 3 steps"),
    ],
)
def test_optimizer_that_breaks_a_promise_is_caught(register, broken, message):
    config = {**register(OPTIMIZERS, Momentum), "lr": 0.01}
    testing.check_optimizer(config)
    with pytest.raises(AssertionError, match=message):
        testing.check_optimizer({**config, "broken": broken})
    with pytest.raises(AssertionError, match=r"the config has problems.*has no argument 'momentum'"):
        testing.check_optimizer({**config, "momentum": 0.1})


def test_schedule_that_remembers_is_caught(register):
    class Remembers(Schedule):
        last = 1.0

        def factor(self, epoch):
            self.last *= 0.99
            return self.last

    with pytest.raises(AssertionError, match="differ when they are asked for in another order"):
        testing.check_schedule(register(SCHEDULES, Remembers))


def test_schedule_that_ends_below_zero_is_caught(register):
    class Sinks(Schedule):
        def factor(self, epoch):
            return 1 - epoch / 6

    config = register(SCHEDULES, Sinks)
    testing.check_schedule(config, max_epochs=6)
    with pytest.raises(AssertionError, match=r"the factor at epoch 6\.\d+ is -0\.\d+, expected a finite number"):
        testing.check_schedule(config, max_epochs=8)


class Colours(SearchModel):
    """Keeps every promise; what is broken of it is told by the argument."""

    def __init__(self, broken: str = ""):
        super().__init__()
        self.broken = broken
        self.words, self.colour = nn.Embedding(50, 4), nn.Linear(3, 4)
        if broken == "idle":
            self.more = nn.Linear(2, 2)
        if broken == "state":
            self.register_buffer(f"at_{id(self)}", torch.zeros(()))
        self.heads = nn.ModuleDict({"global": GlobalHead({"image.pooled": 4, "text.query.pooled": 4}, embed_dim=4)})
        self.losses = nn.ModuleDict({} if broken == "losses" else {"itc": InfoNCE()})

    def extract(self, batch):
        features = Features()
        if batch.image_B3HW is not None:
            pooled = self.colour(batch.image_B3HW.mean(dim=(2, 3)))
            features["image.pooled"] = pooled - pooled.mean(dim=0) if self.broken == "rows" else pooled
        if "query" in batch.texts:
            features["text.query.pooled"] = self.words(batch.texts["query"].ids).mean(dim=1)
        if self.broken == "sides":
            features["image.pooled"], features["text.query.pooled"]
        if self.broken != "heads" or batch.image_B3HW is not None:
            features.heads["global"] = self.heads["global"](features, batch)
        if self.broken in ("image", "text") and len(features.tensors) == 2:
            both = features.heads["global"]
            setattr(both, self.broken, both.image + both.text)
        return features


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        ("idle", AssertionError, r"more\.weight, more\.bias get no gradient"),
        ("state", AssertionError, "two instances of one config save different entries"),
        ("losses", AssertionError, "forward gave no losses"),
        ("rows", AssertionError, "depends on the other rows of its batch"),
        ("sides", KeyError, "no feature 'text.query.pooled'"),
        (
            "image",
            AssertionError,
            "the image side of the head 'global' changes with the query, expected it to know its",
        ),
        ("text", AssertionError, "the text side of the head 'global' changes with the image, expected it to know its"),
        ("heads", AssertionError, "nothing is embedded for the heads \\['global'\\]"),
    ],
)
def test_model_that_breaks_a_promise_is_caught(register, broken, error, message):
    config = register(MODELS, Colours)
    testing.check_model(config)
    with pytest.raises(error, match=message):
        testing.check_model({**config, "broken": broken})
