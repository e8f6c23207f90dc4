"""The losses of the family, by the names of their papers. Rows are L2-normalised by the caller, but for `cmpm`.

Shapes: N pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..dispatch import Backend, wanted
from ..precision import alike, at_least_float32, in_own_precision
from . import naive
from .form import Form, Kind
from .naive import POSITIVES, Positives
from .op import contrast, which

# From this many pairs on, chunks are faster than the whole matrix on a CPU (one thread, forward and backward, D 512;
# the fewer passes a definition makes over its matrix, the later). At D 128 they are from about half as many on.
CROSSOVER: dict[Kind, int] = {"entropy": 4096, "divergence": 2048, "alignment": 1024, "ranking": 1024}
# Up to this many pairs InfoNCE in float32 takes its definition on CUDA, too: few operations, whose products are the
# vendor's. Crossover measured on an H100 at D 512, the definition over the kernels: 0.05 ms over 0.12 ms at 64 pairs on
# the device alone (1.21 over 0.89 with Python), 1.08 over 1.71 at 512. Half precision keeps the kernels, which are
# exacter.
FEW_ON_CUDA = 512
# Shortest length that a vector of `cmpm` is divided by; that of torch's `normalize`.
SHORTEST = 1e-12


@in_own_precision
def info_nce(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: float | Tensor = 1 / 0.07,
    *,
    symmetric: bool = True,
    positives: Positives = "instance",
    backend: Backend | None = None,
) -> Tensor:
    """Cross-entropy of each row's softmax against its matches (van den Oord et al. 2018; identities: equal shares).

    Args:
        anchor_ND, positive_ND: (N, D), rows of length 1, on one device; of two types, both take the wider one.
        label_N: (N,) integers, one for each identity.
        scale: 1 / temperature; a tensor () may be learnt.
        symmetric: the mean of both directions; otherwise anchor to positive alone.
        positives: "instance": row i matches column i; "identity": all pairs of one label match, with equal shares.
        backend: "triton" or "torch"; None chooses by device and size.

    Returns:
        (N,) in float32, or float64 for float64.

    Raises:
        ValueError: for shapes that do not fit, or other `positives`.
    """
    if positives not in POSITIVES:
        raise ValueError(f"positives is one of {', '.join(POSITIVES)}, got {positives!r}")
    anchor_ND, positive_ND = _sides(anchor_ND, positive_ND, label_N)
    if plain := _plain(anchor_ND, positive_ND, "entropy", backend, FEW_ON_CUDA):
        return naive.info_nce(*plain, label_N, scale, symmetric=symmetric, positives=positives)
    distinct = positives == "instance"
    if distinct:
        label_N = torch.arange(len(anchor_ND), device=anchor_ND.device)
    row, column = (0.5, 0.5) if symmetric else (1.0, 0.0)
    form = Form("entropy", row=row, column=column, moments=_learnt(scale), distinct=distinct)
    return _scaled(anchor_ND, positive_ND, label_N, form, scale, None, backend)


@in_own_precision
def nitc(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    scale: float | Tensor = 1 / 0.07,
    alpha: float | Tensor = 0.5,
    *,
    backend: Backend | None = None,
) -> Tensor:
    """Cross-entropy, the mean of both directions, against alpha x the softmax + (1 - alpha) x identity shares.

    The softmax in the targets is the rows' own, held constant (N-ITC, Cao et al. 2024). Arguments as in `info_nce`.

    Args:
        alpha: 0..1; a tensor () gets no gradient.
    """
    anchor_ND, positive_ND = _sides(anchor_ND, positive_ND, label_N)
    if plain := _plain(anchor_ND, positive_ND, "entropy", backend):
        return naive.nitc(*plain, label_N, scale, alpha)
    if not isinstance(alpha, Tensor):
        alpha = torch.full((), alpha, dtype=torch.float32, device=anchor_ND.device)
    form = Form("entropy", row=0.5, column=0.5, moments=True)
    return _scaled(anchor_ND, positive_ND, label_N, form, scale, alpha, backend)


@in_own_precision
def sdm(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    temperature: float = 0.02,
    eps: float = 1e-8,
    *,
    scale: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """KL(p || q + eps) of each row's softmax p from the identities' shares q, both directions added (IRRA, eq. 4-6).

    Arguments as in `info_nce`.

    Args:
        temperature: divides the cosines; > 0.
        eps: added to the shares; > 0.
        scale: () or None; multiplies the cosines instead of 1 / temperature, and may be learnt.
    """
    anchor_ND, positive_ND = _sides(anchor_ND, positive_ND, label_N)
    if plain := _plain(anchor_ND, positive_ND, "divergence", backend):
        return naive.sdm(*plain, label_N, temperature, eps, scale=scale)
    form = Form("divergence", eps=eps)
    by = 1 / temperature if scale is None else scale
    return _scaled(anchor_ND, positive_ND, label_N, form, by, None, backend)


@in_own_precision
def cmpm(
    anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor, eps: float = 1e-8, *, backend: Backend | None = None
) -> Tensor:
    """SDM's divergence of projections onto the other side's directions (Zhang and Lu 2018), both directions added.

    The rows are not normalised: a row's length is the scale of its logits. Labels have Euclidean norm 1.
    """
    anchor_ND, positive_ND = _sides(anchor_ND, positive_ND, label_N)
    if plain := _plain(anchor_ND, positive_ND, "divergence", backend):
        return naive.cmpm(*plain, label_N, eps)
    sides = [at_least_float32(x_ND) for x_ND in (anchor_ND, positive_ND)]
    scale_2N = torch.stack([x_ND.norm(dim=1) for x_ND in sides]).clamp(min=SHORTEST)
    first_ND, second_ND = (normalize(x_ND, dim=-1).to(anchor_ND.dtype) for x_ND in sides)
    form = Form("divergence", eps=eps, root=True)
    return _scaled(first_ND, second_ND, label_N, form, scale_2N, None, backend)


@in_own_precision
def tal(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    temperature: float = 0.015,
    margin: float = 0.1,
    *,
    backend: Backend | None = None,
) -> Tensor:
    """[margin - S+ + temperature log sum_negatives exp(S / temperature)]_+, both directions added (RDE).

    S+ is the mean of a row's positives under the softmax of S / temperature, whose weights are constants. A row
    without negatives costs nothing.
    """
    anchor_ND, positive_ND = _sides(anchor_ND, positive_ND, label_N)
    if plain := _plain(anchor_ND, positive_ND, "alignment", backend):
        return naive.tal(*plain, label_N, temperature, margin)
    form = Form("alignment", factor=1 / temperature, margin=margin)
    return _run(anchor_ND, positive_ND, label_N, form, None, None, backend)


@in_own_precision
def trl(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    temperature: float = 0.015,
    margin: float = 0.1,
    *,
    backend: Backend | None = None,
) -> Tensor:
    """[margin - S+ + max(0, max_negatives S)]_+ with S and S+ of `tal`, both directions added (Faghri et al. 2018)."""
    anchor_ND, positive_ND = _sides(anchor_ND, positive_ND, label_N)
    if plain := _plain(anchor_ND, positive_ND, "ranking", backend):
        return naive.trl(*plain, label_N, temperature, margin)
    form = Form("ranking", factor=1 / temperature, margin=margin)
    return _run(anchor_ND, positive_ND, label_N, form, None, None, backend)


def _sides(anchor_ND: Tensor, positive_ND: Tensor, label_N: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides in one type. What a kernel is given is trusted by it: wrong shapes would be read beyond the end."""
    if anchor_ND.ndim != 2 or anchor_ND.shape != positive_ND.shape or label_N.shape != anchor_ND.shape[:1]:
        found = ", ".join(str(tuple(x.shape)) for x in (anchor_ND, positive_ND, label_N))
        raise ValueError(f"anchors and positives are (N, D) and labels (N,), got {found}")
    return alike(anchor_ND, positive_ND)


