"""Every loss of the contrastive family with inputs for it: what its definition and its other forms are called with."""

from typing import NamedTuple

import torch
from kernel_cases import features, labels, laid_out

from tbpsbench.kernels import contrastive
from tbpsbench.kernels.contrastive import naive


class Case(NamedTuple):
    """A loss by name, its arguments, and whether it takes a learnt scale."""

    name: str
    options: dict
    scaled: bool = False


CASES = {
    "infonce": Case("info_nce", {}, True),
    "infonce-identity": Case("info_nce", {"positives": "identity"}, True),
    "infonce-one-way": Case("info_nce", {"positives": "identity", "symmetric": False}),
    "nitc": Case("nitc", {"alpha": 0.3}, True),
    "sdm": Case("sdm", {}),
    "ritc": Case("sdm", {"eps": 1e-2}, True),
    "cmpm": Case("cmpm", {}),
    "tal": Case("tal", {"margin": 0.2}),
    "trl": Case("trl", {"margin": 0.2}),
}
SCALE = 12.5


def inputs(case, rows, width, *, kind="pairs", dtype=torch.float32, layout="contiguous", scale=SCALE):
    """Anchors, positives, labels and, where a scale is learnt, the scale; `cmpm` gets vectors of various lengths."""
    sides = [features(rows, width, dtype=torch.float64, seed=seed, unit=CASES[case].name != "cmpm") for seed in (1, 2)]
    sides = [laid_out(x.detach().to(dtype), layout).requires_grad_() for x in sides]
    more = [torch.tensor(scale, dtype=torch.promote_types(dtype, torch.float32)).requires_grad_()]
    return [*sides, labels(rows, kind), *(more if CASES[case].scaled else [])]


def loss(case, module=contrastive, scale=SCALE, **more):
    """The loss of `module` (`naive` or the public one) as a function of `inputs`."""
    name, options, scaled = CASES[case]
    function = getattr(module, name)

    def call(anchor, positive, label, learnt=None):
        own = dict(options)
        if name in ("info_nce", "nitc"):
            own["scale"] = learnt if scaled else scale
        elif scaled:
            own["scale"] = learnt
        elif name != "cmpm":
            own["temperature"] = 1 / scale
        return function(anchor, positive, label, **own, **more)

    return call


def definition(case, scale=SCALE):
    """The loss as it is defined."""
    return loss(case, naive, scale)
