"""What the kernels' benchmarks race: each loss in our form, as its definition, and as others offer it.

The definitions are those of `naive.py` in each kernel's folder, which the tests compare with. A job's functions give a
scalar; inputs that require a gradient get one.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import torch
from _kernel_peers import (
    MARGIN,
    TEMPERATURE,
    Loss,
    clip_losses,
    hardest,
    hardest_distances,
    hsic_rbf,
    hsic_rows,
    hsic_width,
    nothing,
    scans,
)
from torch import Tensor

# N and D of a loss; B, L, E, S (states) of a scan.
Size = dict[str, int]
Inputs = list[Any]

PER_IDENTITY = 4
# Names of the inputs of a scan, in order.
SCAN_NAMES = ("u", "dt", "A", "B", "C", "D", "z", "dt_bias")


@dataclasses.dataclass(frozen=True)
class Job:
    """One thing to compute, forward and backward.

    Attributes:
        name: as tables call it.
        kernel: the folder in tbpsbench/kernels.
        make: size, dtype, device, seed -> inputs.
        ours, textbook: inputs -> scalar.
        others: name -> the same by somebody else's code; called to import it only when it is asked for.
        work: floating-point operations of matrix products that it takes at least, forward and backward; 0 if it is
            not made of products.
        traffic: values that must be read or written at least, forward and backward.
        plain: the same in the dtype of the inputs, in eager torch, where the definition takes no half precision; its
            error is what ours is compared with.
        textbook_rows: most rows at which the textbook form is timed.
        oracle_rows: most rows at which it is computed in float64.
    """

    name: str
    kernel: str
    make: Callable[[Size, torch.dtype, torch.device, int], Inputs]
    ours: Loss
    textbook: Loss
    others: Callable[[], dict[str, Loss]]
    work: Callable[[Size], float]
    traffic: Callable[[Size], float]
    plain: Loss | None = None
    textbook_rows: int = 1 << 17
    oracle_rows: int = 8192


def form(module: str, name: str) -> Loss:
    """A function of tbpsbench.kernels; where it cannot be imported, one that says so when it is called."""
    try:
        return getattr(importlib.import_module(f"tbpsbench.kernels.{module}"), name)  # type: ignore[no-any-return]
    except (ImportError, AttributeError, SyntaxError) as error:
        reason = f"tbpsbench.kernels.{module} has no {name}: {error}"

        def fails(*_: Any, **__: Any) -> Tensor:
            raise ImportError(reason)

        return fails


def raised(x: Any) -> Any:
    """Half precision as float32, by an operation that gradients pass; anything else as it is."""
    return x.float() if torch.is_tensor(x) and x.dtype in (torch.bfloat16, torch.float16) else x


def step(loss: Loss, inputs: Inputs, first: Tensor | None = None) -> list[Tensor]:
    """Value and gradients; no gradient is accumulated anywhere.

    Args:
        loss, inputs: what is computed.
        first: gradient of the value, which autograd fills with 1 otherwise.
    """
    value = loss(*inputs)
    gradients = torch.autograd.grad(value, [x for x in inputs if torch.is_tensor(x) and x.requires_grad], first)
    return [value.detach(), *gradients]


def pairs(size: Size, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Inputs:
    """Two sides of unit rows, and labels in no order: `PER_IDENTITY` pairs of each person."""
    generator = torch.Generator(device).manual_seed(seed)
    rows, width = size["N"], size["D"]
    label_N = torch.randperm(rows, generator=generator, device=device) // PER_IDENTITY
    centre_ND = torch.randn(rows, width, generator=generator, device=device)[label_N]
    noise_2ND = torch.randn(2, rows, width, generator=generator, device=device)
    sides = torch.nn.functional.normalize(centre_ND + 1.5 * noise_2ND, dim=-1).to(dtype)
    return [*(side.clone().requires_grad_() for side in sides), label_N]


def dependent(size: Size, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Inputs:
    """Two sets of features that depend on each other, far from zero."""
    generator = torch.Generator(device).manual_seed(seed)
    x_ND, noise_ND = torch.randn(2, size["N"], size["D"], generator=generator, device=device)
    return [(x_ND + 1).to(dtype).requires_grad_(), (noise_ND + 0.5 * x_ND - 1).to(dtype).requires_grad_()]


def people(size: Size, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Inputs:
    """Features around one centre per identity, and labels."""
    generator = torch.Generator(device).manual_seed(seed)
    rows, width = size["N"], size["D"]
    label_N = torch.arange(rows, device=device) // PER_IDENTITY
    centre_ND = torch.randn(rows, width, generator=generator, device=device)[label_N]
    x_ND = centre_ND + 1.5 * torch.randn(rows, width, generator=generator, device=device)
    return [(x_ND / width**0.5).to(dtype).requires_grad_(), label_N]


def sequences(size: Size, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Inputs:
    """What a fresh Mamba layer hands to its scan; A, D and the bias stay in float32 or float64, as in Mamba."""
    generator = torch.Generator(device).manual_seed(seed)
    batch, length, channels, states = (size[key] for key in ("B", "L", "E", "S"))

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    made = {
        "u": draw(batch, length, channels),
        "dt": draw(batch, length, channels),
        "A": -torch.arange(1.0, states + 1, device=device).repeat(channels, 1),
        "B": draw(batch, length, states),
        "C": draw(batch, length, states),
        "D": torch.ones(channels, device=device),
        "z": draw(batch, length, channels),
        "dt_bias": draw(channels) - 4.0,
    }
    wide = torch.promote_types(dtype, torch.float32)
    kept = ("A", "D", "dt_bias")
    return [made[name].to(wide if name in kept else dtype).requires_grad_() for name in SCAN_NAMES]


def _squared(scan: Loss) -> Loss:
    """A scan's output as a scalar."""

    def loss(*inputs: Tensor) -> Tensor:
        y = scan(*inputs)
        return y.to(torch.promote_types(y.dtype, torch.float32)).square().mean()

    return loss


