"""From the config's `data` section to everything that a run reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader

from tbpsbench import registry
from tbpsbench.annotations import Annotations
from tbpsbench.data.cache import build_cache
from tbpsbench.data.collate import collate
from tbpsbench.data.eval_set import GallerySet, QuerySet
from tbpsbench.data.images import ImageReader
from tbpsbench.data.noise import caption_permutation
from tbpsbench.data.samplers.base import TrainSampler
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.train_set import QUERY, TrainSet
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.types import Caption, ImageRecord, Sample


@dataclass
class Data:
    """What a run reads.

    Attributes:
        annotations: images and query captions.
        descriptions: texts made from the images that training uses, or None.
        gallery_source: texts that the gallery side may use in evaluation, or None (track gallery-text).
        tokenizer: for all texts.
        images: decoded images by image_id.
        transform: what training does to an image; `transform.fixed()` is evaluation's.
        train: the training pairs.
        sampler, loader: their order and batches.
        size: height and width of the images.
        roles: text roles of training batches besides "query".
        component: the config's `data.dataset`, which these data can be had by again.
    """

    annotations: Annotations
    descriptions: Annotations | None
    gallery_source: Annotations | None
    tokenizer: Tokenizer
    images: ImageReader
    transform: Compose
    train: TrainSet
    sampler: TrainSampler
    loader: DataLoader[Sample]
    size: tuple[int, int]
    roles: tuple[str, ...]
    component: dict[str, Any]

    @property
    def name(self) -> str:
        """What tables call these data: the data set, with its domain or size where it is not the usual one."""
        return data_name(self.annotations)

    def set_epoch(self, epoch: int) -> None:
        """Order and randomness of an epoch (0-based)."""
        self.sampler.set_epoch(epoch)
        self.train.set_epoch(epoch)

    @property
    def validation_split(self) -> str:
        """The split that chooses the checkpoint: "val", or ICFG-PEDES' carved one."""
        return "val-carved" if "val-carved" in self.annotations.splits() else "val"

    def gallery(self, split: str) -> GallerySet:
        """The images of a split, with the texts that the gallery side may use."""
        extra = [self.gallery_source] if self.gallery_source else []
        return GallerySet(self.annotations, split, self.images, self.transform.fixed(), extra, self.tokenizer)

    def queries(self, split: str) -> QuerySet:
        """The query captions of a split."""
        return QuerySet(self.annotations, split, self.tokenizer)

    def gallery_texts(self, records: list[ImageRecord]) -> list[Caption]:
        """Every text that the gallery side uses for these images, for the leak guard."""
        if self.gallery_source is None:
            return []
        return [caption for record in records for caption in self.gallery_source.records[record.image_id].captions]

    def training_captions(self) -> list[tuple[Caption, int]]:
        """Every training text with the identity that it describes, for the leak guard."""
        sources = [self.annotations, *([self.descriptions] if self.descriptions else [])]
        return [(caption, r.pid) for source in sources for r in source.split("train") for caption in r.captions]

    @property
    def facts(self) -> dict[str, Any]:
        """What `from_data:NAME` in a config can ask for."""
        return {
            "num_train_ids": self.train.num_ids,
            "num_train_pairs": len(self.train),
            "num_train_images": len(set(self.train.image_ids.tolist())),
            "vocab_size": self.tokenizer.vocab_size,
            "max_length": self.tokenizer.max_length,
            "mask_id": self.tokenizer.mask_id,
            "pad_id": self.tokenizer.pad_id,
            "image_size": self.size,
            "steps_per_epoch": len(self.loader),
        }

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of everything that decides what the model reads: annotation files and the tokenizer."""
        sources = {"captions": self.annotations, "descriptions": self.descriptions, "gallery": self.gallery_source}
        found = {name: source.sha256 for name, source in sources.items() if source is not None}
        return found | {"tokenizer": self.tokenizer.sha256}

    def provenance(self) -> dict[str, Any]:
        """The part of a record that says what was read."""
        sources = {"captions": self.annotations, "descriptions": self.descriptions, "gallery": self.gallery_source}
        header = self.annotations.header
        return {
            "dataset": self.annotations.dataset,
            "component": self.component,
            "counts": header.get("counts", {}),
            "partial": bool(header.get("notes", {}).get("partial")),
            "sources": [
                {
                    "role": role,
                    "source": source.source,
                    "file": source.path.name,
                    "sha256": source.sha256,
                    "made_from": dict(source.header.get("made_from", {})),
                    "notes": dict(source.header.get("notes", {})),
                }
                for role, source in sources.items()
                if source is not None
            ],
            "tokenizer_sha256": self.tokenizer.sha256,
        }


def data_name(annotations: Annotations) -> str:
    """The data set's name; MiniPEDES with its domain and size where they are not the default ones."""
    made = annotations.header.get("made_from", {})
    usual = {"domain": "street", "size": "default"}
    unusual = [str(made[key]) for key, value in usual.items() if made.get(key, value) != value]
    return annotations.dataset + (f" ({', '.join(unusual)})" if unusual else "")


