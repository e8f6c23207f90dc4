"""Training: the pairs, their order, and batches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from tbpsbench import registry
from tbpsbench.annotations import Annotations
from tbpsbench.config.caption_files import caption_source
from tbpsbench.config.schema import DataSection
from tbpsbench.data.collate import collate
from tbpsbench.data.extras import Extras
from tbpsbench.data.images import ImageReader
from tbpsbench.data.noise import caption_permutation
from tbpsbench.data.preprocess import NORMALIZE, Preprocess
from tbpsbench.data.samplers.base import TrainSampler
from tbpsbench.data.sources import Sources, described
from tbpsbench.data.text_transforms.base import TextTransform
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.train_set import TrainSet
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.model.roles import QUERY
from tbpsbench.processes import end_with_parent
from tbpsbench.types import Sample


@dataclass
class TrainingData:
    """What a run trains on.

    Attributes:
        sources: the data set's text files.
        train: the training pairs.
        sampler, loader: their order and batches.
        tokenizer: for all texts.
        size: height and width of the images.
    """

    sources: Sources
    train: TrainSet
    sampler: TrainSampler
    loader: DataLoader[Sample]
    tokenizer: Tokenizer
    size: tuple[int, int]

    def set_epoch(self, epoch: int) -> None:
        """Order and randomness of an epoch (0-based)."""
        self.sampler.set_epoch(epoch)
        self.train.set_epoch(epoch)

    @property
    def roles(self) -> tuple[str, ...]:
        """Text roles of training batches besides "query" and "masked"."""
        return tuple(sorted({*self.train.roles, *self.train.caption_roles} - {QUERY}))

    @property
    def facts(self) -> dict[str, Any]:
        """What `from_data:NAME` in a config can ask for."""
        return {
            "num_train_ids": self.train.num_ids,
            "num_train_pairs": len(self.train),
            "num_train_images": len(set(self.train.image_ids.tolist())),
            **text_facts(self.tokenizer),
            "image_size": self.size,
            "steps_per_epoch": len(self.loader),
            **(self.train.extras.facts if self.train.extras is not None else {}),
        }


def text_facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """The facts that the tokenizer alone knows."""
    return {
        "vocab_size": tokenizer.vocab_size,
        "max_length": tokenizer.max_length,
        "mask_id": tokenizer.mask_id,
        "pad_id": tokenizer.pad_id,
    }


def build_tokenizer(section: DataSection, sources: Sources) -> Tokenizer:
    """The config's tokenizer; one that makes its vocabulary makes it from the training captions.

    Raises:
        ConfigError: if it cannot be had.
    """

    texts = [caption.text for caption, _ in sources.training_captions()]
    context = {"texts": texts, "cache_dir": str(sources.cache_dir), "files": {}}
    return registry.TOKENIZERS.build(section.tokenizer, "data.tokenizer", context)


def _text_roles(section: DataSection) -> tuple[str, ...]:
    kind = caption_source(section.captions)["type"]
    roles: tuple[str, ...] = registry.CAPTION_SOURCES.get(kind, "data.captions").roles
    return roles


def _view(name: str, transforms: Sequence[Mapping[str, Any]], preprocess: Preprocess) -> Compose:
    return Compose(preprocess.build(transforms, f"data.views.{name}"), preprocess.size)


def _text_transforms(section: DataSection, tokenizer: Tokenizer) -> list[TextTransform]:
    return [
        registry.TEXT_TRANSFORMS.build(config, f"data.text_transforms.{position}", {"tokenizer": tokenizer})
        for position, config in enumerate(section.text_transforms)
    ]


def _extras(section: DataSection, annotations: Annotations) -> Extras | None:
    if not section.extras:
        return None
    dataset = registry.DATASETS.build(section.dataset, "data.dataset")
    return Extras(dataset, annotations.split("train"), section.extras)


def build_training(
    section: DataSection,
    sources: Sources,
    texts: TextStore,
    preprocess: Preprocess,
    images: ImageReader,
    seed: int,
) -> TrainingData:
    """Tokenise the training texts and make the loader.

    Args:
        section: the config's `data`.
        sources: what `read_sources` read.
        texts: tokenises, each text once.
        preprocess: how the system looks at pictures.
        images: decoded images by image_id.
        seed: of everything random.

    Raises:
        DataError, ConfigError: whatever is wrong with files or settings.
    """
    annotations = described(sources.shown, sources.descriptions)
    pairs = sum(c.role == QUERY for record in annotations.split("train") for c in record.captions)
    transforms = section.transforms or NORMALIZE
    train = TrainSet(
        annotations,
        texts,
        images,
        Compose(preprocess.build(transforms), preprocess.size),
        seed=seed,
        extra=[sources.descriptions] if sources.descriptions else [],
        masked_tokens=section.masked_tokens,
        mask_shared=section.mask_shared,
        text_noise=section.text_noise,
        caption_permutation=caption_permutation(section.noise, pairs, seed),
        own_roles=bool({*_text_roles(section)} - {QUERY}),
        views={name: _view(name, own or transforms, preprocess) for name, own in section.views.items()},
        captions_per_sample=section.captions_per_sample,
        text_transforms=_text_transforms(section, texts.tokenizer),
        more_captions=sources.more_captions,
        extras=_extras(section, sources.annotations),
    )
    sampling: dict[str, Any] = {"pids": train.pids, "batch_size": section.batch_size, "seed": seed}
    sampler = registry.SAMPLERS.build(section.sampler, "data.sampler", sampling)
    loader: DataLoader[Sample] = DataLoader(
        train,
        batch_size=sampler.local_batch_size,
        sampler=sampler,
        num_workers=section.num_workers,
        collate_fn=collate,
        worker_init_fn=end_with_parent,
        pin_memory=torch.cuda.is_available(),
        # torch draws a seed for its workers at every pass; ours are keyed by sample, the global generator stays ours.
        generator=torch.Generator(),
    )
    return TrainingData(sources, train, sampler, loader, texts.tokenizer, preprocess.size)
