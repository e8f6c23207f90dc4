"""Pieces that losses on a matrix of similarities share.

Shapes: B pairs of the global batch, D width.
"""

from __future__ import annotations

from torch import Tensor

from tbpsbench.distributed import gather_rows
from tbpsbench.kernels.precision import at_least_float32
from tbpsbench.types import Features


def joined(features: Features, name: str) -> Tensor:
    """The feature `name` of all processes' pairs, (B, D), at least float32."""
    return gather_rows(at_least_float32(features[name]))


def identity_targets(pid_B: Tensor) -> Tensor:
    """(B, B) float32 shares: all pairs of one person match equally, rows sum to one; symmetric."""
    same_BB = (pid_B[:, None] == pid_B[None, :]).float()
    return same_BB / same_BB.sum(dim=1, keepdim=True)


def cross_entropy(logits_BB: Tensor, target_BB: Tensor) -> Tensor:
    """Cross-entropy (B,) of each row's softmax against targets that sum to one."""
    return -(target_BB.to(logits_BB.dtype) * logits_BB.log_softmax(dim=1)).sum(dim=1)


def reverse_kl(logits_BB: Tensor, target_BB: Tensor, eps: float) -> Tensor:
    """KL(p || q + eps) of each row (B,): p is its softmax, q the targets; where q is 0, p costs -log(eps)."""
    # In the targets' precision, float32, also beside float64 logits: so the released numbers are met to 1e-9.
    log_q_BB = (target_BB + eps).log()
    log_p_BB = logits_BB.log_softmax(dim=1)
    return (log_p_BB.exp() * (log_p_BB - log_q_BB)).sum(dim=1)