def build_data(
    section: Mapping[str, Any], evaluation: Mapping[str, Any], seed: int, tokenizer: Tokenizer | None = None
) -> Data:
    """Read annotations, tokenise, decode images into the cache, and make the training loader.

    Args:
        section: the config's `data` with defaults.
        evaluation: the config's `evaluation` with defaults.
        seed: of everything random.
        tokenizer: instead of the config's: that of the model which is evaluated on data it was not trained on.

    Raises:
        DataError, ConfigError: whatever is wrong with files or settings.
    """
    dataset = registry.DATASETS.build(section["dataset"], "data.dataset")
    annotations = registry.CAPTION_SOURCES.build(section["captions"], "data.captions").load(dataset)
    descriptions = dataset.load(section["descriptions"]) if section["descriptions"] else None
    gallery_source = dataset.load(evaluation["gallery_texts"]) if evaluation["gallery_texts"] else None
    sources = [annotations, *([descriptions] if descriptions else [])]
    texts = [caption.text for source in sources for record in source.split("train") for caption in record.captions]
    cache_dir = section["cache_dir"] or str(dataset.root / ".cache")
    if tokenizer is None:
        known = {"texts": texts, "cache_dir": cache_dir}
        tokenizer = registry.TOKENIZERS.build(section["tokenizer"], "data.tokenizer", known)
    size = (int(section["size"][0]), int(section["size"][1]))
    workers = max(1, section["num_workers"])
    images = build_cache(annotations, size, section["interpolation"], cache_dir=cache_dir, workers=workers)
    context = {"size": size, "mean": tuple(section["mean"]), "std": tuple(section["std"])}
    configs = section["transforms"] or [{"type": "Normalize"}]
    transforms = [registry.TRANSFORMS.build(c, f"data.transforms.{i}", context) for i, c in enumerate(configs)]
    transform = Compose(transforms, size)
    pairs = sum(c.role == QUERY for record in annotations.split("train") for c in record.captions)
    train = TrainSet(
        annotations,
        tokenizer,
        images,
        transform,
        seed=seed,
        extra=[descriptions] if descriptions else [],
        masked_tokens=section["masked_tokens"],
        mask_shared=section["mask_shared"],
        text_noise=section["text_noise"],
        caption_permutation=caption_permutation(section["noise"], pairs, seed),
    )
    sampling: dict[str, Any] = {"pids": train.pids, "batch_size": section["batch_size"], "seed": seed}
    sampler = registry.SAMPLERS.build(section["sampler"], "data.sampler", sampling)
    loader: DataLoader[Sample] = DataLoader(
        train,
        batch_size=sampler.local_batch_size,
        sampler=sampler,
        num_workers=section["num_workers"],
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        # torch draws a seed for its workers at every pass; ours are keyed by sample, the global generator stays ours.
        generator=torch.Generator(),
    )
    roles = tuple(sorted(train.roles))
    component = dict(section["dataset"])
    return Data(
        annotations, descriptions, gallery_source, tokenizer, images, transform, train, sampler, loader, size, roles,
        component,
    )  # fmt: skip
