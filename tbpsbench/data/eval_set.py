"""What is evaluated: the images of a split as gallery, its query captions as queries; nothing random.

Shapes: B items of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tbpsbench.annotations import Annotations
from tbpsbench.data.collate import collate
from tbpsbench.data.images import ImageReader
from tbpsbench.data.randomness import sample_rng
from tbpsbench.data.texts import TextStore, matching, records_of, role_texts
from tbpsbench.errors import DataError
from tbpsbench.model.roles import QUERY
from tbpsbench.processes import end_with_parent
from tbpsbench.types import Batch, Sample


class GallerySet(Dataset[Sample]):
    """Every image of a split once, in the order of the annotation file.

    Args:
        annotations: the data set.
        split: whose images.
        images: decoded images by image_id.
        transform: (uint8 image, generator) -> float32 image; use `Compose.fixed()`.
        extra: caption files whose texts go with the images (track gallery-text); the first text of each role.
        texts: tokenises them; needed with `extra`.

    Attributes:
        records: the images in their order.
        image_ids, pids: (G,) int64; `pids` as the data set numbers them.

    Raises:
        DataError: if the split has no images, or `extra` holds query captions, no texts of the split, or does not fit.
    """

    def __init__(
        self,
        annotations: Annotations,
        split: str,
        images: ImageReader,
        transform: Callable[[Tensor, np.random.Generator], Tensor],
        extra: Sequence[Annotations] = (),
        texts: TextStore | None = None,
    ) -> None:
        self.records = records = records_of(annotations, split)
        self.images, self.transform = images, transform
        self.image_ids = np.array([record.image_id for record in records], dtype=np.int64)
        self.pids = np.array([record.pid for record in records], dtype=np.int64)
        if extra and texts is None:
            raise DataError("GallerySet: extra caption files need a tokenizer")
        self.roles = role_texts(records, extra, texts) if texts is not None else {}
        for source in extra:
            if not any(matching(record, source).captions for record in records):
                raise DataError(
                    f"{source.path}: has no text for any image of the split {split!r}, which evaluation.gallery_texts "
                    f"asks for. Caption that split, too (splits=(..., {split!r}) in the captions' config), or "
                    "set evaluation.gallery_texts=None."
                )
        if QUERY in self.roles:
            raise DataError(f"{extra[0].path}: a query caption must not go with a gallery image")

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, index: int) -> Sample:
        image_id = int(self.image_ids[index])
        texts = {}
        for role, role_table in self.roles.items():
            tokens = role_table.table.tokens(role_table.first[index : index + 1])
            tokens.ids, tokens.mask = tokens.ids[0], tokens.mask[0]
            texts[role] = tokens
        return Sample(
            image_3HW=self.transform(self.images[image_id], sample_rng(0, 0, index, "evaluation")),
            texts=texts,
            pid=int(self.pids[index]),
            image_id=image_id,
            caption_id=-1,
            sample_index=index,
        )

    def batches(
        self, batch_size: int, *, num_workers: int = 0, indices: Sequence[int] | None = None
    ) -> Iterator[Batch]:
        """Batches in order; `indices` picks some items (a process' share), `sample_index_B` tells which they are."""
        order = list(range(len(self)) if indices is None else indices)
        loader: DataLoader[Sample] = DataLoader(
            self,
            batch_size,
            sampler=order,
            num_workers=num_workers,
            collate_fn=collate,
            worker_init_fn=end_with_parent,
        )
        yield from loader  # type: ignore[misc]


class Queries:
    """Every query caption of a split, in the order of the annotation file; nothing is tokenised.

    Args:
        annotations: the data set with its query captions.
        split: whose captions.

    Attributes:
        captions: the captions in their order.
        records: the image that each was written for.
        texts: the sentences.
        caption_ids, image_ids, pids: (Q,) int64; `pids` as the data set numbers them.

    Raises:
        DataError: if the split has no images or no query captions.
    """

    def __init__(self, annotations: Annotations, split: str) -> None:
        pairs = [(r, c) for r in records_of(annotations, split) for c in r.captions if c.role == QUERY]
        if not pairs:
            raise DataError(f"{annotations.path}: no query captions in the split {split!r}")
        self.records, self.captions = [record for record, _ in pairs], [caption for _, caption in pairs]
        self.texts = [caption.text for caption in self.captions]
        self.caption_ids = np.array([caption.caption_id for caption in self.captions], dtype=np.int64)
        self.image_ids = np.array([record.image_id for record in self.records], dtype=np.int64)
        self.pids = np.array([record.pid for record in self.records], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.texts)


class QuerySet(Queries):
    """The query captions of a split as one system reads them.

    Args:
        annotations, split: see `Queries`.
        texts: tokenises them.

    Raises:
        DataError: as `Queries`.
    """

    def __init__(self, annotations: Annotations, split: str, texts: TextStore) -> None:
        super().__init__(annotations, split)
        self.table = texts.table(self.captions)

    def batches(self, batch_size: int, *, indices: Sequence[int] | None = None) -> Iterator[Batch]:
        """Batches in order, without images; `indices` picks some queries (a process' share)."""
        order = np.arange(len(self)) if indices is None else np.asarray(indices, dtype=np.int64)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield Batch(
                image_B3HW=None,
                texts={QUERY: self.table.tokens(rows)},
                pid_B=torch.from_numpy(self.pids[rows]),
                image_id_B=torch.from_numpy(self.image_ids[rows]),
                caption_id_B=torch.from_numpy(self.caption_ids[rows]),
                sample_index_B=torch.from_numpy(rows),
                pair_weight_B=torch.ones(len(rows)),
            )
