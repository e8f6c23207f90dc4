"""HSIC, how much two sets of features depend on each other (Gretton et al. 2005; Song et al. 2012; BDAM, eq. 2).

    biased    1/(N-1)^2 tr(K H L H)                  H = I - 11^T/N, K and L the N x N kernel matrices of both sets
    unbiased  the estimator of Song et al., eq. 5    N >= 4; it can be negative
    CKA       HSIC(x, y) / sqrt(HSIC(x, x) HSIC(y, y))    free of the features' scale (Kornblith et al. 2019)

Nobody needs the N x N matrices of the linear kernel: tr(K H L H) = ||X_c^T Y_c||^2 with centred features. Those of the
RBF kernel are made tile by tile, and made again for the gradient. `naive` is the definition, `torch` the path of CPUs,
`triton` that of GPUs.
"""

# The submodule `torch` takes that name in this file.
from .linear import linear_by_width
from .public import cka, collapsed, hsic
from .terms import MIN_ROWS, Estimator, Form, Kernel, width_is_cheaper

__all__ = [
    "MIN_ROWS",
    "Estimator",
    "Form",
    "Kernel",
    "cka",
    "collapsed",
    "hsic",
    "linear_by_width",
    "width_is_cheaper",
]
