"""Pieces that losses on pairs of embeddings share.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.contrastive.naive import cross_entropy, identity_targets
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.types import Features

# cross_entropy and identity_targets are for the losses of plug-ins, see docs/plugins.md.
__all__ = ["cross_entropy", "directions", "identity_targets", "joined", "multiplied_in", "scale_like"]

# Above as many pairs, features that come in half precision on a GPU are multiplied in it (and summed in float32).
MANY_PAIRS = 1024


def joined(features: Features, name: str) -> Tensor:
    """The feature `name` of all processes' pairs, (B, D), at least float32."""
    return gather_rows(at_least_float32(features[name]))


def directions(features: Features, anchor: str, positive: str) -> tuple[Tensor, Tensor]:
    """Two features of all processes' pairs, normalised in at least float32, (B, D) each.

    They are float32 or float64, or half precision for many pairs on a GPU if they came so; see `multiplied_in`.
    """
    sides = [normalize(joined(features, name), dim=-1) for name in (anchor, positive)]
    first, second = features[anchor], features[positive]
    dtype = multiplied_in(first.device, first.dtype, second.dtype, len(sides[0]))
    return (sides[0], sides[1]) if dtype is None else (sides[0].to(dtype), sides[1].to(dtype))


def multiplied_in(device: torch.device, first: torch.dtype, second: torch.dtype, pairs: int) -> torch.dtype | None:
    """The half precision that two features' products are made in; None for at least float32."""
    half = first == second and first in (torch.bfloat16, torch.float16)
    return first if half and device.type == "cuda" and pairs > MANY_PAIRS else None


def scale_like(scale: Tensor, like: Tensor) -> Tensor:
    """A scale () in the precision that products of `like` are summed in."""
    return scale.to(torch.promote_types(like.dtype, torch.float32))
