"""The contract of hooks can fail: real runs are shown hooks that break a promise."""

import pytest
import torch
from small_models import CLIP_IMAGE, CLIP_TEXT, CLIP_TOKENS

from tbpsbench import testing
from tbpsbench.engine.hooks import Hook
from tbpsbench.registry import HOOKS

CONFIG = "configs/mini/two-tower_mini-pedes.py"
OPTIONS = [f"{CLIP_IMAGE})", f"{CLIP_TEXT})", "model.heads.global.embed_dim=16", "data.size=(48, 24)", CLIP_TOKENS]
OPTIONS += ["runtime.threads=1"]


class Drifting(Hook):
    """Weighs pairs by what it remembers from before: keeps every promise."""

    def __init__(self, start: float = 1.0):
        self.weight = torch.tensor(start)

    def before_epoch(self, state):
        self.weight = self.weight / 2
        state.data.train.set_pair_weight(torch.full((len(state.data.train),), float(self.weight)))
        state.log["weight"] = float(self.weight)
        self.nudge(state)

    def nudge(self, state):
        """So that what is remembered shows in the weights."""
        with torch.no_grad():
            next(state.model.heads.parameters()).mul_(1 + self.weight)

    def state_dict(self):
        return {"weight": self.weight}

    def load_state_dict(self, state):
        self.weight = state["weight"]


@pytest.fixture
def check(mini, tmp_path):
    """The contract on the tiny MiniPEDES that all tests share."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny-0").symlink_to(mini / "tiny-0")

    def run(component, *options):
        testing.check_hook(component, CONFIG, tmp_path, *OPTIONS, *options)

    return run


def test_sound_hook_passes_in_the_place_of_its_own_kind(register, check):
    component = {**register(HOOKS, Drifting), "start": 0.5}
    check(component, "hooks=dict(mine=dict(type='Toy', start=4.0))")


def forgotten(self, state):
    """What was remembered is lost."""


def left_in_evaluation(self, state):
    state.model.eval()


def half_left(self, state):
    state.model.image_encoder.eval()


def left_elsewhere(self, state):
    state.data.set_epoch(7)


def logs_tensor(self, state):
    state.log["weight"] = self.weight


def drawn(self, state):
    self.weight = torch.rand((), generator=torch.Generator().manual_seed(torch.seed() % 2**31))
    Drifting.nudge(self, state)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"state_dict": lambda self: {}, "load_state_dict": forgotten},
            r"of a resumed run differs .*, expected equal",
        ),
        ({"load_state_dict": forgotten}, "after a stop the hook has another state, expected that of a run without"),
        (
            {"state_dict": lambda self: {"f": open}},
            r"holds \w+ at 'f', which a checkpoint cannot give back, expected a dict of tensors",
        ),
        ({"state_dict": lambda self: [1]}, "state_dict returned list, expected a dict"),
        (
            {"nudge": left_in_evaluation},
            r"before_epoch changed the model's mode \(training is False, .*\), expected it as",
        ),
        ({"nudge": left_elsewhere}, "before_epoch left the data at epoch 7, expected 0, as found"),
        ({"nudge": logs_tensor}, "before_epoch logs weight as Tensor, expected a number"),
        (
            {"nudge": drawn, "state_dict": lambda self: {}, "load_state_dict": forgotten},
            r"draw from \(state.seed",
        ),
        ({"nudge": half_left}, r"mode \(training is True, changed: image_encoder, .*\), expected it as found"),
        ({"after_step": left_in_evaluation}, "after_step changed the model's mode"),
        ({"before_eval": left_elsewhere}, "before_eval left the data at epoch 7, expected"),
    ],
)
def test_broken_hook_is_caught(register, check, attributes, message):
    with pytest.raises(AssertionError, match=message):
        check(register(HOOKS, type("Bad", (Drifting,), attributes)))
