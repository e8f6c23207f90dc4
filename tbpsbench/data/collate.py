"""Samples to a batch; every image is written once, into the batch's own memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from tbpsbench.types import Batch, Sample, Tokens


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples; all must have the same roles and image size."""
    return Batch(
        image_B3HW=stack([sample.image_3HW for sample in samples]),
        texts={role: _stack_tokens([sample.texts[role] for sample in samples]) for role in samples[0].texts},
        pid_B=torch.tensor([sample.pid for sample in samples]),
        image_id_B=torch.tensor([sample.image_id for sample in samples]),
        caption_id_B=torch.tensor([sample.caption_id for sample in samples]),
        sample_index_B=torch.tensor([sample.sample_index for sample in samples]),
        pair_weight_B=torch.tensor([sample.pair_weight for sample in samples], dtype=torch.float32),
        views={name: stack([sample.views[name] for sample in samples]) for name in samples[0].views},
        extras={name: torch.stack([sample.extras[name] for sample in samples]) for name in samples[0].extras},
    )


def stack(images: Sequence[Tensor]) -> Tensor:
    """(B, ...) from B tensors; in a loader worker straight into shared memory, which saves one copy of the batch."""
    first = images[0]
    if get_worker_info() is None:
        return torch.stack(list(images))
    shape = (len(images), *first.shape)
    storage = torch.UntypedStorage._new_shared(first.element_size() * first.numel() * len(images))
    out = torch.empty(0, dtype=first.dtype).set_(storage, 0, shape)  # type: ignore[call-overload]
    return torch.stack(list(images), out=out)


def _stack_tokens(tokens: Sequence[Tokens]) -> Tokens:
    labels = [t.labels for t in tokens if t.labels is not None]
    return Tokens(
        ids=torch.stack([t.ids for t in tokens]),
        mask=torch.stack([t.mask for t in tokens]),
        labels=torch.stack(labels) if labels else None,
        copy_of=tokens[0].copy_of,
    )
