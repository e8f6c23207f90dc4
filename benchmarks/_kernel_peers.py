"""What others offer for the jobs of the kernels' benchmarks; a package that is not installed has no entry.

The arguments are those of our functions, and so are the results: a scalar, or a scan's output.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

Loss = Callable[..., Tensor]
TEMPERATURE = 0.07
MARGIN = 0.3
# They know no tensors of a CPU.
CUDA_ALONE = ("memeff", "mamba_ssm")
# A file with mamba-ssm's `selective_scan_fn` where its package is not installed; set by `gpu.py --mamba`.
mamba_file: Path | None = None


def nothing() -> dict[str, Loss]:
    return {}


def clip_losses() -> dict[str, Loss]:
    """open_clip's loss and memeff's, where they are installed; both have instance positives and one temperature."""
    found: dict[str, Loss] = {}
    if find_spec("open_clip"):
        from open_clip.loss import ClipLoss

        clip = ClipLoss(cache_labels=True)
        found["open_clip"] = lambda a_ND, p_ND, _: clip(a_ND, p_ND, 1 / TEMPERATURE)
    if find_spec("memeff"):
        from memeff import MemoryEfficientCLIPLoss

        # Its default rescales the gradients; this does not.
        memeff = MemoryEfficientCLIPLoss(temperature=TEMPERATURE, normalized_inputs=True, stable=False)
        found["memeff"] = lambda a_ND, p_ND, _: memeff(a_ND, p_ND)
    return found


def hsic_width(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """||X_c^T Y_c||^2 / (N-1)^2 with torch's autograd: the best that torch gives without work."""
    cross_DD = (x_ND - x_ND.mean(0)).T @ (y_ND - y_ND.mean(0))
    return cross_DD.square().sum() / (len(x_ND) - 1) ** 2


def hsic_rows(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """The sum over K_c L_c with torch's autograd: cheaper for few rows."""
    x_ND, y_ND = x_ND - x_ND.mean(0), y_ND - y_ND.mean(0)
    return ((x_ND @ x_ND.T) * (y_ND @ y_ND.T)).sum() / (len(x_ND) - 1) ** 2


def hsic_rbf(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """HSIC with RBF kernels of width sqrt(D) from both whole matrices, distances by a product."""
    k_NN, l_NN = (torch.exp(-distances(z_ND) / (2 * z_ND.shape[1])) for z_ND in (x_ND, y_ND))
    k_NN = k_NN - k_NN.mean(0) - k_NN.mean(1, keepdim=True) + k_NN.mean()
    return (k_NN * l_NN).sum() / (len(x_ND) - 1) ** 2


def distances(x_ND: Tensor) -> Tensor:
    """(N, N) squared distances by one product of centred rows."""
    x_ND = x_ND - x_ND.mean(0)
    square_N = x_ND.square().sum(1)
    return (square_N[:, None] + square_N - 2 * x_ND @ x_ND.T).clamp(min=0)


def hardest_distances(x_ND: Tensor, label_N: Tensor) -> Tensor:
    """Batch-hard from the matrix of squared distances with autograd (Hermans et al. 2017)."""
    distance_NN, same_NN = distances(x_ND), label_N[:, None] == label_N
    far_N = torch.where(same_NN, distance_NN, -torch.inf).max(1).values
    near_N = torch.where(same_NN, torch.inf, distance_NN).min(1).values
    both_N = (same_NN.sum(1) > 1) & ~same_NN.all(1)
    return (far_N - near_N + MARGIN).clamp(min=0).masked_fill(~both_N, 0).sum() / both_N.sum()


def hardest() -> dict[str, Loss]:
    """The whole matrix of distances; pytorch-metric-learning, where it is installed."""
    if find_spec("pytorch_metric_learning") is None:
        return {"distances": hardest_distances}
    from pytorch_metric_learning import distances as measures
    from pytorch_metric_learning import losses, miners, reducers

    squared = measures.LpDistance(normalize_embeddings=False, p=2, power=2)
    miner = miners.BatchHardMiner(distance=squared)
    loss = losses.TripletMarginLoss(margin=MARGIN, distance=squared, reducer=reducers.MeanReducer())
    return {"distances": hardest_distances, "pml": lambda x_ND, label_N: loss(x_ND, label_N, miner(x_ND, label_N))}


def scans() -> dict[str, Loss]:
    """The recurrence as published; mamba-ssm's CUDA kernel and mamba.py's parallel scan, where they are installed."""
    found: dict[str, Loss] = {"published": published}
    if kernel := mamba_kernel():
        found["mamba_ssm"] = partial(_mamba_ssm, kernel)
    if find_spec("mambapy"):
        found["mambapy"] = _mambapy
    return found


def published(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor) -> Tensor:
    """The recurrence as Mamba's authors publish it for reference, written from its description.

    All decays and writes are two (B, E, L, N) tensors; a loop slices them, with autograd through it.
    """
    u, dt, B, C, z = (x.mT for x in (u, dt, B, C, z))
    dt = softplus(dt + bias[:, None])
    decay = torch.exp(torch.einsum("bel,en->beln", dt, A))
    written = torch.einsum("bel,bnl,bel->beln", dt, B, u)
    state, outputs = torch.zeros_like(decay[:, :, 0]), []
    for t in range(u.shape[2]):
        state = decay[:, :, t] * state + written[:, :, t]
        outputs.append(torch.einsum("ben,bn->be", state, C[:, :, t]))
    y = torch.stack(outputs, dim=2) + u * D[:, None]
    return (y * silu(z)).mT


def mamba_kernel() -> Callable[..., Tensor] | None:
    """mamba-ssm's `selective_scan_fn`, from `mamba_file` or its package, if there is one."""
    if mamba_file is not None:
        spec = spec_from_file_location("mamba_file", mamba_file)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.selective_scan_fn  # type: ignore[no-any-return]
    if find_spec("selective_scan_cuda"):
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

        return selective_scan_fn  # type: ignore[no-any-return]
    return None


def _mamba_ssm(
    kernel: Callable[..., Tensor],
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor,
) -> Tensor:  # fmt: skip
    """It wants (B, E, L); the copies are part of using it."""
    u, dt, B, C, z = (x.mT.contiguous() for x in (u, dt, B, C, z))
    return kernel(u, dt, A, B, C, D, z=z, delta_bias=bias, delta_softplus=True).mT


def _mambapy(u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor, bias: Tensor) -> Tensor:
    from mambapy.pscan import pscan

    dt = softplus(dt + bias)
    y = (pscan(torch.exp(dt[..., None] * A), (dt * u)[..., None] * B[:, :, None]) @ C[..., None])[..., 0] + u * D
    return y * silu(z)
