"""The model of the slots: encode -> disentangle -> fuse -> heads -> losses -> balance; it holds them, nothing else.

Features are named; every component reads the names it was configured with:
    image.tokens, image.patches (without CLS), image.pooled, image.mask
    text.ROLE.tokens, text.ROLE.pooled, text.ROLE.mask      of every role of the batch
    image.attention, text.ROLE.attention                    where a component reads it and the encoder has any
    what the disentangler provides: "identity", "identity.tokens", ...
    "fused" from the fuser, heads.NAME.image, heads.NAME.text from the heads
    view.VIEW.FEATURE           of further views of the pairs (views.py), where a loss reads it
    extras.NAME                 what the data set knows of the images besides

wiring.py lists the stages and what they need, sides.py says what they must not read, roles.py what roles are.

Shapes: B batch, D width of a head.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tbpsbench import registry
from tbpsbench.backbones.base import Encoded
from tbpsbench.errors import ConfigError
from tbpsbench.model.base import SearchModel, asked
from tbpsbench.model.roles import MASKED, QUERY, of_training, role_of
from tbpsbench.model.sides import require_sides
from tbpsbench.model.views import plain, seen_as, view_features, view_of
from tbpsbench.model.wiring import Component, require_roles, required, stages
from tbpsbench.types import Batch, Features, LossOutput, Tokens
from tbpsbench.vectors import Vectors


@registry.MODELS.register()
class PersonSearchModel(SearchModel):
    """A text-based person search model assembled from the registries.

    Args:
        image_encoder, text_encoder: components of IMAGE_ENCODERS and TEXT_ENCODERS; one text encoder for all roles.
        heads: name -> component of HEADS; the similarity is the weighted sum of their cosines.
        losses: name -> component of LOSSES.
        disentangler: component of DISENTANGLERS; None stands for PatchMean.
        fuser: component of FUSERS, or None.
        balancer: component of BALANCERS.
        cut_texts: encode texts no further than the longest of the batch. Encoders ignore padding, so results stay the
            same; roles that a head or loss reads to their end (its `reads_padding`) are left whole.
        roles: text roles that training batches carry besides "query".
        type: ignored; configs name it.

    Raises:
        RegistryError: if a component cannot be built; names its place in the config.
        ConfigError: if a component reads texts of a role that is not among `roles`, or what makes one side to be
            compared reads the other.
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
        parts = stages(image_encoder, text_encoder, heads, losses, disentangler, fuser)
        require_roles(parts, roles)
        require_sides(parts)
        dims: dict[str, int] = {}
        wanted = required(parts)
        self._views = tuple(sorted({view for feature in wanted if (view := view_of(feature))}))
        self.fuser = None
        named: dict[str, dict[str, nn.Module]] = {"heads": {}, "losses": {}}
        for stage in parts:
            part = stage.build(dims)
            widths = stage.widths(part, (QUERY, MASKED, *roles))
            dims |= widths
            dims |= {name: widths[plain(name)] for name in view_features(widths, self._views)}
            kind, _, name = stage.key.partition(".")
            if name:
                named[kind][name] = part
            else:
                setattr(self, kind, part)
        self.heads, self.losses = nn.ModuleDict(named["heads"]), nn.ModuleDict(named["losses"])
        tasks = {"names": tuple(self.losses), "balanced": tuple(n for n, loss in self.losses.items() if loss.balanced)}
        self.balancer = registry.BALANCERS.build(balancer or {"type": "Fixed"}, "model.balancer", tasks)
        self.dims, self.roles, self.cut_texts = dims, tuple(roles), cut_texts
        self._read = {role for feature in wanted if (role := role_of(feature))}
        self.gallery_roles = frozenset(role for role in self._read if role != QUERY and not of_training(role))
        self._whole = {role for part in (*self.heads.values(), *self.losses.values()) for role in part.reads_padding}
        attended = {plain(feature) for feature in wanted if feature.endswith(".attention")}
        self._image_attention = "image.attention" in attended
        self._text_attention = {role for feature in attended if (role := role_of(feature))}
        self.balancer.attach(self)

    # -- features ------------------------------------------------------------------------------------------------

    def extract(self, batch: Batch) -> Features:
        """Every feature that can be made from what the batch holds: a gallery batch has no query, a query no image."""
        features = Features()
        if batch.image_B3HW is not None:
            encoded = _encode(self.image_encoder, batch.image_B3HW, self._image_attention)
            _store(features, "image", encoded)
            features["image.patches"] = encoded.tokens_BLD[:, encoded.prefix :]
        self._encode_texts(batch, features)
        if batch.image_B3HW is not None:
            features.tensors |= asked("disentangler", self.disentangler, features)
            if self.fuser is not None:
                features["fused"] = asked("fuser", self.fuser, features)
        for name, head in self.heads.items():
            features.heads[name] = asked(f"heads.{name}", head, features, batch)
        for view in self._views:
            if (seen := seen_as(batch, view, self.gallery_roles)) is not None:
                features.views[view] = self.extract(seen)
        features.tensors |= {f"extras.{name}": value for name, value in batch.extras.items()}
        return features

    def _encode_texts(self, batch: Batch, features: Features) -> None:
        """Every role of the batch, those of training alone where they are read; a text in two roles is encoded once."""
        texts = {role: tokens for role, tokens in batch.texts.items() if not of_training(role) or role in self._read}
        copies = {role: str(tokens.copy_of) for role, tokens in texts.items() if tokens.copy_of in texts}
        whole, attended = (
            asked | {copies[role] for role in copies if role in asked} for asked in (self._whole, self._text_attention)
        )
        for role, tokens in texts.items():
            if role not in copies:
                shown = tokens.cut() if self.cut_texts and role not in whole else tokens
                _store(features, f"text.{role}", _encode(self.text_encoder, shown, role in attended))
        for role, original in copies.items():
            for name in [name for name in features if name.startswith(f"text.{original}.")]:
                features[name.replace(f".{original}.", f".{role}.", 1)] = features[name]

    # -- training ------------------------------------------------------------------------------------------------

    def balance(self, losses: dict[str, LossOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        """What the balancer makes of the losses, and what it logs."""
        total, scalars = self.balancer(losses)
        return total, scalars


class BatchToDevice(nn.Module):
    """mmengine's data preprocessor for our Batch: moves it, changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_anchor", torch.zeros(()), persistent=False)

    def forward(self, batch: Batch, training: bool = False) -> dict[str, Batch]:  # noqa: ARG002
        """The batch on this module's device, as keyword arguments of the model."""
        return {"batch": batch.to(self._anchor.device)}


def joint(embeddings: Mapping[str, Vectors], weights: Mapping[str, float]) -> Tensor:
    """Concatenate heads so that one dot product equals the weighted sum of their cosines.

    Args:
        embeddings: head name -> (N, D), L2-normalised; of heads that compare by the cosine.
        weights: head name -> share.

    Returns:
        (N, sum of D) float32.
    """
    return torch.cat([weights[name] ** 0.5 * embeddings[name].values for name in embeddings], dim=1)


def _encode(encoder: nn.Module, given: Tensor | Tokens, attention: bool) -> Encoded:
    """Attention is asked for only where a component reads it, so an encoder need not know the argument."""
    encoded: Encoded = encoder(given, need_attention=True) if attention else encoder(given)
    if attention and encoded.attention_BLL is None:
        raise ConfigError(f"{type(encoder).__name__} gave no attention, which a part of this model reads")
    return encoded


def _store(features: Features, prefix: str, encoded: Encoded) -> None:
    tokens_BLD, mask_BL = encoded.tokens_BLD, encoded.mask_BL
    features[f"{prefix}.tokens"], features[f"{prefix}.pooled"] = tokens_BLD, encoded.pooled_BD
    all_real_BL = torch.ones(tokens_BLD.shape[:2], dtype=torch.bool, device=tokens_BLD.device)
    features[f"{prefix}.mask"] = all_real_BL if mask_BL is None else mask_BL
    if encoded.attention_BLL is not None:
        features[f"{prefix}.attention"] = encoded.attention_BLL
