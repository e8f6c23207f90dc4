"""The config's hooks see what they may change, and their state survives a restart."""

import json

import pytest
import torch

from tbpsbench import testing
from tbpsbench.config.load import load_config
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.randomness import seed_epoch
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.registry import HOOKS


@pytest.fixture
def counting():
    @HOOKS.register("Counting")
    class Counting(Hook):
        def __init__(self, weight: float = 0.5):
            self.weight, self.steps, self.seen = weight, 0, []

        def before_epoch(self, state):
            self.seen.append(("epoch", state.epoch))
            state.data.train.set_pair_weight(torch.full((len(state.data.train),), self.weight))
            torch.rand(state.epoch + 7)  # what a hook draws must not disturb training

        def after_step(self, state):
            self.steps += 1
            assert len(state.data.train) > 0
            assert not hasattr(state, "runner")

        def before_eval(self, state):
            self.seen.append(("eval", state.epoch))

        def state_dict(self):
            return {"steps": self.steps}

        def load_state_dict(self, state):
            self.steps = state["steps"]

    yield Counting
    HOOKS.remove("Counting")


def train(demo, folder, *more):
    config = load_config(demo[0], [*demo[2:], "data.num_workers=0", "evaluation.interval=1", *more])
    workdir = WorkDir(folder, resume="auto")
    training = Training(build_run(config), workdir, allow_config_change=("schedule.max_epochs",))
    training.train()
    workdir.release()
    return training


def test_hooks_are_called_change_the_data_and_resume(counting, demo, tmp_path):
    hook = "hooks=dict(count=dict(type='Counting', weight=0.25))"
    first = train(demo, tmp_path / "a", hook, "schedule.max_epochs=1")
    steps = len(first.run.training.loader)
    assert first.hooks["count"].seen == [("epoch", 0), ("eval", 1)]
    assert first.hooks["count"].steps == steps
    assert first.run.training.train[0].pair_weight == 0.25
    second = train(demo, tmp_path / "a", hook, "schedule.max_epochs=2")
    assert second.hooks["count"].seen == [("epoch", 1), ("eval", 2)]
    assert second.hooks["count"].steps == 2 * steps


def test_before_eval_comes_once_in_a_run_without_validation_and_its_work_is_evaluated_and_saved(
    counting, demo, tmp_path
):
    def before_eval(self, state):
        self.seen.append(("eval", state.epoch))
        with torch.no_grad():
            for parameter in state.model.text_encoder.parameters():
                parameter.zero_()

    counting.before_eval = before_eval
    options = ["hooks=dict(count=dict(type='Counting', weight=1.0))", "evaluation.selection=last"]
    training = train(demo, tmp_path / "a", *options, "schedule.max_epochs=2")
    assert training.hooks["count"].seen == [("epoch", 0), ("epoch", 1), ("eval", 2)]
    saved = torch.load(tmp_path / "a" / "last.pth", weights_only=True)["state_dict"]
    for name, evaluated in training.run.model.text_encoder.named_parameters():
        assert not evaluated.any()
        assert not saved[f"text_encoder.{name}"].any()


def test_what_a_hook_draws_does_not_change_the_weights(counting, demo, tmp_path):
    with_hook = train(
        demo, tmp_path / "a", "hooks=dict(count=dict(type='Counting', weight=1.0))", "schedule.max_epochs=1"
    )
    without = train(demo, tmp_path / "b", "schedule.max_epochs=1")
    for one, other in zip(with_hook.run.model.parameters(), without.run.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_hooks_know_the_seed_and_run_the_model_in_its_precision(counting, demo, tmp_path):
    seen = []

    def before_epoch(self, state):
        with state.autocast():
            seen.append((state.seed, torch.is_autocast_enabled("cpu")))

    counting.before_epoch = before_epoch
    hook = "hooks=dict(count=dict(type='Counting'))"
    train(demo, tmp_path / "a", hook, "schedule.max_epochs=1", "seed=7", "runtime.amp=bf16")
    train(demo, tmp_path / "b", hook, "schedule.max_epochs=1")
    assert seen == [(7, True), (0, False)]


def test_mock_run_trains_a_config_and_returns_its_record(demo, tmp_path, mini):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tiny-0").symlink_to(mini / "tiny-0")
    overrides = [option for option in demo[2:] if not option.startswith(("data.dataset", "data.batch_size"))]
    record = testing.mock_run(demo[0], tmp_path, *overrides)
    assert record["spec"]["data"] == "MiniPEDES (tiny)"
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_epochs_draw_different_numbers_and_repeat_them():
    draws = []
    for seed, epoch, rank in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), (0, 0, 0)):
        seed_epoch(seed, epoch, rank)
        draws.append(torch.rand(4).tolist())
    assert draws[0] == draws[4]
    assert len({tuple(draw) for draw in draws}) == 4
    seed_epoch(0, -1, 0)
    model = torch.rand(3)
    seed_epoch(0, -1, 1)
    assert torch.equal(model, torch.rand(3)), "all processes build equal models"
