"""How many entries of each row of a matrix are at least, and how many above, thresholds of that row: exact ranks.

A rank is a count, so nothing has to be put in order: the Triton form reads each row once for sixteen of its thresholds.
"""

# The submodule `torch` takes that name in this file.
from .public import counts

__all__ = ["counts"]
