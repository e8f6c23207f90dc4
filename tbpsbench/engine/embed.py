"""Embed a gallery and its queries, shared by all processes, in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tbpsbench.arguments import did_you_mean
from tbpsbench.data.eval_set import GallerySet, QuerySet
from tbpsbench.data.folder import ImageFolder
from tbpsbench.distributed import gather_shares, largest_over_processes, share
from tbpsbench.errors import ConfigError
from tbpsbench.model.base import SearchModel
from tbpsbench.model.roles import QUERY
from tbpsbench.types import Batch
from tbpsbench.vectors import Vectors

# Pictures of a folder whose vectors are held at once.
PART_ROWS = 8192


def embed_images(model: SearchModel, gallery: GallerySet, batch_size: int, num_workers: int = 0) -> dict[str, Vectors]:
    """Gallery embeddings in the order of the gallery, on the CPU: head -> what it compares of each image."""

    def batches(positions: range) -> Iterable[Batch]:
        return gallery.batches(batch_size, num_workers=num_workers, indices=positions)

    def encode(batch: Batch) -> dict[str, Vectors]:
        assert batch.image_B3HW is not None
        return model.encode_gallery(batch.image_B3HW, batch.texts or None)

    return _embed(model, batches, encode, len(gallery))


@torch.no_grad()
def embed_folder(
    model: SearchModel, folder: ImageFolder, batch_size: int, num_workers: int = 0
) -> Iterator[dict[str, Vectors]]:
    """Embeddings of pictures part by part, on the CPU, at most `PART_ROWS` at once; every process makes all of them."""
    device, parts = model.device, []
    for image_B3HW in folder.batches(batch_size, num_workers=num_workers):
        parts.append(model.encode_gallery(image_B3HW.to(device)))
        if sum(len(next(iter(part.values()))) for part in parts) >= PART_ROWS:
            yield _together(parts)
            parts = []
    if parts:
        yield _together(parts)


def _together(parts: Sequence[dict[str, Vectors]]) -> dict[str, Vectors]:
    return {name: Vectors.join([part[name] for part in parts]).to("cpu") for name in parts[0]}


def embed_features(
    model: SearchModel,
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

    def encode(batch: Batch) -> dict[str, Vectors]:
        features = model.extract(batch)
        vectors = [name for name in features if features[name].ndim == 2 and features[name].is_floating_point()]
        for name in names:
            if name not in vectors:
                raise ConfigError(
                    f"this model has no feature {name!r} with one vector per image.{did_you_mean(name, vectors)} "
                    f"There are: {', '.join(vectors)}"
                )
        found = {name: features[name].float() for name in names}
        return {
            name: Vectors(normalize(values, dim=-1) if name.startswith("heads.") else values)
            for name, values in found.items()
        }

    return {name: rows.values for name, rows in _embed(model, batches, encode, len(chosen)).items()}


def embed_captions(
    model: SearchModel, queries: QuerySet, batch_size: int, positions: Sequence[int] | None = None
) -> dict[str, Vectors]:
    """Query embeddings in the order of the captions, on the CPU: head -> what it compares of each caption.

    `positions` picks captions, in its order.
    """
    chosen = range(len(queries)) if positions is None else positions

    def batches(own: range) -> Iterable[Batch]:
        return queries.batches(batch_size, indices=[chosen[i] for i in own])

    return _embed(model, batches, lambda batch: model.encode_query(batch.texts[QUERY]), len(chosen))


@torch.no_grad()
def _embed(
    model: SearchModel,
    batches: Callable[[range], Iterable[Batch]],
    encode: Callable[[Batch], dict[str, Vectors]],
    count: int,
) -> dict[str, Vectors]:
    device = model.device
    parts = [encode(batch.to(device)) for batch in batches(share(count))]
    if not parts:
        # More processes than items: take part in the gathering all the same, with no rows.
        parts = [{name: rows[:0] for name, rows in encode(batch.to(device)).items()} for batch in batches(range(1))]
    return {name: _gathered(Vectors.join([part[name] for part in parts]), count).to("cpu") for name in parts[0]}


def _gathered(own: Vectors, count: int) -> Vectors:
    """The rows of all processes; sets are brought to the length of the longest anywhere."""
    if own.mask is not None:
        own = own.padded(largest_over_processes(own.values.shape[1], own.values.device))
    mask = None if own.mask is None else gather_shares(own.mask.to(torch.uint8), count).bool()
    return Vectors(gather_shares(own.values, count), mask)
