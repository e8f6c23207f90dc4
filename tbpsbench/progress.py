"""Progress bars: the one place that decides whether there is one. A log file gets none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


def progress_bar(
    items: Iterable[Any] | None = None, *, total: int, what: str, unit: str = "img", done: int = 0, shown: bool = True
) -> tqdm:
    """A bar on the standard error, if that is a terminal; otherwise nothing is written.

    Args:
        items: what is walked through; None where the caller calls `update`.
        total: number of items.
        what: what is done with them.
        unit: what an item is called.
        done: items that were finished before.
        shown: False for a caller that wants no bar anywhere.
    """
    from tqdm import tqdm

    # None: tqdm asks whether its stream is a terminal.
    return tqdm(items, total=total, initial=done, unit=unit, desc=what, disable=None if shown else True)


def no_bars_in_logs() -> None:
    """Ask packages that draw bars of their own (downloads of weights) to keep them out of a log file, too.

    To be called before any of them is imported: tqdm reads the variable when it is.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
