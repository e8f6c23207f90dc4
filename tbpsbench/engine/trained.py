"""A trained system and the data that it shall be looked at with: what every tool that takes a checkpoint starts from.

Everything but the data comes from the checkpoint. Without a config the data are those that the system was trained on;
a config, or overrides, name others: `data.dataset`, `data.captions`, what is measured and how the machine is used. Such
a config may be whole, or hold what it names and nothing else.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tbpsbench.config.check import is_suite
from tbpsbench.config.flat import canonical, differences
from tbpsbench.config.load import Config, apply_overrides, load_config
from tbpsbench.config.schema import RuntimeSection, with_defaults
from tbpsbench.config.settings import Settings
from tbpsbench.data.evaluation import EvaluationData, evaluation_data
from tbpsbench.data.texts import TextStore
from tbpsbench.distributed import join_processes
from tbpsbench.engine.randomness import make_deterministic
from tbpsbench.errors import ConfigError
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.model.exported import ExportedModel
from tbpsbench.records.identity import data_key, in_first_form
from tbpsbench.system import System, load_system
from tbpsbench.system_exported import require_evaluable

# What may be said of a system that is trained, by section; the rest is the system's own.
OPEN = {
    "data": ("dataset", "captions", "num_workers", "cache_dir"),
    "evaluation": (
        "ties", "metrics", "protocols", "both_directions", "gallery_texts", "batch_size", "skip_unmatched",
        "allow_leak", "rerank", "interactor", "distractors",
    ),
    "runtime": ("threads", "deterministic"),
}  # fmt: skip
# What only training reads, and a name: no difference that a user of a trained system must be told of.
SILENT = (
    "name", "seed", "plugins", "load_from", "optimizer", "param_groups", "schedule", "hooks", "runtime", "evaluation",
    "model.losses", "model.balancer", "data.sampler", "data.batch_size", "data.masked_tokens", "data.mask_shared",
    "data.text_noise", "data.noise", "data.descriptions", "data.views", "data.captions_per_sample",
    "data.more_captions", "data.text_transforms", "data.extras",
)  # fmt: skip
OPEN_KEYS = tuple(f"{section}.{key}" for section, keys in OPEN.items() for key in keys)
MAX_SHOWN = 8


@dataclass(frozen=True)
class Trained:
    """A system, ready to be evaluated.

    Attributes:
        system: from the checkpoint.
        settings: the system's config with the `evaluation` that was asked for: what a record says.
        data: what to evaluate on.
        asked: the same config with the data that were asked for, too.
        notes: what a user should know, e.g. keys of the config that were not used.
    """

    system: System
    settings: Settings
    data: EvaluationData
    asked: Settings
    notes: tuple[str, ...] = ()


def open_trained(checkpoint: str | Path, config: str | Path | None = None, options: Sequence[str] = ()) -> Trained:
    """Load a system and the evaluation side of a data set.

    Args:
        checkpoint: see `load_system`.
        config: names the data and the evaluation; None for those that the system was trained with. It may be a whole
            config, or hold `data` and `evaluation` alone, and of these only what is to be other than in training.
        options: overrides, KEY=VALUE.

    Raises:
        CheckpointError: if the system cannot be loaded.
        ConfigError, DataError: if the config, an override or the data are wrong; an override of what the checkpoint
            decides is refused.
    """
    join_processes()
    system = load_system(checkpoint)
    own = copy.deepcopy(dict(system.config))
    if config is None:
        asked = Config(Path(checkpoint), copy.deepcopy(own))
        apply_overrides(asked, options)
        require_evaluable(system.notes, asked)
        closed = _closed(own, with_defaults(asked.values))
        if closed:
            raise ConfigError(
                f"{checkpoint}: this is part of the trained system and cannot be overridden: {_listed(closed)}. "
                f"What can: {', '.join(OPEN_KEYS)}"
            )
        notes: tuple[str, ...] = ()
    else:
        asked = load_config(config, options)
        if "model" not in asked.values and not is_suite(asked):
            asked.values = _completed(own, asked.values)
        require_evaluable(system.notes, asked, other_model=True)
        closed = [key for key in _closed(own, with_defaults(asked.values)) if not _below(key, SILENT)]
        notes = (f"from the checkpoint, not from {config}: {_listed(closed)}",) if closed else ()
    read = Settings.of({**own, **_opened(own, with_defaults(asked.values))})
    require_evaluable(system.notes, Config(asked.path, read.values(), asked.origins))
    use_machine(read.runtime)
    if isinstance(system.model, ExportedModel):
        system.model.open()  # with the threads that were asked for
    told = Settings.of({**own, "evaluation": vars(read.evaluation)})
    return Trained(system, told, evaluation_of(system, read), read, notes)


def use_machine(runtime: RuntimeSection) -> None:
    """Threads and determinism as a config asks for."""
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    make_deterministic(runtime.deterministic)


def evaluation_of(system: System, settings: Settings) -> EvaluationData:
    """The evaluation side of the data that a config names, read as the system reads.

    Raises:
        ConfigError, DataError: if the data cannot be had.
    """
    texts = TextStore(system.tokenizer)
    return evaluation_data(settings.data, settings.evaluation.gallery_texts, texts, system.preprocess)


def known_texts(system: System, data: EvaluationData) -> TrainingTexts | None:
    """What the leak guard must know of the training texts: from the checkpoint, or, where that does not say (released
    weights), from the data set that its config names, if it is the evaluated one; None where nothing is known."""
    if system.trained_on is not None:
        return system.trained_on.texts
    own = data_key(system.config["data"]["dataset"]) == data_key(data.sources.component)
    return data.sources.training_texts() if own else None


def _completed(own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A config without a model, which names data or an evaluation alone: the rest is the system's."""
    filled = {**own, **asked}
    for section in OPEN:
        if isinstance(filled[section], Mapping):
            filled[section] = {**own[section], **filled[section]}
    return filled


def _opened(own: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a system's config with what is open taken from another config."""
    return {section: {**own[section], **{key: asked[section][key] for key in keys}} for section, keys in OPEN.items()}


def _closed(own: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Keys that differ and are the checkpoint's to decide."""
    before, after = (json.loads(canonical(in_first_form(config))) for config in (own, asked))
    changed = differences(before, after)
    return [key for key in changed if not _below(key, OPEN_KEYS) and key != "name"]


def _below(key: str, names: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - MAX_SHOWN} more" if len(keys) > MAX_SHOWN else ""
    return ", ".join(keys[:MAX_SHOWN]) + more
