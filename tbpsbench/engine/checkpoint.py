"""Checkpoints of a run in training: whole or absent, and refused where they would continue a different run.

They have the form of weights/checkpoint.py: the system whole, and besides it what a resumed run needs.

Order at the end of an epoch: best.pth (if this epoch is the best), then last.pth. A process killed between the two goes
on from the epoch before, with the best.pth of then (best.py).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook as EngineHook

from tbpsbench.engine.best import set_aside
from tbpsbench.engine.best import settle as settle_best
from tbpsbench.engine.cost import peak_memory
from tbpsbench.engine.energy import EnergyMeter
from tbpsbench.engine.guard import PLUGINS, run_hashes, used_plugins
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.kept import require_tensors, states_of
from tbpsbench.engine.mm_hooks import Progress, settle
from tbpsbench.engine.workdir import BEST, LAST
from tbpsbench.errors import CheckpointError, ConfigError, TrainingError
from tbpsbench.system import System
from tbpsbench.system_files import describe
from tbpsbench.weights.checkpoint import KEY, save


class Checkpointer(EngineHook):
    """Save best.pth and last.pth after every epoch, and the score that best.pth has.

    Args:
        folder: the run's folder.
        system: what is trained.
        metric: key of the validation scores that decides; None where no checkpoint is selected.
        hooks: the config's hooks, whose states are saved.
        progress: the steps so far, which are saved.
        anew: a resumed run chooses among the epochs to come only; the scores so far follow another rule.
        pictures: hash of the decoded pictures; None where it is not known.

    Attributes:
        best: epoch, score and metric of what best.pth holds.
        history: epoch and scores of every validation by the present rule.
        test_evaluations: how often the test split was looked at while training, by any rule.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        folder: Path,
        system: System,
        metric: str | None,
        hooks: Mapping[str, Hook],
        progress: Progress | None = None,
        *,
        anew: bool = False,
        pictures: str | None = None,
    ) -> None:
        self.folder, self.system, self.pictures = folder, system, pictures
        self.metric, self.hooks, self.anew = metric, hooks, anew
        self.progress = progress or Progress()
        self.test_evaluations = 0
        self.best: dict[str, Any] | None = None
        self.history: list[dict[str, Any]] = []
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._energy_before: float | None = 0.0
        self._meter = EnergyMeter()
        self._peak_before: dict[str, int] = {}
        self._resumed: Mapping[str, Any] = {}
        self._as_trained = False  # what is saved was trained before the config was changed

    @property
    def seconds(self) -> float:
        """Seconds spent on this run so far, parts that were killed counted up to their last checkpoint."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def energy(self) -> float | None:
        """Joules spent on this run so far, counted as `seconds`; None where any part of it could not be measured."""
        used = self._meter.joules()
        return None if used is None or self._energy_before is None else self._energy_before + used

    @property
    def peak_memory(self) -> dict[str, int]:
        """Largest memory of all processes that worked on this run one after the other; see `cost.peak_memory`."""
        return {place: max(size, self._peak_before.get(place, 0)) for place, size in peak_memory().items()}

    def before_train(self, runner: Any) -> None:
        """Validate the last epoch of a run that was made to end with it, and had not been to when it was trained."""
        validated = self.history[-1]["epoch"] if self.history else 0
        if self.metric is not None and validated < runner.epoch == runner.max_epochs:
            self._as_trained = True
            runner.val_loop.run()
            self._as_trained = False

    def after_train_epoch(self, runner: Any) -> None:
        """Save now if this epoch will not be validated.

        Raises:
            TrainingError: if a weight is not finite; nothing is written.
            ConfigError: if a checkpoint could not keep what a hook or the model saves; nothing is written.
        """
        settle(runner)
        if self.metric is None or not _will_validate(runner):
            self._save(runner, LAST, runner.epoch + 1)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Save the best, then the last.

        Raises:
            TrainingError: if the score is no finite number.
            ConfigError: as `after_train_epoch`.
        """
        if self.metric is None or metrics is None:
            return
        score = float(metrics[self.metric])
        if not math.isfinite(score):
            raise TrainingError(
                f"epoch {runner.epoch}: the validation score {self.metric} is {score}; it chooses nothing"
            )
        self.test_evaluations += self.system.config["evaluation"]["selection"] == "test"
        self.history.append({"epoch": runner.epoch, **{key: float(value) for key, value in metrics.items()}})
        if self.best is None or score > self.best["score"]:
            self.best = {"epoch": runner.epoch, "score": score, "metric": self.metric}
            self._save(runner, BEST, runner.epoch)
        self._save(runner, LAST, runner.epoch)

    def _save(self, runner: Any, name: str, epoch: int) -> None:
        if not is_main_process():
            return
        model = runner.model.module if hasattr(runner.model, "module") else runner.model
        try:
            states = states_of(self.hooks)
            require_tensors(model)
        except ConfigError as error:  # it was fine before the first step
            raise ConfigError(f"epoch {epoch}: {error} Training ends here; what was saved before stays.") from error
        content = {
            "meta": {"epoch": epoch, "iter": runner.iter, "seed": self.system.config["seed"]},
            "state_dict": {key: value.detach().cpu() for key, value in model.state_dict().items()},
            "optimizer": runner.optim_wrapper.state_dict(),
            "message_hub": empty_message_hub(),
            KEY: {
                **(self._resumed if self._as_trained else self._about()),
                "best": self.best,
                "history": self.history,
                "test_evaluations": self.test_evaluations,
                "steps": self.progress.steps,
                "seconds": self.seconds,
                "energy": self.energy,
                "peak_memory": self.peak_memory,
                "hooks": states,
            },
        }
        if name == BEST:
            set_aside(self.folder)
        save(content, self.folder / name)
        if name == LAST:
            settle_best(self.folder)

    def _about(self) -> dict[str, Any]:
        hashes = run_hashes(self.system, self.pictures)
        return {**describe(self.system), "data": hashes, PLUGINS: used_plugins(self.system.config)}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Take back what is ours when mmengine resumes, and leave mmengine the epoch alone.

        Raises:
            CheckpointError: if a hook cannot take its state back.
        """
        own = self._resumed = checkpoint.get(KEY, {})
        self.best, self.history = own.get("best"), list(own.get("history", []))
        config = json.loads(own["config"]) if "config" in own else {}
        on_test = config.get("evaluation", {}).get("selection") == "test"
        self.test_evaluations = own.get("test_evaluations", len(self.history) if on_test else 0)
        if self.anew:
            self.best, self.history = None, []
        meta = checkpoint.get("meta", {})
        # Checkpoints of before steps were counted know the batches.
        accumulate = self.system.config["runtime"]["accumulate"]
        self.progress.steps = own.get("steps", meta.get("iter", 0) // accumulate)
        self._seconds_before = float(own.get("seconds", 0.0))
        self._energy_before = own.get("energy")
        self._peak_before = dict(own.get("peak_memory", {}))
        for name, state in own.get("hooks", {}).items():
            if name in self.hooks:
                try:
                    self.hooks[name].load_state_dict(state)
                except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                    raise CheckpointError(
                        f"{self.folder / LAST}: the hook {name!r} cannot go on from the state that it holds "
                        f"({type(error).__name__}: {error}). Put back a good copy, or start again (--overwrite)."
                    ) from error
        # The optimiser has its state already (resumable.py), which knows what was changed; the message hub has none.
        checkpoint.pop("optimizer", None)
        checkpoint["meta"] = {key: meta[key] for key in ("epoch", "iter") if key in meta}
        checkpoint["message_hub"] = empty_message_hub()


def empty_message_hub() -> dict[str, dict[str, Any]]:
    """What mmengine wants to find in a checkpoint; what it logs is not part of a run's state."""
    return {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}}


def _will_validate(runner: Any) -> bool:
    loop, epoch = runner.train_loop, runner.epoch + 1
    return epoch >= loop.val_begin and (epoch % loop.val_interval == 0 or epoch == loop.max_epochs)
