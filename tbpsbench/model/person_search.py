"""The one model: encode -> disentangle -> fuse -> heads -> losses -> balance. It holds the slots and nothing else.

Features are named; every component reads the names it was configured with:
    image.tokens, image.patches (without CLS), image.pooled, image.attention, image.mask
    text.ROLE.tokens, text.ROLE.pooled, text.ROLE.attention, text.ROLE.mask      ROLE: query, identity, clothing, ...
    the same of the role "masked", the query with masked tokens, where a component requires one of them
    what the disentangler provides; without one "identity" is the mean of the patches, "identity.tokens" the patches
    "fused" from the fuser, heads.NAME.image, heads.NAME.text from the heads

Shapes: B batch, D width of a head.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.nn.functional import normalize

from tbpsbench import registry
from tbpsbench.backbones.base import Encoded
from tbpsbench.types import Batch, Features, LossOutput, Tokens

Component = Mapping[str, Any]
MASKED = "masked"  # the role of the query caption with masked tokens


class PersonSearchModel(BaseModel):
    """A text-based person search model assembled from the registries.

    Args:
        image_encoder, text_encoder: components of IMAGE_ENCODERS and TEXT_ENCODERS; one text encoder for all roles.
        heads: name -> component of HEADS; the similarity is the weighted sum of their cosines.
        losses: name -> component of LOSSES.
        disentangler, fuser: components of DISENTANGLERS and FUSERS, or None.
        balancer: component of BALANCERS.
        cut_texts: encode texts no further than the longest of the batch. Encoders ignore padding, so results stay the
            same; roles that a head or loss reads to their end (its `reads_padding`) are left whole.
        roles: text roles that training batches carry besides "query".
        type: ignored; configs name it.

    Raises:
        RegistryError: if a component cannot be built; names its place in the config.
    """

    def __init__(
        self,
        image_encoder: Component,
        text_encoder: Component,
        heads: Mapping[str, Component],
        losses: Mapping[str, Component],
        disentangler: Component | None = None,
        fuser: Component | None = None,
        balancer: Component | None = None,
        cut_texts: bool = True,
        roles: tuple[str, ...] = (),
        type: str = "PersonSearchModel",  # noqa: ARG002
    ) -> None:
        super().__init__()
        self.image_encoder = registry.IMAGE_ENCODERS.build(image_encoder, "model.image_encoder")
        self.text_encoder = registry.TEXT_ENCODERS.build(text_encoder, "model.text_encoder")
        dims = {"image.tokens": self.image_encoder.dim, "image.patches": self.image_encoder.dim}
        dims["image.pooled"] = self.image_encoder.dim
        for role in ("query", MASKED, *roles):
            dims |= {f"text.{role}.tokens": self.text_encoder.dim, f"text.{role}.pooled": self.text_encoder.dim}
        context = {"dims": dims}
        self.disentangler = self.fuser = None
        if disentangler is None:
            dims |= {"identity": self.image_encoder.dim, "identity.tokens": self.image_encoder.dim}
        else:
            self.disentangler = registry.DISENTANGLERS.build(disentangler, "model.disentangler", context)
            dims |= self.disentangler.dims
        if fuser is not None:
            self.fuser = registry.FUSERS.build(fuser, "model.fuser", context)
            dims["fused"] = self.fuser.out_dim
        self.heads = nn.ModuleDict(
            {name: registry.HEADS.build(head, f"model.heads.{name}", context) for name, head in heads.items()}
        )
        for name, head in self.heads.items():
            dims |= {f"heads.{name}.image": head.dim, f"heads.{name}.text": head.dim}
        self.losses = nn.ModuleDict(
            {name: registry.LOSSES.build(loss, f"model.losses.{name}", context) for name, loss in losses.items()}
        )
        tasks = {"names": tuple(self.losses), "balanced": tuple(n for n, loss in self.losses.items() if loss.balanced)}
        self.balancer = registry.BALANCERS.build(balancer or {"type": "Fixed"}, "model.balancer", tasks)
        self.dims, self.cut_texts = dims, cut_texts
        self._whole = {role for part in (*self.heads.values(), *self.losses.values()) for role in part.reads_padding}
        wanted = _required_features(
            (registry.DISENTANGLERS, disentangler),
            (registry.FUSERS, fuser),
            *((registry.HEADS, head) for head in heads.values()),
            *((registry.LOSSES, loss) for loss in losses.values()),
        )
        self._masked = any(name.startswith(f"text.{MASKED}.") for name in wanted)
        self._image_attention = "image.attention" in wanted
        self._text_attention = {name.split(".")[1] for name in wanted if name.endswith(".attention")} - {"attention"}
        self.balancer.attach(self)

    # -- features ------------------------------------------------------------------------------------------------

    def extract(self, batch: Batch) -> Features:
        """Every feature that can be made from what the batch holds: a gallery batch has no query, a query no image."""
        features = Features()
        if batch.image_B3HW is not None:
            encoded = self.image_encoder(batch.image_B3HW, need_attention=self._image_attention)
            _store(features, "image", encoded)
            features["image.patches"] = encoded.tokens_BLD[:, encoded.prefix :]
        self._encode_texts(batch, features)
        if batch.image_B3HW is not None:
            if self.disentangler is not None:
                features.tensors |= self.disentangler(features)
            else:
                features["identity"] = features["image.patches"].mean(dim=1)
                features["identity.tokens"] = features["image.patches"]
            if self.fuser is not None:
                features["fused"] = self.fuser(features)
        for name, head in self.heads.items():
            features.heads[name] = head(features, batch)
        return features

    def _encode_texts(self, batch: Batch, features: Features) -> None:
        texts, whole = dict(batch.texts), set(self._whole)
        query = texts.get("query") if self._masked else None
        shared = query is not None and query.labels is not None and query.masked_ids is None
        if query is not None and query.masked_ids is not None:
            texts[MASKED] = Tokens(query.masked_ids, query.mask)
        if shared and MASKED in whole:
            whole.add("query")
        for role, tokens in texts.items():
            shown = tokens.cut() if self.cut_texts and role not in whole else tokens
            _store(features, f"text.{role}", self.text_encoder(shown, need_attention=role in self._text_attention))
        if shared:  # one text in two roles is encoded once
            for name in [name for name in features if name.startswith("text.query.")]:
                features[name.replace(".query.", f".{MASKED}.")] = features[name]

    def encode_gallery(self, image_B3HW: Tensor, texts: Mapping[str, Tokens] | None = None) -> dict[str, Tensor]:
        """Embed gallery images, with the texts made from them where the gallery side uses texts.

        Returns:
            head name -> (B, D), L2-normalised float32.

        Raises:
            ValueError: if a query text is passed: the gallery must not know it.
        """
        if texts and "query" in texts:
            raise ValueError("the gallery side must not see query captions (protocol.md, leak guard)")
        return self._embed(_batch(image_B3HW, dict(texts or {})), "image")

    def encode_query(self, texts: Tokens) -> dict[str, Tensor]:
        """Embed query captions: head name -> (B, D), L2-normalised float32."""
        return self._embed(_batch(None, {"query": texts}), "text")

    def _embed(self, batch: Batch, side: str) -> dict[str, Tensor]:
        heads = self.extract(batch).heads
        return {name: normalize(getattr(head, side).float(), dim=-1) for name, head in heads.items()}

    @property
    def head_weights(self) -> dict[str, float]:
        """Share of each head in the similarity; shares sum to one."""
        total = sum(head.weight for head in self.heads.values())
        return {name: head.weight / total for name, head in self.heads.items()}

    # -- training, as mmengine calls it --------------------------------------------------------------------------

    def forward(self, batch: Batch, mode: str = "loss") -> Any:
        """Losses by name for `mode="loss"`, named features for `mode="tensor"`."""
        features = self.extract(batch)
        if mode == "tensor":
            return features
        if mode != "loss":
            raise ValueError(f"mode is 'loss' or 'tensor', got {mode!r}; evaluation uses encode_gallery, encode_query")
        # Losses never run in half precision: log-sum-exps and small differences do not survive it.
        with torch.autocast(batch.pid_B.device.type, enabled=False):
            return {name: loss(features, batch) for name, loss in self.losses.items()}

    def parse_losses(self, losses: dict[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """Balance the losses; the one hook that every mmengine wrapper calls.

        Returns:
            the scalar to optimise, and what is logged: `loss`, each `loss_NAME`, `NAME_STAT`, what the balancer adds.
        """
        total, scalars = self.balancer(losses)
        log: dict[str, Tensor] = OrderedDict(loss=total)
        log |= {f"loss_{name}": loss.value.detach() for name, loss in losses.items()}
        log |= scalars
        log |= {f"{name}_{stat}": value for name, loss in losses.items() for stat, value in loss.stats.items()}
        return total, log


class BatchToDevice(nn.Module):
    """mmengine's data preprocessor for our Batch: moves it, changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_anchor", torch.zeros(()), persistent=False)

    def forward(self, batch: Batch, training: bool = False) -> dict[str, Batch]:  # noqa: ARG002
        """The batch on this module's device, as keyword arguments of the model."""
        return {"batch": batch.to(self._anchor.device)}


