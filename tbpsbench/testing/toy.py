"""Toy data: batches, features and records that any component of the package can read, and rows of them.

Shapes: B batch, T text tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from tbpsbench.entries import Entry
from tbpsbench.model.roles import MASKED, QUERY, role_of
from tbpsbench.types import Batch, Caption, Embedding, Features, ImageRecord, MissingFeature, Tokens

Part = TypeVar("Part")
Component = Mapping[str, Any]
WIDTH = 16
ROLES = (QUERY, "identity", "clothing")
# A further view of the image.
VIEW = "second"
# What `requires` may name besides features.
FIELDS = {name.removesuffix("_B3HW").removesuffix("_B") for name in Batch.__dataclass_fields__}
# More features than one model makes at once, so that any component finds what it requires.
VECTORS = ("image.pooled", "identity", "clothing", "clothing_ungated", "gate", "fused")


def toy_tokens(batch: int = 6, length: int = 9, vocab_size: int = 50, seed: int = 0) -> Tokens:
    """Random texts of different lengths: ids 4 .. vocab_size - 1, padded with 0."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, length + 1, size=batch)
    lengths[0] = length
    mask = torch.arange(length) < torch.from_numpy(lengths)[:, None]
    ids = torch.from_numpy(rng.integers(4, vocab_size, size=(batch, length))) * mask
    return Tokens(ids, mask)


def toy_masked(query: Tokens) -> Tokens:
    """A caption with its second token masked (id 3), and labels: what the data make in the role "masked"."""
    masked, labels = query.ids.clone(), torch.zeros_like(query.ids)
    masked[:, 1], labels[:, 1] = 3, query.ids[:, 1]
    return Tokens(masked, query.mask, labels)


def toy_batch(
    pids: Sequence[int] = (0, 0, 1, 2, 2, 3),
    size: tuple[int, int] = (32, 16),
    seed: int = 0,
    roles: Sequence[str] = ROLES,
) -> Batch:
    """A batch of random images and texts in all roles.

    Args:
        pids: training label of each pair; also gives B.
        size: height and width.
        seed: another seed is another batch.
        roles: of the texts, besides "masked".
    """
    count = len(pids)
    index = torch.arange(count)
    image = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))
    texts = {role: toy_tokens(count, seed=seed + position) for position, role in enumerate(roles)}
    texts[MASKED] = toy_masked(texts[QUERY])
    return Batch(image, texts, torch.tensor(list(pids)), index, index, index, torch.ones(count))


def toy_features(
    batch: Batch,
    width: int = WIDTH,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    names: Iterable[str] = (),
) -> Features:
    """Random features under every name that components of the package read, with gradients.

    Args:
        batch: the pairs.
        width: of each feature.
        seed: another seed is other features.
        dtype: of the features.
        names: of further ones, as other plug-ins and other heads make them.
    """
    generator = torch.Generator().manual_seed(seed)
    count, length = len(batch), next(iter(batch.texts.values())).ids.shape[1]

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

    features = Features({name: draw(count, width) for name in VECTORS})
    features["image.tokens"], features["image.patches"] = draw(count, 9, width), draw(count, 8, width)
    features["identity.tokens"] = draw(count, 8, width)
    features["image.attention"] = torch.rand(count, 9, 9, generator=generator).softmax(-1)
    for role, tokens in batch.texts.items():
        features[f"text.{role}.tokens"], features[f"text.{role}.pooled"] = (
            draw(count, length, width),
            draw(count, width),
        )
        features[f"text.{role}.mask"] = tokens.mask
        features[f"text.{role}.attention"] = torch.rand(count, length, length, generator=generator).softmax(-1)
    features.heads["global"] = Embedding(draw(count, width), draw(count, width))
    mask = features[f"text.{QUERY}.mask"] if QUERY in batch.texts else None
    features.heads["tokens"] = Embedding(draw(count, 8, width), draw(count, length, width), text_mask=mask)
    features.views[VIEW] = Features({"image.pooled": draw(count, width)})
    features.views[VIEW].heads["global"] = Embedding(draw(count, width), None)
    for name in names:
        if name.startswith("extras.") and name not in features:
            features[name] = batch.pid_B  # a label of each image
        elif name not in features and name not in FIELDS:
            _add(features, name, lambda: draw(count, width), lambda: draw(count, 8, width))
    return features


def _add(features: Features, name: str, vector: Callable[[], Tensor], tokens: Callable[[], Tensor]) -> None:
    """One more feature: its name tells where it belongs and which shape it has."""
    kind, _, rest = name.partition(".")
    if kind == "view" and "." in rest:
        view, _, inner = rest.partition(".")
        _add(features.views.setdefault(view, Features()), inner, vector, tokens)
    elif kind == "heads" and rest.count(".") == 1:
        head, side = rest.split(".")
        if side in ("image", "text"):
            features.heads[head] = replace(features.heads.get(head, Embedding(None, None)), **{side: vector()})
    elif rest.endswith(("tokens", "patches")):
        features[name] = tokens()
    elif rest.endswith("mask"):
        features[name] = torch.ones_like(tokens()[..., 0], dtype=torch.bool)
    else:
        features[name] = vector()


