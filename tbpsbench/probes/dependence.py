"""How much two features of the same images depend on each other: HSIC and CKA, beside what independence would give.

Centred kernel alignment (Kornblith et al. 2019) is HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y)): free of the features'
scale, 1 where one is a rotation of the other. The biased estimates are above 0 for independent features, too, and the
more so the fewer images there are; the unbiased ones are around 0. Permutations say how far chance alone reaches.

Shapes: N images, D and E widths.
"""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from tbpsbench.kernels.hsic import Estimator, Kernel, collapsed, hsic

PERMUTATIONS = 50
# Of the images more than this share must get another person, or the baseline repeats much of what it is to judge.
EXCHANGED = 0.5


def dependence(
    x_ND: Tensor, y_NE: Tensor, person_N: np.ndarray, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> dict[str, Any]:
    """HSIC and CKA of two features, for both kernels and both estimators.

    Args:
        x_ND, y_NE: (N, D) and (N, E), row i of the same image; N >= 4.
        person_N: (N,) the person in each image.
        permutations: how often persons are exchanged for the baseline; 0 leaves it out.
        seed: of the permutations.

    Returns:
        kernel -> {"hsic", "cka", "hsic_unbiased", "cka_unbiased"} -> {"value", and of the exchanged features
        "independent" (the mean) and "independent_95" (the 95 % quantile)}. These two are left out where too few persons
        have as many images as another, so that most would keep their own. A feature that is the same in all images
        gives 0 everywhere; an unbiased CKA is None where the unbiased HSIC of a feature with itself is not above 0 (few
        images).
    """
    x_ND, y_NE = x_ND.double(), y_NE.double()
    generator = np.random.default_rng(seed)
    rounds = permutations if can_be_exchanged(person_N) else 0
    orders = [torch.from_numpy(exchanged(person_N, generator)) for _ in range(rounds)]
    still = bool(collapsed(x_ND) | collapsed(y_NE))
    return {kernel: _of_kernel(x_ND, y_NE, orders, kernel, still) for kernel in get_args(Kernel)}


def can_be_exchanged(person_N: np.ndarray) -> bool:
    """Whether `exchanged` hands most images to another person; of those with as many, one on average keeps its own."""
    _, count_P = np.unique(person_N, return_counts=True)
    images, persons = np.unique(count_P, return_counts=True)
    return bool((images * (persons - 1)).sum() > EXCHANGED * len(person_N))


def exchanged(person_N: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows in an order that hands every person's images, whole, to another person with as many images.

    Images of one person are alike. Exchanged one by one, they would look like more independent evidence than they are,
    and the baseline would be too low.
    """
    _, code_N = np.unique(person_N, return_inverse=True)
    rows = np.split(np.argsort(code_N, kind="stable"), np.cumsum(np.bincount(code_N))[:-1])
    order_N = np.empty(len(person_N), np.int64)
    for size in sorted({len(own) for own in rows}):
        alike = [own for own in rows if len(own) == size]
        for own, other in zip(alike, generator.permutation(len(alike)), strict=True):
            order_N[own] = alike[other]
    return order_N


def _of_kernel(x_ND: Tensor, y_NE: Tensor, orders: list[Tensor], kernel: Kernel, still: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for estimator in get_args(Estimator):
        measure = partial(_zero if still else hsic, kernel=kernel, estimator=estimator)
        value, own_x, own_y = (float(measure(*pair)) for pair in ((x_ND, y_NE), (x_ND, x_ND), (y_NE, y_NE)))
        scale = 0.0 if still else (own_x * own_y) ** -0.5 if min(own_x, own_y) > 0 else None
        chance = [float(measure(x_ND, y_NE[order])) for order in orders]
        ending = "_unbiased" if estimator == "unbiased" else ""
        found["hsic" + ending] = _entry(value, chance)
        found["cka" + ending] = None if scale is None else _entry(scale * value, [scale * other for other in chance])
    return found


def _entry(value: float, chance: list[float]) -> dict[str, float]:
    if not chance:
        return {"value": value}
    return {
        "value": value,
        "independent": float(np.mean(chance)),
        "independent_95": float(np.quantile(chance, 0.95)),
    }


def _zero(x_ND: Tensor, y_NE: Tensor, **_: str) -> float:  # noqa: ARG001
    return 0.0