def _contrastive(name: str, function: str, others: Callable[[], dict[str, Loss]] = nothing, **keywords: Any) -> Job:
    ours, textbook = form("contrastive", function), form("contrastive.naive", function)
    return Job(
        name,
        "contrastive",
        pairs,
        ours=lambda *x: ours(*x, **keywords).mean(),
        textbook=lambda *x: textbook(*x, **keywords).mean(),
        others=others,
        # One product forward, one again and two more backward.
        work=lambda size: 8 * size["N"] ** 2 * size["D"],
        traffic=lambda size: 6 * size["N"] * size["D"],
    )


HSIC, NAIVE_HSIC = form("hsic", "hsic"), form("hsic.naive", "hsic")
TRIPLET, NAIVE_TRIPLET = form("triplet", "triplet"), form("triplet.naive", "batch_hard")

JOBS = {
    job.name: job
    for job in (
        _contrastive("InfoNCE", "info_nce", clip_losses, scale=1 / TEMPERATURE),
        _contrastive("InfoNCE, identities", "info_nce", scale=1 / TEMPERATURE, positives="identity"),
        _contrastive("SDM", "sdm"),
        _contrastive("TAL", "tal"),
        _contrastive("TRL", "trl"),
        _contrastive("CMPM", "cmpm"),
        _contrastive("N-ITC", "nitc"),
        Job(
            "HSIC",
            "hsic",
            dependent,
            ours=HSIC,
            textbook=NAIVE_HSIC,
            others=lambda: {"width": hsic_width, "rows": hsic_rows},
            work=lambda size: 6 * size["N"] * size["D"] ** 2,
            traffic=lambda size: 6 * size["N"] * size["D"],
            # O(N^3): seconds beyond.
            textbook_rows=8192,
        ),
        Job(
            "HSIC, RBF",
            "hsic",
            dependent,
            ours=lambda x_ND, y_ND: HSIC(x_ND, y_ND, kernel="rbf", sigma=x_ND.shape[1] ** 0.5),
            textbook=lambda x_ND, y_ND: NAIVE_HSIC(
                raised(x_ND), raised(y_ND), kernel="rbf", sigma=x_ND.shape[1] ** 0.5
            ),
            plain=hsic_rbf,
            others=lambda: {"matrices": hsic_rbf},
            work=lambda size: 12 * size["N"] ** 2 * size["D"],
            traffic=lambda size: 6 * size["N"] * size["D"],
            # (N, N, D) differences.
            textbook_rows=1024,
            oracle_rows=1024,
        ),
        Job(
            "batch-hard triplets",
            "triplet",
            people,
            ours=lambda x_ND, label_N: TRIPLET(x_ND, label_N, margin=MARGIN),
            textbook=lambda x_ND, label_N: NAIVE_TRIPLET(raised(x_ND), label_N, margin=MARGIN),
            # In half precision another pair may be the hardest, which changes the gradient of its anchor as a whole.
            plain=hardest_distances,
            others=hardest,
            work=lambda size: 2 * size["N"] ** 2 * size["D"],
            traffic=lambda size: 6 * size["N"] * size["D"],
            textbook_rows=1024,
            oracle_rows=1024,
        ),
        Job(
            "selective scan",
            "selective_scan",
            sequences,
            ours=_squared(form("selective_scan", "selective_scan")),
            textbook=_squared(form("selective_scan.naive", "selective_scan")),
            others=lambda: {name: _squared(scan) for name, scan in scans().items()},
            work=lambda _: 0,
            # u, dt, z read twice, y and its gradient, three gradients; B and C beside them.
            traffic=lambda size: size["B"] * size["L"] * (11 * size["E"] + 6 * size["S"]),
        ),
    )
}
