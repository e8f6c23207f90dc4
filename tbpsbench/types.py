"""What flows through the system, with shapes.

Shapes: B batch, T text tokens, L image tokens, D width, Q queries, G gallery images, H x W pixels. `_BD` means (B, D).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and what it was made from; the leak guard reads the provenance.

    Attributes:
        text: the sentence.
        role: what the text is for: "query" (what a person would type), or a role of descriptions, which are made from
            the image alone: "identity", "clothing", ... (model/roles.py).
        image_id: the image it belongs to.
        source: who wrote it, e.g. "human", "mtg", "grammar".
        split: split of its image.
        caption_id: number within the annotation file.
        derived_from: "image", "person", "attributes", or the SHA-256 of the caption that it was made from.
        style: annotator or style label, if known.
    """

    text: str
    role: str
    image_id: int
    source: str
    split: str
    caption_id: int
    derived_from: str = "image"
    style: str | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of a data set with its captions.

    Attributes:
        image_id: position in the annotation file, from 0.
        file: path below the data set's image folder.
        pid: the identity as the data set numbers it; unique over splits.
        split: "train", "val", "test"; data sets may add their own (MiniPEDES: "val-clothes", "test-clothes").
        camera, outfit: where known.
        attributes: ground truth where known (MiniPEDES).
    """

    image_id: int
    file: str
    pid: int
    split: str
    captions: tuple[Caption, ...]
    camera: int | None = None
    outfit: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Tokens:
    """A batch of tokenised texts, or one text without the B axis.

    Attributes:
        ids: (B, T) int64.
        mask: (B, T) bool, True on real tokens.
        labels: (B, T) int64, the original ids of masked tokens and 0 elsewhere; None where nothing is masked.
        copy_of: the role whose text this is, too, so that it is encoded once; None for a text of its own.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor | None = None
    copy_of: str | None = None

    def to(self, device: Any) -> Tokens:
        """The same tokens on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def cut(self) -> Tokens:
        """Without the columns that are padding in every row; at least one column stays."""
        longest = max(1, int(self.mask.sum(dim=-1).max()))
        return self._each(lambda tensor: tensor[..., :longest])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Tokens:
        labels = None if self.labels is None else change(self.labels)
        return Tokens(change(self.ids), change(self.mask), labels, self.copy_of)


@dataclass
class Sample:
    """One training pair, before batching.

    Attributes:
        image_3HW: float32, normalised.
        texts: role -> tokens of one text, (T,).
        pid: training label, 0 .. num_train_ids - 1.
        image_id, caption_id: as in the annotation file.
        sample_index: position in the training set.
        pair_weight: 1.0, or the confidence that image and text belong together (RDE).
        views: name -> a further view of the image, (3, H, W) float32, drawn apart from `image_3HW`.
        extras: name -> what else the data set knows of the image, (...).
    """

    image_3HW: Tensor
    texts: dict[str, Tokens]
    pid: int
    image_id: int
    caption_id: int
    sample_index: int
    pair_weight: float = 1.0
    views: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)


@dataclass
class Batch:
    """What a model sees. A gallery batch has no query texts, a query batch has no images.

    Attributes:
        image_B3HW: (B, 3, H, W) float32, or None.
        texts: role -> Tokens of (B, T).
        pid_B, image_id_B, caption_id_B, sample_index_B: (B,) int64.
        pair_weight_B: (B,) float32.
        views: name -> a further view of the images, (B, 3, H, W) float32; of training batches alone, as `extras`.
        extras: name -> what else the data set knows of the images, (B, ...).
    """

    image_B3HW: Tensor | None
    texts: dict[str, Tokens]
    pid_B: Tensor
    image_id_B: Tensor
    caption_id_B: Tensor
    sample_index_B: Tensor
    pair_weight_B: Tensor
    views: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pid_B)

    def to(self, device: Any) -> Batch:
        """The same batch on another device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self) if f.name.endswith(("_B", "_B3HW"))}
        moved = {name: None if t is None else t.to(device, non_blocking=True) for name, t in moved.items()}
        for name in ("views", "extras"):
            moved[name] = {key: t.to(device, non_blocking=True) for key, t in getattr(self, name).items()}
        return replace(self, texts={role: tokens.to(device) for role, tokens in self.texts.items()}, **moved)


