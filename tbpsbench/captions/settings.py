"""The config of tools/caption.py: what is captioned, by which source, which models, how much it may cost.

    dataset = dict(type="MiniPEDES")
    source = dict(type="mtg", rounds=6)
    mllm = dict(type="OpenAICompatible", model="Qwen/Qwen2-VL-7B-Instruct", base_urls=["http://127.0.0.1:8000/v1"])

It is read as every other config (docs/config.md): literals, `_base_`, `--cfg-options`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.captions.ask import Decoding, Validation
from tbpsbench.captions.generate import IMAGES_AT_ONCE
from tbpsbench.captions.generated import GeneratedSource
from tbpsbench.config.load import Config
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.entries import Entry, Problem, argument_problems
from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.mllm.meter import Budget
from tbpsbench.reading import given_path

CLIENTS = ("mllm", "reconstructor", "masker", "describer")


@dataclass
class CaptionSettings:
    """Sections and keys.

    Attributes:
        dataset: a DATASETS component: the images.
        source: a CAPTION_SOURCES component: what is asked. Its `name` is that of the caption file.
        mllm: a MLLM_CLIENTS component: who looks at the images.
        reconstructor: merges static caption and answers (the paper: GPT-4o); default: `mllm`.
        masker: takes attributes out of captions, for source.masking="model"; default: `mllm`.
        describer: names styles and writes in them; default: `mllm`.
        splits: whose images are captioned.
        out: folder of the run; default: captions/NAME below the data set's root.
        temperature, retry_temperature, retries, validation: see `Decoding`.
        budget: dict(calls=, tokens=, usd=): the run stops before it would pass one of them, all its starts together.
        cache: keep every reply, so that nothing is asked twice.
        recording: also append requests and replies to FOLDER/replies-WHO.jsonl, for the client Replay.
        images_at_once: images that are worked on at a time; how many calls a server gets settles by itself.
        retriever: dict(checkpoint=...): answers that fit the image worse than the static caption by more than
            source.margin are dropped.
        name: of the config.
    """

    dataset: dict[str, Any]
    source: dict[str, Any]
    mllm: dict[str, Any]
    reconstructor: dict[str, Any] | None = None
    masker: dict[str, Any] | None = None
    describer: dict[str, Any] | None = None
    splits: tuple[str, ...] = ("train",)
    out: str | None = None
    temperature: float = 0.01
    retry_temperature: float = 0.7
    retries: int = 2
    validation: Validation = "strict"
    budget: dict[str, float] | None = None
    cache: bool = True
    recording: bool = False
    images_at_once: int = IMAGES_AT_ONCE
    retriever: dict[str, Any] | None = None
    name: str | None = None

    @property
    def decoding(self) -> Decoding:
        """How models answer."""
        return Decoding(self.temperature, self.retry_temperature, self.retries, self.validation)

    @property
    def limits(self) -> Budget:
        """What may be spent."""
        return Budget(**(self.budget or {}))  # type: ignore[arg-type]

    def clients(self, wanted: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        """Who is asked for what: the clients that a source wants, those that are not given being `mllm`."""
        return {who: getattr(self, who) or self.mllm for who in wanted}

    def folder(self, dataset: PersonSearchDataset, source: GeneratedSource) -> Path:
        """Where the run is kept."""
        return given_path(self.out) if self.out else dataset.root / "captions" / source.name


def is_captions(config: Config) -> bool:
    """Whether a file is a config of captions and none of a training run."""
    return "source" in config.values and "model" not in config.values


def read_settings(config: Config) -> CaptionSettings:
    """Check a config and read it.

    Raises:
        ConfigError: listing every problem.
    """
    found = [*_problems(config.values)]
    if found:
        lines = "".join(f"\n  {line}" for problem in found for line in str(problem).splitlines())
        raise ConfigError(f"{config.path}: {len(found)} problem{'s' * (len(found) > 1)}{lines}")
    values = dict(config.values)
    if isinstance(values.get("splits"), list):
        values["splits"] = tuple(values["splits"])
    return CaptionSettings(**values)


def build_source(settings: CaptionSettings) -> GeneratedSource:
    """The source of a config.

    Raises:
        ConfigError: if its texts are not generated.
    """
    source = registry.CAPTION_SOURCES.build(settings.source, "source")
    if not isinstance(source, GeneratedSource):
        raise ConfigError(f"source: {settings.source['type']!r} makes no captions: its file comes with the data set.")
    return source


def build_dataset(settings: CaptionSettings) -> PersonSearchDataset:
    """The data set of a config."""
    dataset: PersonSearchDataset = registry.DATASETS.build(settings.dataset, "dataset")
    return dataset


def _problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    parameters = dict(inspect.signature(CaptionSettings).parameters)
    known = [field.name for field in fields(CaptionSettings)]
    for key in values:
        if key not in known:
            hint = f"Keys: {', '.join(known)}"
            yield Problem(key, f"a caption config has no key {key!r}.{did_you_mean(key, known)}", hint)
    entry: Entry[Any] = Entry(CaptionSettings, "tbpsbench/captions/settings.py", parameters=parameters)
    given = {key: value for key, value in values.items() if key in known}
    for problem in argument_problems(entry, given, "", set(), "a caption config"):
        yield replace(problem, path=problem.path.lstrip("."))
    for key, slot in (("dataset", registry.DATASETS), ("source", registry.CAPTION_SOURCES)):
        if key in values:
            yield from slot.problems(values[key], key)
    for key in CLIENTS:
        if values.get(key) is not None:
            yield from registry.MLLM_CLIENTS.problems(with_annotations(values[key], Path("human.jsonl")), key)
    budget = values.get("budget") or {}
    bounds = [field.name for field in fields(Budget)]
    for key, bound in budget.items() if isinstance(budget, Mapping) else ():
        if key not in bounds:
            yield Problem(f"budget.{key}", f"a budget has no {key!r}.{did_you_mean(key, bounds)}", ", ".join(bounds))
        elif bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float) or bound < 0):
            yield Problem(f"budget.{key}", f"is {bound!r}, expected a number of 0 or more")
    for key, least in (("images_at_once", 1), ("retries", 0), ("temperature", 0), ("retry_temperature", 0)):
        value = values.get(key, least)
        if isinstance(value, int | float) and value < least:
            yield Problem(key, f"is {value!r}, expected {least} or more")


def with_annotations(config: Any, human: Path) -> Any:
    """A client's config with the annotation file that it asks for, where it asks and was not given one."""
    if not isinstance(config, Mapping) or not isinstance(config.get("type"), str) or "annotations" in config:
        return config
    try:
        wants = "annotations" in registry.MLLM_CLIENTS.entry(config["type"]).parameters
    except RegistryError:
        return config
    return {**config, "annotations": str(human)} if wants else config
