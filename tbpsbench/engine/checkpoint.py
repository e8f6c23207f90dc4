"""Checkpoints of a run in training: whole or absent, and refused where they would continue a different run.

They have the form of weights/checkpoint.py: the system whole, and besides it what a resumed run needs.

Order at the end of an epoch: best.pth (if this epoch is the best), then last.pth. A process killed between the two goes
on from the epoch before and writes the same best.pth again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook as EngineHook

from tbpsbench.config.flat import canonical, differences
from tbpsbench.engine.cost import peak_memory
from tbpsbench.engine.energy import EnergyMeter
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.workdir import BEST, LAST
from tbpsbench.errors import CheckpointError
from tbpsbench.records.identity import in_first_form, same_run
from tbpsbench.system import System
from tbpsbench.system_files import describe
from tbpsbench.weights.checkpoint import KEY, save
from tbpsbench.weights.files import read_checkpoint


class Checkpointer(EngineHook):
    """Save best.pth and last.pth after every epoch, and the score that best.pth has.

    Args:
        folder: the run's folder.
        system: what is trained.
        metric: key of the validation scores that decides; None where no checkpoint is selected.
        hooks: the config's hooks, whose states are saved.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        folder: Path,
        system: System,
        metric: str | None,
        hooks: Mapping[str, Hook],
    ) -> None:
        self.folder, self.system = folder, system
        self.metric, self.hooks = metric, hooks
        self.best: dict[str, Any] | None = None
        self.history: list[dict[str, Any]] = []
        self._seconds_before, self._started = 0.0, time.monotonic()
        self._energy_before: float | None = 0.0
        self._meter = EnergyMeter()
        self._peak_before: dict[str, int] = {}

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

    def after_train_epoch(self, runner: Any) -> None:
        """Save now if this epoch will not be validated."""
        if self.metric is None or not _will_validate(runner):
            self._save(runner, LAST, runner.epoch + 1)

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Save the best, then the last."""
        if self.metric is None or metrics is None:
            return
        score = float(metrics[self.metric])
        self.history.append({"epoch": runner.epoch, **{key: float(value) for key, value in metrics.items()}})
        if self.best is None or score > self.best["score"]:
            self.best = {"epoch": runner.epoch, "score": score, "metric": self.metric}
            self._save(runner, BEST, runner.epoch)
        self._save(runner, LAST, runner.epoch)

    def _save(self, runner: Any, name: str, epoch: int) -> None:
        if not is_main_process():
            return
        model = runner.model.module if hasattr(runner.model, "module") else runner.model
        content = {
            "meta": {"epoch": epoch, "iter": runner.iter, "seed": self.system.config["seed"]},
            "state_dict": {key: value.detach().cpu() for key, value in model.state_dict().items()},
            "optimizer": runner.optim_wrapper.state_dict(),
            "message_hub": {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}},
            KEY: {
                **describe(self.system),
                "data": run_hashes(self.system),
                "best": self.best,
                "history": self.history,
                "seconds": self.seconds,
                "energy": self.energy,
                "peak_memory": self.peak_memory,
                "hooks": {name: hook.state_dict() for name, hook in self.hooks.items()},
            },
        }
        save(content, self.folder / name)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Take back what is ours when mmengine resumes."""
        own = checkpoint.get(KEY, {})
        self.best, self.history = own.get("best"), list(own.get("history", []))
        self._seconds_before = float(own.get("seconds", 0.0))
        self._energy_before = own.get("energy")
        self._peak_before = dict(own.get("peak_memory", {}))
        for name, state in own.get("hooks", {}).items():
            if name in self.hooks:
                self.hooks[name].load_state_dict(state)


def run_hashes(system: System) -> dict[str, str]:
    """SHA-256 of everything that decides what a model in training reads: caption files and the tokenizer."""
    hashes = {} if system.trained_on is None else dict(system.trained_on.hashes)
    return hashes | {"tokenizer": system.tokenizer.sha256}


def run_changes(own: Mapping[str, Any], system: System, may_differ: Callable[[str], bool] = same_run) -> list[str]:
    """How a system differs from what a run's checkpoint says about its own, a line for each difference.

    Args:
        own: what the checkpoint says, of any form.
        system: as config and data make it now.
        may_differ: tells the keys of the config that need not be equal.
    """
    data, kept = run_hashes(system), in_first_form(json.loads(str(own["config"])))
    changed = differences(kept, json.loads(canonical(in_first_form(system.config))))
    return [f"\n  {key}: {old!r} -> {new!r}" for key, (old, new) in changed.items() if not may_differ(key)] + [
        f"\n  annotations {name}: {old[:12]} -> {data.get(name, '(absent)')[:12]}"
        for name, old in dict(own.get("data") or {}).items()
        if data.get(name) != old
    ]


def _will_validate(runner: Any) -> bool:
    loop, epoch = runner.train_loop, runner.epoch + 1
    return epoch >= loop.val_begin and (epoch % loop.val_interval == 0 or epoch == loop.max_epochs)


def guard_resume(path: Path, system: System, allowed: Collection[str]) -> None:
    """Refuse to go on with a run whose config or data have changed since, which mmengine would ignore or mix.

    Args:
        path: last.pth of the run.
        system: what is to be trained, as it is now.
        allowed: keys (or beginnings of keys) that may differ, from `--allow-config-change`.

    Raises:
        CheckpointError: naming every changed key with its old and new value.
    """
    own = read_checkpoint(path).get(KEY)
    if not isinstance(own, Mapping) or "config" not in own:
        raise CheckpointError(f"{path}: not a checkpoint of tools/train.py, cannot be resumed")
    lines = run_changes(own, system, lambda key: same_run(key, tuple(allowed)))
    if lines:
        raise CheckpointError(
            f"{path}: the run was started with other settings:{''.join(lines)}\n"
            "Keep the old ones, or start again (--overwrite, --work-dir), or, if you mean it, name the keys with "
            "--allow-config-change KEY."
        )
