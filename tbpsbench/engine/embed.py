"""Embed a gallery and its queries, shared by all processes, in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tbpsbench.arguments import did_you_mean
from tbpsbench.data.eval_set import GallerySet, QuerySet
from tbpsbench.distributed import gather_shares, share
from tbpsbench.errors import ConfigError
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.model.roles import QUERY
from tbpsbench.types import Batch


def embed_images(
    model: PersonSearchModel, gallery: GallerySet, batch_size: int, num_workers: int = 0
) -> dict[str, Tensor]:
    """Gallery embeddings in the order of the gallery: head -> (G, D) float32 on the CPU, L2-normalised."""

    def batches(positions: range) -> Iterable[Batch]:
        return gallery.batches(batch_size, num_workers=num_workers, indices=positions)

    def encode(batch: Batch) -> dict[str, Tensor]:
        assert batch.image_B3HW is not None
        return model.encode_gallery(batch.image_B3HW, batch.texts or None)

    return _embed(model, batches, encode, len(gallery))


def embed_features(
    model: PersonSearchModel,
    gallery: GallerySet,
    names: Sequence[str],
    batch_size: int,
    num_workers: int = 0,
    positions: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Named features of images in the order of the gallery: name -> (G, D) float32 on the CPU.

    Features of heads are L2-normalised, as retrieval compares them; the others are left as the losses see them.
    `positions` picks images, in its order.

    Raises:
        ConfigError: if the model has no such feature with one vector per image.
    """

    chosen = range(len(gallery)) if positions is None else positions

    def batches(own: range) -> Iterable[Batch]:
        return gallery.batches(batch_size, num_workers=num_workers, indices=[chosen[i] for i in own])

    def encode(batch: Batch) -> dict[str, Tensor]:
        features = model.extract(batch)
        vectors = [name for name in features if features[name].ndim == 2 and features[name].is_floating_point()]
        for name in names:
            if name not in vectors:
                raise ConfigError(
                    f"this model has no feature {name!r} with one vector per image.{did_you_mean(name, vectors)} "
                    f"There are: {', '.join(vectors)}"
                )
        return {
            name: normalize(features[name].float(), dim=-1) if name.startswith("heads.") else features[name].float()
            for name in names
        }

    return _embed(model, batches, encode, len(chosen))


def embed_captions(model: PersonSearchModel, queries: QuerySet, batch_size: int) -> dict[str, Tensor]:
    """Query embeddings in the order of the captions: head -> (Q, D) float32 on the CPU, L2-normalised."""

    def batches(positions: range) -> Iterable[Batch]:
        return queries.batches(batch_size, indices=positions)

    return _embed(model, batches, lambda batch: model.encode_query(batch.texts[QUERY]), len(queries))


@torch.no_grad()
def _embed(
    model: PersonSearchModel,
    batches: Callable[[range], Iterable[Batch]],
    encode: Callable[[Batch], dict[str, Tensor]],
    count: int,
) -> dict[str, Tensor]:
    device = next(model.parameters()).device
    parts = [encode(batch.to(device)) for batch in batches(share(count))]
    if not parts:
        # More processes than items: take part in the gathering all the same, with no rows.
        parts = [{name: rows[:0] for name, rows in encode(batch.to(device)).items()} for batch in batches(range(1))]
    return {name: gather_shares(torch.cat([part[name] for part in parts]), count).cpu() for name in parts[0]}