def _plain(
    anchor_ND: Tensor, positive_ND: Tensor, kind: Kind, backend: Backend | None, few: int = 0
) -> tuple[Tensor, Tensor] | None:
    """Both sides for the definition, in float32 or float64, where that is what runs.

    Args:
        few: up to how many pairs it does in float32 on CUDA, unless a back end is asked for.
    """
    if _definition(anchor_ND, kind, backend, few):
        return at_least_float32(anchor_ND), at_least_float32(positive_ND)
    return None


def _definition(anchor_ND: Tensor, kind: Kind, backend: Backend | None, few: int) -> bool:
    rows = len(anchor_ND)
    if backend is not None or rows == 0 or rows >= CROSSOVER[kind]:
        return False
    if torch.compiler.is_compiling():
        return not anchor_ND.is_cuda
    if anchor_ND.is_cuda and anchor_ND.dtype == torch.float32 and rows <= few and wanted() == "auto":
        return True
    return which(anchor_ND, kind) == "torch"


def _learnt(scale: float | Tensor) -> bool:
    return isinstance(scale, Tensor) and scale.requires_grad


def _scaled(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    form: Form,
    scale: float | Tensor,
    alpha: Tensor | None,
    backend: Backend | None,
) -> Tensor:
    if isinstance(scale, Tensor):
        form = form._replace(slopes=_learnt(scale))
        return _run(anchor_ND, positive_ND, label_N, form, scale, alpha, backend)
    return _run(anchor_ND, positive_ND, label_N, form._replace(factor=scale), None, alpha, backend)


def _run(
    anchor_ND: Tensor,
    positive_ND: Tensor,
    label_N: Tensor,
    form: Form,
    scale: Tensor | None,
    alpha: Tensor | None,
    backend: Backend | None,
) -> Tensor:
    if len(anchor_ND) == 0:
        # No losses, and gradients of zero.
        return at_least_float32(anchor_ND * positive_ND).sum(dim=1)
    return contrast(anchor_ND, positive_ND, label_N, form, scale, alpha, backend)
