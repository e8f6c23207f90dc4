"""Selected tokens to one vector: two maps side by side, then the maximum over tokens (RDE, eq. 5).

Shapes: B batch, K selected tokens, D their width, E width of the embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tbpsbench.layers.batch_norm import BatchNorm

EPS = 1e-8  # added to the norm of a token


class TokenEmbedding(nn.Module):
    """max over tokens of fc(x) + out(relu(norm(hidden(x)))), x the L2-normalised tokens.

    Args:
        in_dim: D.
        dim: E; the hidden layer is half as wide.
        frozen: whether batch norm keeps its running statistics (see layers/batch_norm.py).
    """

    def __init__(self, in_dim: int, dim: int, *, frozen: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(in_dim, dim)
        self.hidden, self.norm = nn.Linear(in_dim, dim // 2), BatchNorm(dim // 2, frozen=frozen)
        self.out = nn.Linear(dim // 2, dim)

    def forward(self, x_BKD: Tensor, pooled_BK: Tensor | None = None, *, norm_all: bool = True) -> Tensor:
        """Embed to (B, E).

        Args:
            x_BKD: the selected tokens.
            pooled_BK: bool, tokens that take part in the maximum, at least one per row; None for all.
            norm_all: let the others into batch norm's statistics, as the released code does with padding.
        """
        x_BKD = x_BKD / (x_BKD.norm(dim=-1, keepdim=True) + EPS)
        if pooled_BK is None:
            return self._embed(x_BKD).amax(dim=1)
        if norm_all:
            return self._embed(x_BKD).masked_fill(~pooled_BK[..., None], -torch.inf).amax(dim=1)
        made_ME = self._embed(x_BKD[pooled_BK])
        all_BKE = made_ME.new_full((*pooled_BK.shape, made_ME.shape[-1]), -torch.inf)
        all_BKE[pooled_BK] = made_ME
        return all_BKE.amax(dim=1)

    def _embed(self, x: Tensor) -> Tensor:
        """(..., D) to (..., E)."""
        return self.fc(x) + self.out(self.norm(self.hidden(x)).relu())
