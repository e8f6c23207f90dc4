"""What a model promises: named features, vectors to search by, and losses to learn from.

`PersonSearchModel` is assembled from the registries; a model of another build inherits from `SearchModel`, too, and is
named by `model.type`. Everything that trains, evaluates, saves or serves a model goes through what stands here.

Shapes: B batch, Q queries, G gallery, D width of a head.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from tbpsbench import registry
from tbpsbench.errors import ConfigError
from tbpsbench.heads.base import Head, Side
from tbpsbench.model.roles import QUERY
from tbpsbench.types import Batch, Features, LossOutput, MissingFeature, Tokens
from tbpsbench.vectors import Vectors

TOWERS = ("image_encoder", "text_encoder")


class SearchModel(BaseModel):
    """Base of the slot MODELS: `extract` and `heads` are needed, the rest works as it stands.

    Attributes:
        heads: name -> what images and texts are compared by (`heads/base.py`); an `nn.ModuleDict` of at least one.
        losses: name -> what it learns from, an `nn.ModuleDict`; may be left out where `compute_losses` is another.
        roles: text roles of its training batches besides "query".
        gallery_roles: roles of texts that it reads beside a picture, in search too.
        dims: feature name -> width, of the features that probes and figures may ask for.

    An encoder that is called `image_encoder` or `text_encoder` is compiled where the config asks for it, its `settled`
    arguments are kept with the weights and handed to the constructor's argument of that name, and the tokenizer is
    compared with the positions of the text encoder.

    Context arguments: `roles`. An argument called `pretrained`, at any depth, is None where weights of a checkpoint
    take the place of what it names.
    """

    heads: nn.ModuleDict
    losses: nn.ModuleDict
    roles: tuple[str, ...] = ()
    gallery_roles: frozenset[str] = frozenset()
    dims: Mapping[str, int] = {}

    @abstractmethod
    def extract(self, batch: Batch) -> Features:
        """Every feature that can be made from what the batch holds: a gallery batch has no query, a query no image.

        `features.heads[NAME]` must hold the `Embedding` of every head.
        """

    @property
    def device(self) -> torch.device:
        """Where it takes its batches."""
        return next(self.parameters()).device

    # -- search --------------------------------------------------------------------------------------------------

    def encode_gallery(self, image_B3HW: Tensor, texts: Mapping[str, Tokens] | None = None) -> dict[str, Vectors]:
        """Embed gallery images, with the texts made from them where the gallery side uses texts.

        Returns:
            head name -> what the head compares of each image: (B, D) L2-normalised float32 as a rule.

        Raises:
            ValueError: if a query text is passed: the gallery must not know it.
        """
        if texts and QUERY in texts:
            raise ValueError("the gallery side must not see query captions (protocol.md, leak guard)")
        return self._embed(_batch(image_B3HW, dict(texts or {})), "image")

    def encode_query(self, texts: Tokens) -> dict[str, Vectors]:
        """Embed query captions: head name -> what the head compares of each, as in `encode_gallery`."""
        return self._embed(_batch(None, {QUERY: texts}), "text")

    def _embed(self, batch: Batch, side: Side) -> dict[str, Vectors]:
        embedded = self.extract(batch).heads
        for name, embedding in embedded.items():
            if getattr(embedding, side) is None:
                alone = "a picture without a query" if side == "image" else "a query without a picture"
                raise ConfigError(
                    f"model.heads.{name}: {type(self._head(name)).__name__} embeds nothing of {alone}: its {side} side "
                    f"reads a feature that is not made of the {side}; name one that is"
                )
        return {name: self._head(name).compared(embedding, side) for name, embedding in embedded.items()}

    def _head(self, name: str) -> Head:
        head = self.heads[name]
        assert isinstance(head, Head)
        return head

    @property
    def cosine(self) -> bool:
        """Whether the similarity is one dot product of the vectors that `joint` makes."""
        return all(self._head(name).cosine for name in self.heads)

    @property
    def joint_dim(self) -> int:
        """Width of the vectors of all heads together."""
        return sum(self._head(name).dim for name in self.heads)

    @torch.no_grad()
    def score(self, texts: Mapping[str, Vectors], images: Mapping[str, Vectors]) -> Tensor:
        """(Q, G) float32 similarities: the weighted sum of what the heads say."""
        weights = self.head_weights
        return torch.stack([weights[n] * self._head(n).score(texts[n], images[n]) for n in self.heads]).sum(dim=0)

    @property
    def head_weights(self) -> dict[str, float]:
        """Share of each head in the similarity; shares sum to one."""
        total = sum(self._head(name).weight for name in self.heads)
        return {name: self._head(name).weight / total for name in self.heads}

    @property
    def encoders(self) -> dict[str, nn.Module]:
        """The towers that it has under their usual names."""
        found = {name: getattr(self, name, None) for name in TOWERS}
        return {name: encoder for name, encoder in found.items() if isinstance(encoder, nn.Module)}

    @property
    def settled(self) -> dict[str, dict[str, Any]]:
        """Tower -> constructor arguments that its pretrained weights decided."""
        return {name: dict(getattr(encoder, "settled", {})) for name, encoder in self.encoders.items()}

    # -- training, as mmengine calls it --------------------------------------------------------------------------

    def forward(self, batch: Batch, mode: str = "loss") -> Any:
        """Losses by name for `mode="loss"`, named features for `mode="tensor"`.

        Raises:
            ConfigError: naming the loss that returns no LossOutput, one whose value or statistics are no scalars, or a
                part that reads what is not there.
        """
        features = self.extract(batch)
        if mode == "tensor":
            return features
        if mode != "loss":
            raise ValueError(f"mode is 'loss' or 'tensor', got {mode!r}; evaluation uses encode_gallery, encode_query")
        # Losses never run in half precision: log-sum-exps and small differences do not survive it.
        with torch.autocast(batch.pid_B.device.type, enabled=False):
            losses = self.compute_losses(features, batch)
        for name, output in losses.items():
            if wrong := odd_output(output):
                kind = type(dict(self.losses.items()).get(name, self)).__name__
                raise ConfigError(f"model.losses.{name}: {kind} {wrong}")
        return losses

    def compute_losses(self, features: Features, batch: Batch) -> dict[str, LossOutput]:
        """Every loss by its name, in float32."""
        return {name: asked(f"losses.{name}", loss, features, batch) for name, loss in self.losses.items()}

    def balance(self, losses: dict[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to optimise, and what else is logged: their sum, and nothing."""
        return torch.stack([loss.value for loss in losses.values()]).sum(), {}

    def parse_losses(self, losses: dict[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """Balance the losses; the one hook that every mmengine wrapper calls.

        Returns:
            the scalar to optimise, and what is logged: `loss`, each `loss_NAME`, `NAME_STAT`, what the balancer adds.
        """
        total, scalars = self.balance(losses)
        log: dict[str, Tensor] = OrderedDict(loss=total)
        log |= {f"loss_{name}": loss.value.detach() for name, loss in losses.items()}
        log |= scalars
        log |= {f"{name}_{stat}": value for name, loss in losses.items() for stat, value in loss.stats.items()}
        return total, log


def model_of(section: Mapping[str, Any], roles: tuple[str, ...]) -> SearchModel:
    """The model of a config's `model`, which holds values alone (no "from_data:NAME").

    Raises:
        RegistryError, ConfigError: if it cannot be built, or has no heads to be searched with.
    """
    model: SearchModel = registry.MODELS.build(section, "model", {"roles": roles})
    heads = getattr(model, "heads", None)
    if not isinstance(heads, nn.ModuleDict) or not heads or not all(isinstance(h, Head) for h in heads.values()):
        raise ConfigError(
            f"model: {section['type']} has no heads to be searched with: its constructor sets self.heads to an "
            "nn.ModuleDict of components of HEADS"
        )
    if not isinstance(getattr(model, "losses", None), nn.ModuleDict):
        model.losses = nn.ModuleDict()
    return model


def asked(key: str, part: nn.Module, features: Features, *batch: Batch) -> Any:
    """What a part of a model makes of the features.

    Raises:
        ConfigError: naming the part, if it reads a feature that is not there.
    """
    try:
        return part(features, *batch)
    except MissingFeature as error:
        alone = " In search it makes one side without the other." if key.startswith("heads.") else ""
        raise ConfigError(
            f"model.{key}: {type(part).__name__} reads the feature {error.feature!r}, which is not there; there are: "
            f"{', '.join(features)}. Let its `requires` name whatever it reads, so that tbpsbench check tells who "
            f"makes it.{alone}"
        ) from error


def odd_output(output: object) -> str | None:
    """What is wrong with what a loss returned, told without a look at any number: those may still be computed."""
    if not isinstance(output, LossOutput):
        return (
            f"returned {type(output).__name__}, expected LossOutput: LossOutput.mean(loss_B) for a value per pair, "
            "LossOutput(value) for a scalar"
        )
    if not isinstance(output.value, Tensor) or output.value.ndim:
        return (
            f"returned {_told(output.value)} as its value, expected a scalar tensor: LossOutput.mean(loss_B) or "
            "LossOutput.sum(loss_B) for a value per pair"
        )
    for name, value in output.stats.items():
        # As mmengine's log takes them.
        if not isinstance(value, Tensor | np.ndarray | np.number | int | float) or math.prod(np.shape(value)) != 1:
            return f"returned {_told(value)} as stats[{name!r}], expected a scalar for the log"
    return None


def _told(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _batch(image_B3HW: Tensor | None, texts: dict[str, Tokens]) -> Batch:
    first = image_B3HW if image_B3HW is not None else next(iter(texts.values())).ids
    unknown_B = torch.full((first.shape[0],), -1, device=first.device)
    return Batch(image_B3HW, texts, unknown_B, unknown_B, unknown_B, unknown_B, torch.ones_like(unknown_B).float())
