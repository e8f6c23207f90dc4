"""BDAM, the bidirectional decoupled alignment module (section 3.2 of the BDAM paper).

Shapes: B batch, L patch tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tbpsbench.disentanglers.base import Disentangler
from tbpsbench.layers.attention import SelfAttention
from tbpsbench.layers.ranges import require_not_negative, require_positive, require_share
from tbpsbench.registry import DISENTANGLERS
from tbpsbench.types import Features


@DISENTANGLERS.register(
    requires=("image.patches",), provides=("identity", "identity.tokens", "clothing", "clothing_ungated", "gate")
)
class BDAM(Disentangler):
    """Split patch tokens into an identity and a clothing vector.

    Two linear maps, a stack of self-attention layers for each stream, cross-attention from each stream to the other,
    the mean over tokens, and a gate that shares every dimension out between the two. Where the paper is silent: layers
    are pre-norm with a norm behind the last, and both cross-attentions read the streams as the stacks left them.

    Provides "identity" and "clothing" (gated: the triplet loss, HSIC and the fuser read them), "clothing_ungated"
    (eq. 1 aligns it with the clothing description), "gate" (of the identity; 1 - gate is the clothing's), each (B, D),
    and "identity.tokens" (B, L, D), whose mean is "identity".

    Args:
        dims: feature name -> width, supplied by the model.
        depth: self-attention layers of each stream; 3 is Table 1's "Shallow".
        heads: of every attention; divides D.
        mlp_ratio: width of the layers' MLP over D.
        dropout: in the layers and behind the cross-attention, 0..1.
        cross_attention: without, the streams never meet before the gate (Table 1, "w/o Cross-Attn").
        gate: without, both vectors are the means, and "gate" is not provided (Table 1, "w/o Gate").

    Raises:
        ValueError: if `heads` does not divide the width, or a number is out of range.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        depth: int = 6,
        heads: int = 8,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        cross_attention: bool = True,
        gate: bool = True,
    ) -> None:
        super().__init__()
        dim = dims["image.patches"]
        require_positive(heads=heads, mlp_ratio=mlp_ratio)
        require_not_negative(depth=depth)
        require_share(dropout=dropout)
        if dim % heads:
            raise ValueError(f"heads ({heads}) must divide the width of image.patches ({dim})")
        self.identity_stream = _stream(dim, depth, heads, mlp_ratio, dropout)
        self.clothing_stream = _stream(dim, depth, heads, mlp_ratio, dropout)
        self.identity_asks = CrossAttention(dim, heads, dropout) if cross_attention else None
        self.clothing_asks = CrossAttention(dim, heads, dropout) if cross_attention else None
        self.gate = nn.Linear(2 * dim, dim) if gate else None
        names = ("identity", "identity.tokens", "clothing", "clothing_ungated", *(("gate",) if gate else ()))
        self.dims = dict.fromkeys(names, dim)

    def forward(self, features: Features) -> dict[str, Tensor]:
        """The provided features by name."""
        patches_BLD = features["image.patches"]
        identity_BLD, clothing_BLD = self.identity_stream(patches_BLD), self.clothing_stream(patches_BLD)
        if self.identity_asks is not None and self.clothing_asks is not None:
            identity_BLD, clothing_BLD = (
                self.identity_asks(identity_BLD, clothing_BLD),
                self.clothing_asks(clothing_BLD, identity_BLD),
            )
        identity_BD, clothing_BD = identity_BLD.mean(dim=1), clothing_BLD.mean(dim=1)
        made = {"clothing_ungated": clothing_BD}
        if self.gate is not None:
            gate_BD = torch.sigmoid(self.gate(torch.cat([identity_BD, clothing_BD], dim=-1)))
            identity_BLD, identity_BD = gate_BD[:, None] * identity_BLD, gate_BD * identity_BD
            clothing_BD = (1 - gate_BD) * clothing_BD
            made["gate"] = gate_BD
        return made | {"identity": identity_BD, "identity.tokens": identity_BLD, "clothing": clothing_BD}


class CrossAttention(nn.Module):
    """One stream asks the other: LayerNorm(x + attention(x, other)).

    Args:
        dim, heads: width and number of heads.
        dropout: of the attention's weights and of its output.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, dropout, batch_first=True)
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(dim)

    def forward(self, x_BLD: Tensor, other_BLD: Tensor) -> Tensor:
        """Queries from `x_BLD`, keys and values from `other_BLD`."""
        found_BLD, _ = self.attention(x_BLD, other_BLD, other_BLD, need_weights=False)
        return self.norm(x_BLD + self.dropout(found_BLD))


def _stream(dim: int, depth: int, heads: int, mlp_ratio: float, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, dim), SelfAttention(dim, depth, heads, mlp_ratio, dropout))
