"""From a checked config to everything that a run is built from: data, model, system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tbpsbench.backbones.base import TextEncoder
from tbpsbench.config.limits import seed_problem
from tbpsbench.config.load import Config
from tbpsbench.config.resolve import fill_from_data
from tbpsbench.config.settings import Settings
from tbpsbench.data.cache import build_cache
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.data.sources import read_sources
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.training import TrainingData, build_tokenizer, build_training
from tbpsbench.distributed import join_processes
from tbpsbench.engine.randomness import seed_epoch
from tbpsbench.engine.start import find_start
from tbpsbench.engine.trained import use_machine
from tbpsbench.errors import ConfigError
from tbpsbench.model.base import SearchModel, model_of
from tbpsbench.model.person_search import BatchToDevice
from tbpsbench.records.environment import code_version
from tbpsbench.system import System
from tbpsbench.trained_on import TrainedOn


@dataclass
class Run:
    """Everything that a run is built from.

    Attributes:
        settings: the resolved config.
        system: what it trains.
        training: what it trains on.
        evaluation: queries and galleries of the same data set.
        notes: what a user should know, e.g. what `load_from` did not find.
        pictures: hash of the decoded pictures; None where it is not known.
    """

    settings: Settings
    system: System
    training: TrainingData
    evaluation: EvaluationData
    notes: tuple[str, ...] = ()
    pictures: str | None = None

    def after(self, changes: Sequence[Mapping[str, Any]]) -> Run:
        """The same run, of which records say that its config was changed (records/changed.py)."""
        assert self.system.trained_on is not None
        trained_on = replace(self.system.trained_on, changes=changes)
        return replace(self, system=replace(self.system, trained_on=trained_on))

    @property
    def name(self) -> str:
        """Of the config."""
        return self.system.name

    @property
    def model(self) -> SearchModel:
        """The system's."""
        return self.system.model


def build_run(config: Config, *, seed: int | None = None, folder: Path | None = None) -> Run:
    """Build data and model of a checked config, from its seed alone (or from `seed`, where that is given).

    Args:
        config: checked.
        seed: instead of the config's.
        folder: of the run; one that is there already is resumed, and takes nothing from `load_from` again.

    Raises:
        ConfigError, DataError, CheckpointError: whatever is wrong with config, data or pretrained weights.
    """
    if seed is not None and (problem := seed_problem(seed)):
        raise ConfigError(str(problem))
    join_processes()
    code_version()
    settings = Settings.of(config.values)
    if seed is not None:
        settings.seed = seed
    runtime = settings.runtime
    use_machine(runtime)
    section = settings.data
    sources = read_sources(section, settings.evaluation.gallery_texts)
    start = None
    if settings.load_from is not None:
        start = find_start(settings.load_from, folder)
        settings.load_from = {**settings.load_from, "system": start.told["system_sha256"]}
    tokenizer = build_tokenizer(section, sources) if start is None else start.build_tokenizer(section)
    texts, preprocess = TextStore(tokenizer), Preprocess.of(section)
    images = build_cache(
        sources.annotations,
        preprocess.size,
        preprocess.interpolation,
        cache_dir=sources.cache_dir,
        workers=max(1, section.num_workers),
    )
    training = build_training(section, sources, texts, preprocess, images, settings.seed)
    seed_epoch(settings.seed, -1)
    filled = fill_from_data(vars(settings.model), training.facts, "model")
    model = model_of(filled, training.roles)
    if isinstance(encoder := model.encoders.get("text_encoder"), TextEncoder):
        _require_fit(training.tokenizer, encoder)
    _require_room(model.losses, training.facts)
    notes = () if start is None else (*start.load(model), *start.preprocess_notes(preprocess))
    model.data_preprocessor = BatchToDevice()
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if runtime.compile:
        for encoder in model.encoders.values():
            encoder.compile()
    learnt = sources.training_texts()
    if start is not None and start.texts is not None:
        learnt = replace(learnt, earlier=(start.texts,))
    told = None if start is None else start.told
    trained_on = TrainedOn(sources.name, sources.provenance(), learnt, sources.hashes, told)
    system = System(config.name, model, texts.tokenizer, preprocess, settings.values(), training.facts, trained_on)
    evaluation = EvaluationData(sources, texts, preprocess, images, section.num_workers)
    return Run(settings, system, training, evaluation, notes, images.sha256)


def _require_fit(tokenizer: Tokenizer, encoder: TextEncoder) -> None:
    """What the static check finds where it can: a vocabulary, or positions, that only the built parts know."""
    kind, reader = type(tokenizer).__name__, type(encoder).__name__
    if tokenizer.max_length > encoder.max_length:
        raise ConfigError(
            f"data.tokenizer: {kind} makes texts of up to {tokenizer.max_length} tokens, but {reader} has "
            f"{encoder.max_length} positions. Shorten the texts, or give the encoder more positions."
        )
    tables = [module.num_embeddings for module in encoder.modules() if isinstance(module, torch.nn.Embedding)]
    if tables and tokenizer.vocab_size > max(tables):
        raise ConfigError(
            f"data.tokenizer: {kind} has {tokenizer.vocab_size} ids, but {reader} has embeddings for {max(tables)}. "
            "Use the vocabulary that the encoder was made for, or set its vocab_size to 'from_data:vocab_size'."
        )


def _require_room(losses: torch.nn.ModuleDict, facts: Mapping[str, Any]) -> None:
    """Refuse a loss with fewer classes than the data have labels: torch would stop at the first label beyond them.

    Args:
        losses: by name; `at_least` of one maps its arguments to the facts that they must not be below.
        facts: of the training data.
    """
    for name, loss in losses.items():
        for argument, fact in getattr(loss, "at_least", {}).items():
            if (size := getattr(loss, argument)) < facts.get(fact, 0):
                raise ConfigError(
                    f"model.losses.{name}.{argument}: is {size}, but the training data have {facts[fact]} ({fact}): "
                    f"{type(loss).__name__} could meet labels up to {facts[fact] - 1}. Set it to 'from_data:{fact}'."
                )
