"""Two dependent sets of features for the tests of HSIC's back ends."""

import kernel_cases as cases
import torch

ESTIMATORS = ("biased", "unbiased")
NAMES = ("value", "gradient of x", "gradient of y")


def pair(rows, width, other, dtype=torch.float32, layout="contiguous", offset=0.0):
    """Two dependent sets."""
    x = cases.features(rows, width, dtype=torch.float64)
    y = cases.features(rows, other, dtype=torch.float64, seed=1) + x[:, :1]
    made = [cases.laid_out((z.detach() + offset).to(dtype), layout) for z in (x, y)]
    return [z.requires_grad_() for z in made]
