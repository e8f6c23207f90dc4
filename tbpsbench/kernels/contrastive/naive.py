"""The losses by their definitions, from the whole matrix of similarities: what the other forms are compared with.

They run in any precision and on any device, with torch's autograd; on a CPU they are what runs at usual batch sizes.

Shapes: N pairs, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

Positives = Literal["instance", "identity"]
POSITIVES = ("instance", "identity")


def info_nce(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: float | Tensor = 1 / 0.07,
    *,
    symmetric: bool = True,
    positives: Positives = "instance",
) -> Tensor:
    """Cross-entropy (N,) of each row's softmax against its matches; the mean of both directions if `symmetric`."""
    instance = positives == "instance"
    target_NN = torch.eye(len(label_N), device=label_N.device) if instance else identity_targets(label_N)
    logits_NN = scale * anchor_ND @ positive_ND.T
    loss_N = cross_entropy(logits_NN, target_NN)
    return (loss_N + cross_entropy(logits_NN.T, target_NN)) / 2 if symmetric else loss_N


def nitc(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: float | Tensor = 1 / 0.07,
    alpha: float | Tensor = 0.5,
    soft: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Cross-entropy (N,), the mean of both directions, against alpha x a soft similarity + (1 - alpha) x equal shares.

    Args:
        soft: the two sides that the soft similarity is computed from; None takes the anchors and positives themselves.
    """
    cosine_NN = anchor_ND @ positive_ND.T
    with torch.no_grad():
        soft_NN = scale * (cosine_NN if soft is None else soft[0] @ soft[1].T)
        target_NN = identity_targets(label_N).to(cosine_NN.dtype)
        rows_NN = torch.lerp(target_NN, soft_NN.softmax(dim=1), alpha)
        columns_NN = torch.lerp(target_NN, soft_NN.T.softmax(dim=1), alpha)
    loss_N = cross_entropy(scale * cosine_NN, rows_NN) + cross_entropy(scale * cosine_NN.T, columns_NN)
    return loss_N / 2


def sdm(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    temperature: float = 0.02,
    eps: float = 1e-8,
    *,
    scale: Tensor | None = None,
) -> Tensor:
    """KL(p || q + eps) (N,) of each row's softmax p from the identities' shares q; both directions are added.

    Args:
        scale: multiplies the cosines instead of 1 / temperature.
    """
    target_NN = identity_targets(label_N)
    logits_NN = anchor_ND @ positive_ND.T / temperature if scale is None else scale * anchor_ND @ positive_ND.T
    return reverse_kl(logits_NN, target_NN, eps) + reverse_kl(logits_NN.T, target_NN, eps)


def cmpm(anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, eps: float = 1e-8) -> Tensor:
    """SDM's divergence (N,) of the projections of features that are not normalised; labels of Euclidean norm 1."""
    same_NN = _same(label_N).float()
    label_NN = same_NN / same_NN.norm(dim=1, keepdim=True)
    onto_positive_NN = anchor_ND @ normalize(positive_ND, dim=-1).T
    onto_anchor_NN = positive_ND @ normalize(anchor_ND, dim=-1).T
    return reverse_kl(onto_positive_NN, label_NN, eps) + reverse_kl(onto_anchor_NN, label_NN, eps)


def tal(
    anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, temperature: float = 0.015, margin: float = 0.1
) -> Tensor:
    """[margin - S+ + temperature log sum_negatives exp(S / temperature)]_+ (N,), both directions added."""
    cosine_NN, same_NN = anchor_ND @ positive_ND.T, _same(label_N)
    return _aligned(cosine_NN, same_NN, temperature, margin) + _aligned(cosine_NN.T, same_NN, temperature, margin)


def trl(
    anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, temperature: float = 0.015, margin: float = 0.1
) -> Tensor:
    """[margin - S+ + max(0, max_negatives S)]_+ (N,), both directions added."""
    cosine_NN, same_NN = anchor_ND @ positive_ND.T, _same(label_N)
    return _ranked(cosine_NN, same_NN, temperature, margin) + _ranked(cosine_NN.T, same_NN, temperature, margin)


def identity_targets(label_N: Tensor) -> Tensor:
    """(N, N) float32 shares: all pairs of one person match equally, rows sum to one; symmetric."""
    same_NN = _same(label_N).float()
    return same_NN / same_NN.sum(dim=1, keepdim=True)


def cross_entropy(logits_NN: Tensor, target_NN: Tensor) -> Tensor:
    """Cross-entropy (N,) of each row's softmax against targets that sum to one."""
    return -(target_NN.to(logits_NN.dtype) * logits_NN.log_softmax(dim=1)).sum(dim=1)


def reverse_kl(logits_NN: Tensor, target_NN: Tensor, eps: float) -> Tensor:
    """KL(p || q + eps) of each row (N,): p is its softmax, q the targets; where q is 0, p costs -log(eps)."""
    # In the targets' precision, float32, also beside float64 logits: so the released numbers are met to 1e-9.
    log_q_NN = (target_NN + eps).log()
    log_p_NN = logits_NN.log_softmax(dim=1)
    return (log_p_NN.exp() * (log_p_NN - log_q_NN)).sum(dim=1)


def _same(label_N: Tensor) -> Tensor:
    """(N, N) bool, which pairs show one identity."""
    return label_N[:, None] == label_N[None, :]


def _positive_part(cosine_NN: Tensor, same_NN: Tensor, temperature: float) -> Tensor:
    """S+ (N,): each row's positives, averaged under the softmax of their own cosines; its weights are constants."""
    logits_NN = (cosine_NN.detach() / temperature).masked_fill(~same_NN, -torch.inf)
    return (logits_NN.softmax(dim=1) * cosine_NN).sum(dim=1)


def _aligned(cosine_NN: Tensor, same_NN: Tensor, temperature: float, margin: float) -> Tensor:
    """TAL of each row (N,)."""
    has_negative_N = ~same_NN.all(dim=1)
    # A row of -inf alone has the gradient NaN; such a row is cut off first, its loss second.
    hidden_NN = same_NN & has_negative_N[:, None]
    logits_NN = (cosine_NN / temperature).masked_fill(hidden_NN, -torch.inf)
    negative_N = temperature * logits_NN.logsumexp(dim=1)
    loss_N = (margin - _positive_part(cosine_NN, same_NN, temperature) + negative_N).clamp(min=0)
    return loss_N.masked_fill(~has_negative_N, 0.0)


def _ranked(cosine_NN: Tensor, same_NN: Tensor, temperature: float, margin: float) -> Tensor:
    """TRL of each row (N,)."""
    negative_N = cosine_NN.masked_fill(same_NN, 0.0).amax(dim=1)
    loss_N = (margin - _positive_part(cosine_NN, same_NN, temperature) + negative_N).clamp(min=0)
    return loss_N.masked_fill(same_NN.all(dim=1), 0.0)
