"""What a checkpoint could not give back is refused before the first step, and before a file is touched."""

from collections import Counter, OrderedDict, deque
from io import BytesIO

import numpy as np
import pytest
import torch
from runs import train_in

from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.kept import odd_state, require_tensors
from tbpsbench.errors import ConfigError
from tbpsbench.losses.base import Loss
from tbpsbench.registry import HOOKS, LOSSES
from tbpsbench.types import LossOutput
from tbpsbench.weights.files import read_checkpoint

HOOK = "hooks=dict(mine=dict(type='Remembers'))"


class Thing:
    """What a pickle names and its reader would have to make."""


class Numbers(list):
    """A list to Python, an object of ours to the reader."""


FINE = [
    {}, {"a": 1, "b": None, "c": "text", "d": 1.5, "e": b"x", "f": True, "g": 2**70, "h": 1j},
    OrderedDict(a=torch.ones(2)), {"a": [1, (2, {"b": torch.nn.Parameter(torch.ones(1))})], 3: {"c": ()}},
    {"size": torch.Size([1]), "kind": torch.float16, "counts": Counter("aab"), "chosen": {1, 2}},
]  # fmt: skip
ODD = [
    (None, "state_dict returned NoneType, expected a dict"),
    ([1, 2], "state_dict returned list, expected a dict"),
    (Counter("aab"), "state_dict returned collections.Counter, expected a dict"),
    ({"n": np.float64(0)}, "state_dict holds numpy.float64 at 'n', which a checkpoint cannot give back"),
    ({"a": {"b": [0, np.zeros(3)]}}, "state_dict holds numpy.ndarray at 'a.b.1'"),
    ({"a": deque([1])}, "state_dict holds collections.deque at 'a'"),
    ({"a": Thing()}, "Thing at 'a'"),
    ({"a": Numbers([1])}, "Numbers at 'a'"),
    ({"a": lambda: None}, "function at 'a'"),
    ({np.int64(3): 1}, "state_dict holds numpy.int64 at '3'"),
]


def reads_back(state):
    stream = BytesIO()
    try:
        torch.save(state, stream)
        stream.seek(0)
        torch.load(stream, weights_only=True)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("state", FINE)
def test_tensors_and_plain_data_are_kept(state):
    assert reads_back(state)
    assert odd_state(state) is None


@pytest.mark.parametrize(("state", "message"), ODD, ids=[message for _, message in ODD])
def test_what_the_reader_refuses_is_named_with_its_place(state, message):
    assert message in odd_state(state)
    assert not isinstance(state, dict) or isinstance(state, Counter) or not reads_back(state)


@pytest.fixture
def remembers():
    """A hook whose state a test may choose, by the number of epochs that were begun."""

    @HOOKS.register("Remembers")
    class Remembers(Hook):
        begun = 0

        def before_epoch(self, state):
            self.begun = state.epoch + 1

        def state_dict(self):
            return {"begun": self.begun}

        def load_state_dict(self, state):
            self.begun = state["begun"]

    yield Remembers
    HOOKS.remove("Remembers")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"n": np.float64(0)}, r"hooks\.mine: Remembers\.state_dict holds numpy\.float64 at 'n'.*float\(x\)"),
        (None, r"hooks\.mine: Remembers\.state_dict returned NoneType, expected a dict of tensors and plain data"),
    ],
)
def test_a_state_that_cannot_be_kept_is_refused_before_the_first_step(remembers, demo, tmp_path, state, message):
    remembers.state_dict = lambda self: state
    remembers.before_epoch = lambda self, _: pytest.fail("training has begun")
    with pytest.raises(ConfigError, match=message):
        train_in(tmp_path / "run", demo, HOOK)
    assert not (tmp_path / "run" / "last.pth").exists()


def test_a_state_that_turns_odd_ends_the_run_and_loses_nothing_that_was_saved(remembers, demo, tmp_path):
    sound = remembers.state_dict
    remembers.state_dict = lambda self: {"begun": self.begun if self.begun < 2 else np.int64(self.begun)}
    options = (HOOK, "schedule.max_epochs=2", "schedule.type=constant")
    with pytest.raises(
        ConfigError, match=r"epoch 2: hooks\.mine: .*numpy\.int64 at 'begun'.* what was saved before stays"
    ):
        train_in(tmp_path / "run", demo, *options)
    names = ("best.pth", "last.pth")
    assert [read_checkpoint(tmp_path / "run" / name)["meta"]["epoch"] for name in names] == [1, 1]
    remembers.state_dict = sound
    _, record = train_in(tmp_path / "run", demo, *options)
    assert [row["epoch"] for row in record["selection"]["history"]] == [1, 2]
    assert read_checkpoint(tmp_path / "run" / "last.pth")["tbpsbench"]["hooks"] == {"mine": {"begun": 2}}


def test_a_hook_may_make_its_state_when_the_first_epoch_begins(remembers, demo, tmp_path):
    remembers.before_epoch = lambda self, state: setattr(self, "seen", [state.epoch])
    remembers.state_dict = lambda self: {"seen": self.seen}
    train_in(tmp_path / "run", demo, HOOK, "schedule.max_epochs=1")
    assert read_checkpoint(tmp_path / "run" / "last.pth")["tbpsbench"]["hooks"] == {"mine": {"seen": [0]}}


@pytest.fixture
def extra():
    """A loss that keeps something beside its buffers."""

    @LOSSES.register("Extra", requires=("image",))
    class Extra(Loss):
        kept = {"a": 1}  # noqa: RUF012

        def __init__(self, image: str = "heads.global.image"):
            super().__init__()
            self.image = image

        def get_extra_state(self):
            return self.kept

        def set_extra_state(self, state):
            type(self).taken = state

        def forward(self, features, batch):
            return LossOutput.mean(features[self.image].square().sum(dim=-1))

    yield Extra
    LOSSES.remove("Extra")


def test_extra_state_that_is_no_tensor_is_refused_before_the_first_step(extra, demo, tmp_path):
    message = r"model\.losses\.more: Extra saves dict as '_extra_state', but the weights of a checkpoint are tensors"
    with pytest.raises(ConfigError, match=message):
        train_in(tmp_path / "run", demo, "model.losses.more=dict(type='Extra')", "schedule.max_epochs=1")


def test_extra_state_that_is_a_tensor_is_kept(extra, demo, tmp_path):
    extra.kept = torch.tensor([1, 2])
    train_in(tmp_path / "run", demo, "model.losses.more=dict(type='Extra')", "schedule.max_epochs=1")
    kept = read_checkpoint(tmp_path / "run" / "best.pth")["state_dict"]["losses.more._extra_state"]
    assert torch.equal(kept, extra.taken)
    assert torch.equal(kept, extra.kept)


def test_the_model_itself_is_named_where_no_part_of_it_is_meant(extra):
    with pytest.raises(ConfigError, match="model: Extra saves dict as '_extra_state'"):
        require_tensors(extra())