def toy_dims(width: int = WIDTH, roles: Sequence[str] = ROLES, names: Iterable[str] = ()) -> dict[str, int]:
    """Widths of the toy features.

    Args:
        width: of each feature.
        roles: of the texts, besides "masked".
        names: of further features.
    """
    texts = [f"text.{role}.{kind}" for role in (*roles, MASKED) for kind in ("tokens", "pooled")]
    tokens = ("image.tokens", "image.patches", "identity.tokens")
    heads = [f"heads.{head}.{side}" for head in ("global", "tokens") for side in ("image", "text")]
    views = [f"view.{VIEW}.{name}" for name in ("image.pooled", "heads.global.image")]
    further = [name for name in names if name not in FIELDS and not name.startswith("extras.")]
    return dict.fromkeys([*VECTORS, *tokens, *texts, *heads, *views, *further], width)


def handed(features: Features, names: Collection[str]) -> Features:
    """These features alone, with the masks of those that are sets of vectors: what a class has asked for.

    Args:
        features: more than it has asked for.
        names: as its `requires` names them.
    """
    wanted = {*names, *(f"{name}_mask" for name in names), *(f"{name.removesuffix('.tokens')}.mask" for name in names)}
    heads = {}
    for name, embedding in features.heads.items():
        sides = [f.name for f in fields(embedding) if isinstance(getattr(embedding, f.name), Tensor)]
        unasked: dict[str, Any] = {side: None for side in sides if f"heads.{name}.{side}" not in wanted}
        heads[name] = replace(embedding, **unasked)
    views = {}
    for view, seen in features.views.items():
        inner = {name.removeprefix(f"view.{view}.") for name in names if name.startswith(f"view.{view}.")}
        views[view] = handed(seen, inner)
    return Features({name: value for name, value in features.tensors.items() if name in wanted}, heads, views)


@contextmanager
def reads_what_it_requires(kind: str, names: Collection[str]) -> Iterator[None]:
    """Turn the lack of a feature into a message: the class forgot to ask for it, or cannot do without it."""
    try:
        yield
    except MissingFeature as error:
        name = error.feature
        assert name in names, (
            f"{kind} reads the feature {name!r} and does not require it, expected `requires` to name it: a config in "
            "which nobody makes it would pass the static check. Is the class registered without `requires`?"
        )
        raise AssertionError(
            f"{kind} reads {name!r} where it is not there, expected each side to be made without the other: a gallery "
            "has no query, and a query no picture"
        ) from error


def roles_read(entry: Entry[Any], config: Component) -> tuple[str, ...]:
    """The usual roles of texts, and others that the component reads."""
    read = {role for feature in entry.resolve(entry.requires, config) if (role := role_of(feature))}
    return (*ROLES, *sorted(read - {*ROLES, MASKED}))


def picked(part: Part, rows: Any) -> Part:
    """Some rows of a batch, of features or of whatever else holds tensors with a row for each sample.

    Args:
        part: tensors, mappings and dataclasses of them; what is neither (a weight, a name) stays.
        rows: an index of the first dimension, e.g. `slice(0, 1)`.
    """
    found: Any = part
    if isinstance(part, Tensor):
        found = part[rows]
    elif isinstance(part, Mapping):
        found = {name: picked(value, rows) for name, value in part.items()}
    elif is_dataclass(part) and not isinstance(part, type):
        found = replace(part, **{f.name: picked(getattr(part, f.name), rows) for f in fields(part)})
    return found  # type: ignore[no-any-return]


def toy_records(split: str = "test", persons: int = 5) -> list[ImageRecord]:
    """Images of a few persons, with two captions each, and behind them images in a second outfit without any.

    Every person has three images by two cameras; the last one is seen by one camera and in one outfit alone. The second
    outfits lie in the split "SPLIT-clothes".
    """
    kinds = [
        (pid, split, "A", camera)
        for pid in range(persons)
        for camera in ((0, 1, 0) if pid < persons - 1 else (1, 1, 1))
    ]
    kinds += [(pid, f"{split}-clothes", "B", camera) for pid in range(persons - 1) for camera in (0, 1)]
    records: list[ImageRecord] = []
    captions = 0
    for image, (pid, part, outfit, camera) in enumerate(kinds):
        count = 2 if part == split else 0
        own = tuple(
            Caption(f"person {pid} in outfit {outfit}, text {n}", QUERY, image, "toy", part, captions + n)
            for n in range(count)
        )
        captions += count
        attributes = {"outfit": outfit, "camera": camera}
        records.append(ImageRecord(image, f"{image}.png", pid, part, own, camera, outfit, attributes))
    return records
