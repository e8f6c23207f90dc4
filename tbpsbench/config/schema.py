"""The shape of every config: sections, their keys and their defaults.

A section's keys are the constructor arguments of its dataclass here: unknown, missing and wrongly typed keys are
found by the same check that finds them in a component.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tbpsbench import registry
from tbpsbench.config.caption_files import caption_source
from tbpsbench.config.open_sections import FRAME, OpenSection, is_open, optimizer_entry
from tbpsbench.config.places import slot_at


@dataclass
class DataSection:
    """`data`: what is read and how it becomes batches.

    Attributes:
        dataset: a DATASETS component.
        captions: the query captions: a CAPTION_SOURCES component, its bare name, or the name of an annotation file.
            Where these captions are for training alone, a search is asked the data set's own.
        descriptions: name of texts made from the images (roles identity, clothing), or None; this, `more_captions` and
            `evaluation.gallery_texts` take the names that `captions` takes.
        tokenizer: a TOKENIZERS component.
        size: height and width of the images in pixels.
        interpolation: how images are resized.
        mean, std: per channel, of pixel values scaled to 0..1.
        transforms: TRANSFORMS components for training, in order; evaluation only normalises.
        views: name -> TRANSFORMS components that draw a further view of the image for losses; an empty list stands for
            `transforms`. Their features are called `view.NAME.FEATURE`.
        captions_per_sample: captions of the image in one sample: the query, and others of the same image in the roles
            query_2, query_3, ... for losses.
        more_captions: names of further annotation files with captions of the same images (translated back, say), which
            text transforms may show in place of a caption.
        text_transforms: TEXT_TRANSFORMS components that change the captions of a sample, in order.
        extras: names of attributes of the images that losses read, as `extras.NAME`.
        sampler: a SAMPLERS component.
        batch_size: training pairs per step, over all processes.
        num_workers: loader processes.
        masked_tokens: draw masked tokens for a masked-language-modelling loss.
        mask_shared: mask the query caption itself, so that every loss sees masked tokens (IRRA's released code);
            otherwise they go only to losses that ask for the role "masked" (IRRA's paper).
        text_noise: probability that a token of a training caption is masked, replaced or deleted (RDE: 0.2).
        noise: share of training captions that are shuffled (0..1), or a file with a permutation.
        cache_dir: where decoded images are kept; default below the data set's root.
    """

    dataset: dict[str, Any]
    tokenizer: dict[str, Any]
    size: tuple[int, int]
    batch_size: int
    captions: str | dict[str, Any] = "human"
    descriptions: str | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    transforms: list[dict[str, Any]] = field(default_factory=list)
    views: dict[str, Any] = field(default_factory=dict)
    captions_per_sample: int = 1
    more_captions: list[str] = field(default_factory=list)
    text_transforms: list[dict[str, Any]] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    sampler: dict[str, Any] = field(default_factory=lambda: {"type": "Shuffle"})
    num_workers: int = 2
    masked_tokens: bool = False
    mask_shared: bool = False
    text_noise: float = 0.0
    noise: float | str | None = None
    cache_dir: str | None = None


@dataclass
class ModelSection:
    """`model`: the slots of PersonSearchModel. With another `type`, of a plug-in, the arguments of that class."""

    image_encoder: dict[str, Any]
    text_encoder: dict[str, Any]
    heads: dict[str, dict[str, Any] | None]
    losses: dict[str, dict[str, Any] | None]
    disentangler: dict[str, Any] | None = None
    fuser: dict[str, Any] | None = None
    balancer: dict[str, Any] = field(default_factory=lambda: {"type": "Fixed"})
    cut_texts: bool = True
    type: Literal["PersonSearchModel"] = "PersonSearchModel"


@dataclass
class ScheduleSection:
    """`schedule`: how long, and the learning rate over time (a factor of each group's rate).

    Attributes:
        max_epochs: epochs.
        type: after the warm-up: cosine to `min_factor`, constant, or multistep; or a plug-in's, whose arguments then
            stand in the place of `min_factor`, `milestones` and `gamma`.
        warmup_epochs, warmup_factor: linear from the factor to 1.
        min_factor: where the cosine ends.
        milestones, gamma: multistep: multiply by gamma at each milestone (epochs).
        per: change the rate every "epoch" (IRRA) or every "iteration".
    """

    max_epochs: int
    type: Literal["cosine", "constant", "multistep"] = "cosine"
    warmup_epochs: float = 0.0
    warmup_factor: float = 0.1
    min_factor: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    per: Literal["epoch", "iteration"] = "epoch"


@dataclass
class EvaluationSection:
    """`evaluation`: what is measured, when, and how the checkpoint is chosen.

    Attributes:
        selection: "val" keeps the best epoch on validation, "last" the last, "test" the best on test (a badge).
        interval: epochs between validations.
        metric: what "best" means; a key of the result.
        ties: rule for equal similarities (protocol.md section 2).
        metrics: METRICS components.
        protocols: names of PROTOCOLS; the first one's scores choose the checkpoint.
        rerank: RERANKERS components that order the results of text-to-image search anew, one after the other (track
            rerank); not applied where the checkpoint is chosen.
        interactor: INTERACTORS component that talks about the queries of text-to-image search (track interactive); not
            where the checkpoint is chosen.
        distractors: folder of pictures that match nobody, for the protocol "distractors".
        both_directions: also image -> text.
        gallery_texts: name of the annotation file whose texts the gallery side may use, or None (track gallery-text).
        batch_size: images or texts per forward pass.
        skip_unmatched: leave out queries without a match instead of refusing; the number is reported.
        allow_leak: go on where the leak guard refuses; the record says so.
    """

    selection: Literal["val", "last", "test"] = "val"
    interval: int = 1
    metric: str = "R@1"
    ties: Literal["pessimistic", "stable", "optimistic", "expected"] = "pessimistic"
    metrics: list[dict[str, Any]] = field(
        default_factory=lambda: [{"type": "RecallAtK"}, {"type": "MeanAP"}, {"type": "MeanINP"}]
    )
    protocols: tuple[str, ...] = ("standard",)
    rerank: list[dict[str, Any]] = field(default_factory=list)
    interactor: dict[str, Any] | None = None
    distractors: str | None = None
    both_directions: bool = False
    gallery_texts: str | None = None
    batch_size: int = 256
    skip_unmatched: bool = False
    allow_leak: bool = False


@dataclass
class RuntimeSection:
    """`runtime`: how the machine is used.

    Attributes:
        amp: "bf16" or "fp16" autocast; None trains in float32.
        accumulate: batches per optimiser step; what is left at the end of an epoch makes a step of its own.
        clip_grad_norm: largest norm of the gradient, or None.
        threads: CPU threads of torch; None leaves torch's choice.
        compile: torch.compile the encoders.
        deterministic: choose operations that do not differ from run to run, and warn where there is none.
        log_interval: batches between log lines.
    """

    amp: Literal["bf16", "fp16"] | None = None
    accumulate: int = 1
    clip_grad_norm: float | None = None
    threads: int | None = None
    compile: bool = False
    deterministic: bool = True
    log_interval: int = 10


SECTIONS: dict[str, type] = {
    "data": DataSection,
    "model": ModelSection,
    "schedule": ScheduleSection,
    "evaluation": EvaluationSection,
    "runtime": RuntimeSection,
}
TOP_LEVEL = (*SECTIONS, "optimizer", "param_groups", "hooks", "seed", "plugins", "name", "load_from")
REQUIRED = ("data", "model", "optimizer", "schedule")


def optimizer_names() -> list[str]:
    """Names of torch.optim's optimisers, and of those that plug-ins brought."""
    return registry.OPTIMIZERS.names()


def taken_at(path: tuple[str, ...], name: str) -> Mapping[str, inspect.Parameter]:
    """Arguments that a config may give to the component called `name` at a place of a slot.

    Raises:
        RegistryError: if there is none of this name.
    """
    slot, place = slot_at(path), ".".join(path)
    assert slot is not None
    if place in SECTIONS and not is_open(place, {"type": name}):
        return inspect.signature(SECTIONS[place]).parameters
    taken = optimizer_entry(name).parameters if place == "optimizer" else slot.entry(name).parameters
    return {**(frame() if place == "schedule" else {}), **taken}


def frame() -> dict[str, inspect.Parameter]:
    """The keys of `schedule` that every run has, whatever its type."""
    return {key: p for key, p in inspect.signature(ScheduleSection).parameters.items() if key in FRAME}


def read_section(name: str, values: Mapping[str, Any]) -> Any:
    """A section with its defaults: one of SECTIONS, or a plug-in's."""
    if not is_open(name, values):
        return SECTIONS[name](**values)
    usual = {key: p.default for key, p in frame().items() if p.default is not p.empty} if name == "schedule" else {}
    return OpenSection(**{**usual, **values})


def with_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The config with every section's defaults filled in; what the engine reads."""
    filled: dict[str, Any] = dict(values)
    for name in SECTIONS:
        filled[name] = vars(read_section(name, values.get(name, {})))
    filled["data"]["captions"] = caption_source(filled["data"]["captions"])
    model = filled["model"]
    named = [(filled["data"], "views")]
    if not is_open("model", model):
        model["balancer"] = _without_removed(model["balancer"], model["losses"])
        named += [(model, "losses"), (model, "heads")]
    for section, name in named:
        section[name] = {key: value for key, value in section[name].items() if value is not None}
    filled.setdefault("param_groups", None)
    filled["hooks"] = {key: value for key, value in (values.get("hooks") or {}).items() if value is not None}
    filled.setdefault("seed", 0)
    filled.setdefault("plugins", [])
    start = filled.pop("load_from", None)
    if start is not None:
        filled["load_from"] = {"file": start} if isinstance(start, str) else dict(start)
    return filled


def _without_removed(balancer: Mapping[str, Any], losses: Mapping[str, Any]) -> dict[str, Any]:
    """The balancer's config without what it says of losses that were removed with `model.losses.NAME=None`."""
    removed = [name for name, loss in losses.items() if loss is None]
    kept = dict(balancer)
    if isinstance(kept.get("weights"), Mapping):
        kept["weights"] = {name: weight for name, weight in kept["weights"].items() if name not in removed}
    if isinstance(kept.get("balance"), list | tuple):
        kept["balance"] = [name for name in kept["balance"] if name not in removed]
    return kept
