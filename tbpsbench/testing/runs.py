"""Whole runs on tiny MiniPEDES, and the contract of hooks, which only a run can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tbpsbench import registry
from tbpsbench.config.load import load_config
from tbpsbench.engine.hooks import Hook, RunState
from tbpsbench.engine.kept import first_state, odd_state
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training, train
from tbpsbench.engine.workdir import LAST, WorkDir
from tbpsbench.testing.toy import Component
from tbpsbench.weights.files import read_state_dict

SMALL = ("data.batch_size=16", "data.num_workers=0")


def mock_run(config: str | Path, folder: str | Path, *overrides: str) -> dict[str, Any]:
    """Train and evaluate a config for one epoch on tiny MiniPEDES below `folder`, and return its record.

    Raises:
        TBPSError: whatever is wrong with the config.
    """
    options = [_tiny(folder), "schedule.max_epochs=1", *SMALL, *overrides]
    return train(config, Path(folder) / "run", options, resume="auto")


def check_hook(config: Component, run: str | Path, folder: str | Path, *overrides: str) -> None:
    """A hook leaves the run as it found it, and a run that was stopped and resumed equals one that was not.

    Two epochs of a run's config are trained with it on tiny MiniPEDES, twice: at once, and with a stop in between.

    Args:
        config: the hook's component.
        run: config of a run that the hook can work in; a hook of the same type in it is replaced.
        folder: an empty folder, e.g. pytest's `tmp_path`.
        *overrides: of the run's config, KEY=VALUE.

    Raises:
        TBPSError: whatever is wrong with the config.
    """
    odd = odd_state(first_state(registry.HOOKS.build(config, "hook")))
    assert odd is None, odd
    options = [_tiny(folder), "schedule.max_epochs=2", "evaluation.interval=1", *SMALL, *overrides]
    hooks = load_config(run, options).values.get("hooks") or {}
    name = next((key for key, value in hooks.items() if value["type"] == config["type"]), "checked")
    options += [*([f"hooks.{name}=None"] if name in hooks else []), f"hooks.{name}={dict(config)!r}"]
    whole = _trained(run, options, Path(folder) / "whole", name)
    _trained(run, options, Path(folder) / "stopped", name, stop=True)
    resumed = _trained(run, options, Path(folder) / "stopped", name)
    mine, theirs = (_comparable(each.hooks[name].state_dict()) for each in (resumed, whole))
    assert mine == theirs, (
        "after a stop the hook has another state, expected that of a run without: see load_state_dict"
    )
    # Not the models themselves, which end as the best epoch left them.
    ends = [read_state_dict(each.workdir.path / LAST) for each in (resumed, whole)]
    for key, value in ends[1].items():
        assert torch.equal(ends[0][key], value), (
            f"{key} of a resumed run differs from that of a run without a stop, expected equal ones: return from "
            "state_dict whatever the hook remembers, and draw from (state.seed, state.epoch)"
        )


class _Stopped(Exception):
    """The run was killed here."""


class _Stop(Hook):
    def before_epoch(self, state: RunState) -> None:
        if state.epoch == 1:
            raise _Stopped


class _Watched(Hook):
    """A hook, with what it must leave alone looked at after each of its points."""

    def __init__(self, hook: Hook) -> None:
        assert isinstance(hook, Hook), f"it is a {type(hook).__name__}, expected a Hook"
        self.hook = hook

    def before_epoch(self, state: RunState) -> None:
        self._watch("before_epoch", state)

    def after_step(self, state: RunState) -> None:
        self._watch("after_step", state)

    def before_eval(self, state: RunState) -> None:
        self._watch("before_eval", state)

    def _watch(self, point: str, state: RunState) -> None:
        modes, epoch = _modes(state), state.data.sampler.epoch
        getattr(self.hook, point)(state)
        changed = [name or "the whole" for name, mode in _modes(state).items() if mode != modes.get(name, mode)]
        assert not changed, (
            f"{point} changed the model's mode (training is {state.model.training}, changed: "
            f"{', '.join(changed[:3])}), expected it as found"
        )
        assert state.data.sampler.epoch == epoch, (
            f"{point} left the data at epoch {state.data.sampler.epoch}, expected {epoch}, as found: data.set_epoch"
        )
        for key, value in state.log.items():
            assert isinstance(value, int | float), f"{point} logs {key} as {type(value).__name__}, expected a number"

    def state_dict(self) -> dict[str, Any]:
        state = self.hook.state_dict()
        odd = odd_state(state)
        assert odd is None, odd
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.hook.load_state_dict(state)


def _modes(state: RunState) -> dict[str, bool]:
    return {name: module.training for name, module in state.model.named_modules()}


def _trained(config: str | Path, options: Sequence[str], folder: Path, name: str, *, stop: bool = False) -> Training:
    workdir = WorkDir(folder, resume="auto")
    try:
        training = Training(build_run(load_config(config, options)), workdir)
        training.hooks[name] = _Watched(training.hooks[name])
        if stop:
            training.hooks["stop"] = _Stop()
        training.train()
    except _Stopped:
        pass
    finally:
        workdir.release()
    return training


def _tiny(folder: str | Path) -> str:
    return f"data.dataset=dict(type='MiniPEDES', root={str(Path(folder) / 'data')!r}, size='tiny')"


def _comparable(value: Any) -> Any:
    """Plain data in place of tensors."""
    if isinstance(value, Mapping):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
