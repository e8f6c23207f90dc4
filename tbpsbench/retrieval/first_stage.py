"""One vector for each text or picture, by whose dot product an index finds candidates.

Shapes: N texts or pictures, D width of all heads together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tbpsbench.errors import ConfigError
from tbpsbench.heads.base import Side
from tbpsbench.model.base import SearchModel
from tbpsbench.vectors import Encoded


def first_stage(model: SearchModel, encoded: Encoded, side: Side) -> Tensor:
    """(N, D) float32 on the CPU: what each head gives for its first stage, times the root of its share.

    Raises:
        ConfigError: if a head has no such vector.
    """
    parts = []
    for name, weight in model.head_weights.items():
        head = model.heads[name]
        vectors = head.first_stage(encoded.heads[name], side)
        if vectors is None:
            raise ConfigError(
                f"the head {name!r} ({type(head).__name__}) gives no single vector by which candidates can be found: "
                "its `first_stage` returns None, so this system cannot be indexed"
            )
        parts.append(weight**0.5 * vectors)
    return torch.cat(parts, dim=1).cpu().float()