def joint(embeddings: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Concatenate heads so that one dot product equals the weighted sum of their cosines.

    Args:
        embeddings: head name -> (N, D), L2-normalised.
        weights: head name -> share.

    Returns:
        (N, sum of D) float32.
    """
    return torch.cat([weights[name] ** 0.5 * embeddings[name] for name in embeddings], dim=1)


def _store(features: Features, prefix: str, encoded: Encoded) -> None:
    features[f"{prefix}.tokens"], features[f"{prefix}.pooled"] = encoded.tokens_BLD, encoded.pooled_BD
    if encoded.mask_BL is not None:
        features[f"{prefix}.mask"] = encoded.mask_BL
    if encoded.attention_BLL is not None:
        features[f"{prefix}.attention"] = encoded.attention_BLL


def _batch(image_B3HW: Tensor | None, texts: dict[str, Tokens]) -> Batch:
    first = image_B3HW if image_B3HW is not None else next(iter(texts.values())).ids
    unknown_B = torch.full((len(first),), -1, device=first.device)
    return Batch(image_B3HW, texts, unknown_B, unknown_B, unknown_B, unknown_B, torch.ones_like(unknown_B).float())


def _required_features(*components: tuple[registry.Registry[Any], Component | None]) -> set[str]:
    wanted: set[str] = set()
    for slot, config in components:
        if config is not None:
            entry = slot.entry(config["type"])
            wanted |= set(entry.resolve(entry.requires, config))
    return wanted
