"""Our side of mmengine's hooks: start of an epoch, learning rate, the config's own hooks, the end where NaN begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook as EngineHook
from mmengine.model import is_model_wrapper

from tbpsbench.data.training import TrainingData
from tbpsbench.distributed import share_buffers
from tbpsbench.engine.hooks import Hook, RunState
from tbpsbench.engine.randomness import seed_epoch
from tbpsbench.engine.schedule import LearningRates
from tbpsbench.errors import TrainingError

REMEDY = (
    "A lower optimizer.lr, a longer schedule.warmup_epochs or a limit such as runtime.clip_grad_norm=1.0 may help, and "
    "'bf16' in place of runtime.amp='fp16'. Start again with --overwrite (overwrite=True)"
)
LATER = ", or go on from the last checkpoint with --resume --allow-config-change and the keys that you changed"


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        steps: optimiser steps done so far.
    """

    steps: int = 0


class StartEpoch(EngineHook):
    """Tell data, generators and optimiser which epoch it is, then let the config's hooks work.

    Args:
        data: what the run trains on.
        seed: the run's seed.
        hooks: name -> hook.
        progress: counts the steps.
    """

    priority = "VERY_HIGH"

    def __init__(self, data: TrainingData, seed: int, hooks: Mapping[str, Hook], progress: Progress) -> None:
        self.data, self.seed, self.hooks, self.progress = data, seed, hooks, progress

    def state(self, runner: Any, epoch: int) -> RunState:
        """What the config's hooks may see in this epoch."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        autocast = partial(runner.optim_wrapper.optim_context, model)
        return RunState(model, self.data, epoch, self.progress.steps, runner.max_epochs, self.seed, autocast)

    def before_train_epoch(self, runner: Any) -> None:
        """Seed everything for this epoch."""
        # Gradients are accumulated within an epoch: the last batches make a step however few they are.
        runner.optim_wrapper.initialize_count_status(runner.model, 0, len(runner.train_dataloader))
        self.data.set_epoch(runner.epoch)
        seed_epoch(self.seed, runner.epoch, get_rank())
        self._call("before_epoch", runner, runner.epoch)
        # A hook may have drawn numbers of its own; training must not depend on how many.
        seed_epoch(self.seed, runner.epoch, get_rank())

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:  # noqa: ARG002
        """Count a step and call the point `after_step`, where this batch made one."""
        if runner.optim_wrapper.should_update():
            self.progress.steps += 1
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
        rates: over the whole run.
        per: change the rate every "epoch" or "iteration".
        base_rates: learning rate of each group before any schedule.
    """

    priority = "HIGHEST"  # before mmengine reads the rates for its log

    def __init__(self, rates: LearningRates, per: str, base_rates: Sequence[float]) -> None:
        self.rates, self.per, self.base_rates = rates, per, list(base_rates)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:  # noqa: ARG002
        """Set the rates of this step."""
        time = float(runner.epoch)
        if self.per == "iteration":
            time += batch_idx / len(runner.train_dataloader)
        scale = self.rates.factor(time)
        for group, base in zip(runner.optim_wrapper.param_groups, self.base_rates, strict=True):
            group["lr"] = base * scale


class RequireFinite(EngineHook):
    """Stop a run at the step whose loss is no number, before a hook sees it."""

    priority = "HIGHEST"

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:  # noqa: ARG002
        """Look at the sum of the losses, and only where that is not finite at each of them.

        Raises:
            TrainingError: naming losses, epoch and step.
        """
        if bool(torch.isfinite(outputs["loss"]).all()):
            return
        values = {key: float(value) for key, value in outputs.items() if key.startswith("loss_")}
        odd = [f"{key.removeprefix('loss_')} is {value}" for key, value in values.items() if not math.isfinite(value)]
        found = (
            f"the loss{'es' * (len(odd) > 1)} {', '.join(odd)}"
            if odd
            else f"the balanced sum of the losses is {float(outputs['loss'])}"
        )
        place = f"epoch {runner.epoch + 1}, step {batch_idx + 1} of {len(runner.train_dataloader)}"
        raise TrainingError(f"{place}: {found}. {_ending(runner)}")


def settle(runner: Any) -> None:
    """Give all processes the buffers of the first one, and look at the weights, which no loss has seen yet.

    Raises:
        TrainingError: naming the first weight that is not finite.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    share_buffers(model)
    if odd := not_finite(model):
        more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
        place = f"epoch {runner.epoch + 1}: after its last step"
        raise TrainingError(f"{place} the weights {odd[0]}{more} are not finite. {_ending(runner)}")


def _ending(runner: Any) -> str:
    """What became of the run and what may help; in the first epoch there is no checkpoint yet."""
    return f"Training ends here; no checkpoint was overwritten. {REMEDY}{LATER if runner.epoch else ''}."


def not_finite(model: torch.nn.Module) -> list[str]:
    """Names of the parameters that hold NaN or infinity, and of the buffers that hold NaN (masks may be infinite)."""
    good = {name: parameter.isfinite().all() for name, parameter in model.named_parameters()}
    good |= {name: ~buffer.isnan().any() for name, buffer in model.named_buffers()}
    if not good:
        return []
    flags = torch.stack([flag.reshape(()) for flag in good.values()]).tolist()
    return [name for name, fine in zip(good, flags, strict=True) if not fine]


class FirstStep(EngineHook):
    """Tell when something has been trained.

    Args:
        made: called once, after the first step.
    """

    def __init__(self, made: Callable[[], None]) -> None:
        self.made: Callable[[], None] | None = made

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:  # noqa: ARG002
        """From the first one on there is something to lose."""
        if self.made is not None:
            self.made()
            self.made = None
