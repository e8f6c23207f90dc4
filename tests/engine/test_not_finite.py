"""A run ends at the first loss, weight or score that is no number, with its last good checkpoint as it was."""

import json
from dataclasses import replace

import pytest
import torch
from runs import train_in

from tbpsbench.config.load import load_config
from tbpsbench.config.settings import Settings
from tbpsbench.engine.checkpoint import Checkpointer
from tbpsbench.engine.evaluate import evaluate
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.mm_hooks import not_finite
from tbpsbench.engine.run import build_run
from tbpsbench.errors import CheckpointError, DataError, RegistryError, TrainingError
from tbpsbench.losses.base import Loss
from tbpsbench.metrics.base import Metric
from tbpsbench.registry import HOOKS, LOSSES, METRICS
from tbpsbench.types import LossOutput
from tbpsbench.weights.files import read_checkpoint

LOSS = "model.losses.odd=dict(type='Odd', good={good}, value={value!r})"


@pytest.fixture
def odd():
    """A loss that is 1 for so many batches, and no number from then on; a hook that spoils a weight."""

    @LOSSES.register("Odd")
    class Odd(Loss):
        def __init__(self, good: int, value: str):
            super().__init__()
            self.good, self.value, self.seen = good, float(value), 0

        def forward(self, features, batch):
            self.seen += 1
            return LossOutput(torch.tensor(1.0 if self.seen <= self.good else self.value))

    @HOOKS.register("Spoil")
    class Spoil(Hook):
        def __init__(self, step: int):
            self.step = step

        def after_step(self, state):
            if state.step == self.step:
                with torch.no_grad():
                    next(iter(state.model.heads["global"].parameters())).fill_(torch.inf)

    yield
    LOSSES.remove("Odd")
    HOOKS.remove("Spoil")


@pytest.mark.parametrize("selection", ["last", "val"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_run_stops_at_the_step_and_keeps_the_last_good_checkpoint(odd, demo, tmp_path, selection, value):
    message = rf"epoch 2, step 3 of 5: the loss odd is {value}\. Training ends here.* go on from the last checkpoint"
    with pytest.raises(TrainingError, match=message):
        train_in(
            tmp_path / "run", demo, LOSS.format(good=7, value=value), f"evaluation.selection={selection}",
            "schedule.max_epochs=4",
        )  # fmt: skip
    content = read_checkpoint(tmp_path / "run" / "last.pth")
    assert content["meta"] == {"epoch": 1, "iter": 5, "seed": 0}
    assert all(tensor.isfinite().all() for tensor in content["state_dict"].values())
    assert not (tmp_path / "run" / "record").exists()


def test_tool_says_so_without_a_traceback(odd, demo, tmp_path, tool):
    options = [*demo[1:], "data.num_workers=0", LOSS.format(good=2, value="nan")]
    code, _, err = tool("train", demo[0], "--work-dir", tmp_path / "run", *options)
    assert code == TrainingError.exit_code != 0
    assert "error: epoch 1, step 3 of 5: the loss odd is nan" in err
    assert "with --overwrite (overwrite=True).\n" in err, "no checkpoint is there to go on from"
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] != "finished"


def test_weights_that_the_last_step_spoilt_are_not_saved(odd, demo, tmp_path):
    with pytest.raises(
        TrainingError, match=r"epoch 2: after its last step the weights heads\.global\.\S+ are not fini"
    ):
        train_in(
            tmp_path / "run", demo, "hooks=dict(spoil=dict(type='Spoil', step=10))", "evaluation.selection=last",
            "schedule.max_epochs=4",
        )  # fmt: skip
    content = read_checkpoint(tmp_path / "run" / "last.pth")
    assert content["meta"]["epoch"] == 1
    assert all(tensor.isfinite().all() for tensor in content["state_dict"].values())


def test_embedding_that_is_no_number_is_an_error_and_no_score(demo):
    run = build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0"]))
    with torch.no_grad():
        run.model.heads["global"].text_projection.weight[0, 0] = torch.nan
    with pytest.raises(DataError, match="are NaN or infinite: did the training diverge"):
        evaluate(run.model, run.evaluation, "val", run.settings.evaluation)


def test_metric_that_gives_no_number_is_an_error(demo):
    @METRICS.register("Broken")
    class Broken(Metric):
        def per_query(self, ranks):
            return {"broken": ranks.ranks[: len(ranks)] * torch.nan}

    try:
        config = load_config(demo[0], [*demo[2:], "data.num_workers=0"])
        run, section = build_run(config), Settings.of(config.values).evaluation
        section = replace(section, metrics=[*section.metrics, {"type": "Broken"}])
        with pytest.raises(RegistryError, match="broken: a metric gives fractions from 0 to 1, this one nan"):
            evaluate(run.model, run.evaluation, "val", section)
    finally:
        METRICS.remove("Broken")


def test_score_that_is_no_number_is_never_the_best(tmp_path, demo):
    built = build_run(load_config(demo[0], [*demo[2:], "data.num_workers=0"])).system
    checkpointer = Checkpointer(tmp_path, built, "R@1", {})
    with pytest.raises(TrainingError, match="R@1 is nan"):
        checkpointer.after_val_epoch(type("Runner", (), {"epoch": 1})(), {"R@1": float("nan")})
    assert checkpointer.best is None
    assert not list(tmp_path.iterdir())


def test_run_does_not_go_on_from_weights_that_are_no_numbers(demo, tmp_path):
    train_in(tmp_path, demo, "schedule.max_epochs=1")
    content = torch.load(tmp_path / "last.pth", weights_only=True)
    next(iter(content["state_dict"].values())).view(-1)[0] = torch.nan
    torch.save(content, tmp_path / "last.pth")
    with pytest.raises(CheckpointError, match=r"last\.pth: the weights \S+ are not finite"):
        train_in(tmp_path, demo, "schedule.max_epochs=2", allow=["schedule"])


def test_buffers_may_be_infinite_but_not_nan():
    module = torch.nn.Linear(2, 2)
    module.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    module.register_buffer("count", torch.tensor(3))
    assert not_finite(module) == []
    module.mask[0] = torch.nan
    module.bias.data[1] = torch.inf
    assert not_finite(module) == ["bias", "mask"]
