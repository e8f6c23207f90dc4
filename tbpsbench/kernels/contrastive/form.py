"""What a loss of the family is, in numbers: which statistics of a row it takes, and how its directions add up.

Every loss compares N anchors with N positives by their cosines s_ij and adds, over two directions (rows of s, and
rows of its transpose), something that depends on a row x_ij = scale_i s_ij and on which of its entries belong
together ("same"; n_i of them). With p = softmax(x_i):

    entropy      -sum_j t_ij log p_ij, t = alpha p (constant) + (1 - alpha) same / n_i      InfoNCE, N-ITC
    divergence   sum_j p_ij (log p_ij - log q_ij), q = same / n_i + eps          SDM, R-ITC, CMPM (root of n_i)
    alignment    [margin - S+_i + (1 / scale) log sum_{not same} exp x_ij]_+                TAL
    ranking      [margin - S+_i + max(0, max_{not same} s_ij)]_+                            TRL

S+_i is the mean of the row's positives under the softmax of their own x, whose weights are constants. A row without
negatives costs nothing in the last two.

What a kind streams over a row's entries, all in base 2 (y = x log2 e), with a the largest entry seen:

    entropy      a, b = sum 2^(y-a), d = sum_same (y-a), n; with moments c = sum 2^(y-a) (y-a)
    divergence   a, b, c, d = sum_same 2^(y-a), n; with slopes e = sum 2^(y-a) (y-a)^2, f = sum_same 2^(y-a) (y-a)
    alignment    of the negatives a, b; of the positives c = largest, d = sum 2^(y-c), e = sum 2^(y-c) (y-c)
    ranking      of the negatives a, b = the column of a; of the positives c, d, e as above

What is kept of a row for the backward pass (`saved`, four numbers), where u is the gradient that arrives, times scale
but for the hinges. The largest entry is kept beside the sum, not their logarithm: y - a is exact where it matters.

    entropy      a, (1 - alpha) / b, (1 - alpha) / n   u (2^(y-a) saved_1 - same saved_2)
    divergence   a, 1 / b, ln b + log q + loss of same, of others
                                                       u saved_1 2^(y-a) (ln 2 (y-a) - (saved_2 or saved_3))
    alignment    a, 1 / b, c, 1 / d; 0 for 1 / b and 1 / d where the hinge is not active
                                                       u (2^(y-a) saved_1 on negatives, -2^(y-c) saved_3 on same)
    ranking      hardest negative or -1, whether active, c, 1 / d

so that the gradient of a row's loss by s_ij needs s_ij alone, which the backward pass computes again.
`slope`, the gradient of a row's loss by its scale, is a by-product of the forward pass.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["entropy", "divergence", "alignment", "ranking"]
KINDS: tuple[Kind, ...] = ("entropy", "divergence", "alignment", "ranking")
HINGED: tuple[Kind, ...] = ("alignment", "ranking")
# Numbers streamed over a row (a ... f, n) and kept of it.
STATES, SAVED = 7, 4
# Stands for the largest of no entries; finite, so that differences of two of them are not NaN.
NEVER = -1e30
# Stands for it where 2^(y - a) has to be 0.
EMPTY = 1e30


class Form(NamedTuple):
    """A loss of the family.

    Attributes:
        kind: see the module.
        factor: multiplies the cosines, beside the scale that is a tensor.
        row, column: weights of the two directions, anchor to positive and back.
        moments: whether `entropy` needs sum p x (alpha > 0 or the slope).
        slopes: whether the gradient by the scale is asked for.
        eps: of the targets of `divergence`.
        root: whether those are divided by the root of the number of positives.
        margin: of `alignment` and `ranking`.
        distinct: no two pairs belong together; labels are then 0 ... N-1.
    """

    kind: Kind
    factor: float = 1.0
    row: float = 1.0
    column: float = 1.0
    moments: bool = False
    slopes: bool = False
    eps: float = 1e-8
    root: bool = False
    margin: float = 0.0
    distinct: bool = False

    @property
    def hinged(self) -> bool:
        """Whether it is a hinge on cosines: the scale is then inside, and the gradient is by s, not by x."""
        return self.kind in HINGED