@dataclass
class Embedding:
    """One retrieval head: what an image and a text are compared by.

    Attributes:
        image, text: (B, D), or (B, T, D) where a side is compared as a set of vectors; not yet normalised; None on the
            side that was not encoded.
        weight: share of this head in the similarity.
        image_mask, text_mask: (B, T) bool, which vectors of a set are there; None: all.
    """

    image: Tensor | None
    text: Tensor | None
    weight: float = 1.0
    image_mask: Tensor | None = None
    text_mask: Tensor | None = None


class MissingFeature(KeyError):
    """A feature was read that is not there.

    Attributes:
        feature: its name.
    """

    def __init__(self, feature: str, there: Iterable[str]) -> None:
        super().__init__(f"no feature {feature!r}; there are: {', '.join(there)}")
        self.feature = feature


@dataclass
class Features:
    """Named tensors of one forward pass.

    `features["image.tokens"]` reads a named tensor, `features["heads.global.image"]` one side of a head,
    `features["heads.global.image_mask"]` which vectors of a set are there, `features["view.second.image.tokens"]` a
    feature of the pairs as the view "second" shows them (model/views.py).
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    heads: dict[str, Embedding] = field(default_factory=dict)
    views: dict[str, Features] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        if name.startswith("view."):
            _, view, rest = name.split(".", 2)
            value = self.views[view][rest] if view in self.views and rest in self.views[view] else None
        elif name.startswith("heads."):
            _, head, side = name.split(".")
            value = getattr(self.heads[head], side) if head in self.heads else None
        else:
            value = self.tensors.get(name)
        if value is None:
            raise MissingFeature(name, self)
        return value

    def __setitem__(self, name: str, value: Tensor) -> None:
        self.tensors[name] = value

    def __contains__(self, name: object) -> bool:
        return name in set(self)

    def __iter__(self) -> Iterator[str]:
        yield from self.tensors
        for name, head in self.heads.items():
            for side in ("image", "text", "image_mask", "text_mask"):
                if getattr(head, side) is not None:
                    yield f"heads.{name}.{side}"
        for view, features in self.views.items():
            yield from (f"view.{view}.{name}" for name in features)


@dataclass
class LossOutput:
    """A loss and how it came about.

    Attributes:
        value: scalar that is optimised.
        per_sample: (B,) values of the joined batch of all processes, before weights and reduction; None where the loss
            is not a sum over samples.
        reduction: "mean" or "sum" of `per_sample`, which `value` is but for weights. Neither is scaled by the number of
            processes: `gather_rows` adds their gradients up before DDP averages them.
        stats: scalars for the log that are not optimised.
    """

    value: Tensor
    per_sample: Tensor | None = None
    reduction: Literal["mean", "sum"] = "mean"
    stats: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def mean(cls, per_sample_B: Tensor, **stats: Tensor) -> LossOutput:
        """The mean over samples."""
        return cls(per_sample_B.mean(), per_sample_B, "mean", stats)

    @classmethod
    def sum(cls, per_sample_B: Tensor, **stats: Tensor) -> LossOutput:
        """The sum over samples."""
        return cls(per_sample_B.sum(), per_sample_B, "sum", stats)

    @classmethod
    def weighted_mean(cls, per_sample_B: Tensor, weight_B: Tensor, **stats: Tensor) -> LossOutput:
        """The weighted mean over samples, 0 where all weights are 0; `per_sample` stays without weights."""
        value = (weight_B * per_sample_B).sum() / weight_B.sum().clamp(min=1e-12)
        return cls(value, per_sample_B, "mean", stats)

    @classmethod
    def weighted_sum(cls, per_sample_B: Tensor, weight_B: Tensor, **stats: Tensor) -> LossOutput:
        """The weighted sum over samples (RDE's losses); `per_sample` stays without weights."""
        return cls((weight_B * per_sample_B).sum(), per_sample_B, "sum", stats)


@dataclass(frozen=True)
class Ranking:
    """Result of search, evaluation and interaction.

    Attributes:
        scores: (Q, k) float32 similarities in the order of `order`.
        order: (Q, k) int64 gallery positions, best first.
        turn: dialogue turn, 0 without a dialogue.
    """

    scores: np.ndarray
    order: np.ndarray
    turn: int = 0
