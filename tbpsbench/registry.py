"""Every slot on one screen. A name in a config is looked up here; builtins.py says in which file it lives.

`context` lists the constructor arguments that the framework supplies to classes that ask for them by name, so that a
config need not repeat what is known: widths of encoders, number of identities, ...
"""

from __future__ import annotations

from typing import Any

from tbpsbench.builtins import BUILTINS, torch_optimizers
from tbpsbench.registration import Registry


def _slot(name: str, kind: str, base: str, *context: str) -> Registry[Any]:
    return Registry(name, kind, f"tbpsbench.{base}", BUILTINS.get(name, {}), context)


# what is learnt
IMAGE_ENCODERS = _slot("IMAGE_ENCODERS", "image encoder", "backbones.base:ImageEncoder")
TEXT_ENCODERS = _slot("TEXT_ENCODERS", "text encoder", "backbones.base:TextEncoder")
HEADS = _slot("HEADS", "head", "heads.base:Head", "dims")
DISENTANGLERS = _slot("DISENTANGLERS", "disentangler", "disentanglers.base:Disentangler", "dims")
FUSERS = _slot("FUSERS", "fuser", "fusers.base:Fuser", "dims")
LOSSES = _slot("LOSSES", "loss", "losses.base:Loss", "dims")
BALANCERS = _slot("BALANCERS", "balancer", "balancers.base:Balancer", "names", "balanced")
MODELS = _slot("MODELS", "model", "model.base:SearchModel", "roles")

# how it is learnt
OPTIMIZERS: Registry[Any] = Registry("OPTIMIZERS", "optimizer", "torch.optim:Optimizer", torch_optimizers, ("params",))
SCHEDULES = _slot("SCHEDULES", "schedule", "schedules.base:Schedule", "max_epochs", "warmup_epochs")
PARAM_GROUPS = _slot("PARAM_GROUPS", "parameter grouping", "engine.param_groups:ParamGroups")
HOOKS = _slot("HOOKS", "hook", "engine.hooks:Hook")

# what is read
DATASETS = _slot("DATASETS", "data set", "data.base:PersonSearchDataset")
CAPTION_SOURCES = _slot("CAPTION_SOURCES", "caption source", "captions.base:CaptionSource")
TRANSFORMS = _slot("TRANSFORMS", "transform", "data.transforms.base:Transform", "size", "mean", "std")
TEXT_TRANSFORMS = _slot("TEXT_TRANSFORMS", "text transform", "data.text_transforms.base:TextTransform", "tokenizer")
TOKENIZERS = _slot("TOKENIZERS", "tokenizer", "data.tokenizers.base:Tokenizer", "texts", "cache_dir", "files")
SAMPLERS = _slot("SAMPLERS", "sampler", "data.samplers.base:TrainSampler", "pids", "batch_size", "seed")

# what is measured
METRICS = _slot("METRICS", "metric", "metrics.base:Metric")
PROTOCOLS = _slot("PROTOCOLS", "protocol", "protocols.base:Protocol")
RERANKERS = _slot("RERANKERS", "re-ranker", "rerankers.base:Reranker")

# captions, search and dialogue; filled by their own packages
CLUSTERERS = _slot("CLUSTERERS", "clusterer", "captions.clustering.base:Clusterer")
MLLM_CLIENTS = _slot("MLLM_CLIENTS", "MLLM client", "mllm.base:MLLMClient")
INDEXES = _slot("INDEXES", "index", "retrieval.base:Index", "folder", "dim", "writable")
INTERACTORS = _slot("INTERACTORS", "interactor", "interaction.base:Interactor")

SLOTS: dict[str, Registry[Any]] = {
    slot.slot: slot
    for slot in (
        IMAGE_ENCODERS, TEXT_ENCODERS, HEADS, DISENTANGLERS, FUSERS, LOSSES, BALANCERS, MODELS,
        OPTIMIZERS, SCHEDULES, PARAM_GROUPS, HOOKS,
        DATASETS, CAPTION_SOURCES, TRANSFORMS, TEXT_TRANSFORMS, TOKENIZERS, SAMPLERS, METRICS, PROTOCOLS, RERANKERS,
        CLUSTERERS, MLLM_CLIENTS, INDEXES, INTERACTORS,
    )
}  # fmt: skip
