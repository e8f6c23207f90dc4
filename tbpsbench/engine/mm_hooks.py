"""Our side of mmengine's hooks: start of an epoch, learning rate, the config's own hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook as EngineHook
from mmengine.model import is_model_wrapper

from tbpsbench.config.schema import ScheduleSection
from tbpsbench.data.training import TrainingData
from tbpsbench.engine.hooks import Hook, RunState
from tbpsbench.engine.randomness import seed_epoch
from tbpsbench.engine.schedule import factor


class StartEpoch(EngineHook):
    """Tell data and generators which epoch it is, then let the config's hooks work.

    Args:
        data: what the run trains on.
        seed: the run's seed.
        hooks: name -> hook.
    """

    priority = "VERY_HIGH"

    def __init__(self, data: TrainingData, seed: int, hooks: Mapping[str, Hook]) -> None:
        self.data, self.seed, self.hooks = data, seed, hooks

    def state(self, runner: Any, epoch: int) -> RunState:
        """What the config's hooks may see in this epoch."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        autocast = partial(runner.optim_wrapper.optim_context, model)
        return RunState(model, self.data, epoch, runner.iter, runner.max_epochs, self.seed, autocast)

    def before_train_epoch(self, runner: Any) -> None:
        """Seed everything for this epoch."""
        self.data.set_epoch(runner.epoch)
        seed_epoch(self.seed, runner.epoch, get_rank())
        self._call("before_epoch", runner, runner.epoch)
        # A hook may have drawn numbers of its own; training must not depend on how many.
        seed_epoch(self.seed, runner.epoch, get_rank())

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:  # noqa: ARG002
        """The point `after_step`."""
        self._call("after_step", runner, runner.epoch)

    def before_val_epoch(self, runner: Any) -> None:
        """The point `before_eval`."""
        self._call("before_eval", runner, runner.epoch)

    def after_train_epoch(self, runner: Any) -> None:
        """The point `before_eval` of a run without validation, whose last epoch is the one that is evaluated.

        It comes before the checkpoint is saved, so that what is evaluated is what is saved.
        """
        if runner.val_loop is None and runner.epoch + 1 == runner.max_epochs:
            self._call("before_eval", runner, runner.epoch + 1)

    def _call(self, point: str, runner: Any, epoch: int) -> None:
        if not self.hooks:
            return
        state = self.state(runner, epoch)
        for hook in self.hooks.values():
            getattr(hook, point)(state)
        for key, value in state.log.items():
            runner.message_hub.update_scalar(f"train/{key}", value)


class LearningRate(EngineHook):
    """Set every group's rate from the schedule's closed form; base rates come from the config, also after a resume.

    Args:
        schedule: the config's schedule.
        base_rates: learning rate of each group before any schedule.
    """

    priority = "VERY_HIGH"

    def __init__(self, schedule: ScheduleSection, base_rates: Sequence[float]) -> None:
        self.schedule, self.base_rates = schedule, list(base_rates)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:  # noqa: ARG002
        """Set the rates of this step."""
        time = float(runner.epoch)
        if self.schedule.per == "iteration":
            time += batch_idx / len(runner.train_dataloader)
        scale = factor(self.schedule, time)
        for group, base in zip(runner.optim_wrapper.param_groups, self.base_rates, strict=True):
            group["lr"] = base * scale
