"""Contrastive losses on a batch of pairs, without its matrix of similarities: InfoNCE, N-ITC, SDM, CMPM, TAL, TRL.

Each function returns a loss per pair, so that a caller weighs and averages as it likes, and takes derivatives by both
sides and by a learnt scale. `naive` has the definitions, under the same names; they are also what runs for a small
batch on a CPU.

Memory grows with N D, not with N^2; every run gives the same bits; nothing overflows, whatever the temperature. At an
exact tie of a row's hardest negatives, `trl` moves the first alone, as the released code, where the definition moves
all of them.
"""

# Nothing here may be called torch: the name is the submodule's.
from .functions import cmpm, info_nce, nitc, sdm, tal, trl
from .naive import Positives

__all__ = ["Positives", "cmpm", "info_nce", "nitc", "sdm", "tal", "trl"]
