"""How numbers look in every format of a board. `board.js` has the same rules."""

from __future__ import annotations

from typing import Literal

Mark = Literal["", "best", "second"]
# Rows count as equal when they are printed the same.
DIGITS = 2
_SCALES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def percent(value: float) -> str:
    """A score or its spread: two decimals."""
    return f"{value:.{DIGITS}f}"


def three_digits(value: float) -> float:
    """`value` rounded to three significant digits: what a cost is printed from."""
    return float(f"{value:.3g}")


def quantity(value: float, unit: str = "") -> str:
    """A cost with three digits and a prefix: "86.2 M", "1.24 GB", "42.0 min"; `unit` as in `rows.COSTS`."""
    value = three_digits(value)
    if unit == "s":
        scale, name = (1.0, "s") if value < 100 else (60.0, "min") if value < 6000 else (3600.0, "h")
        return f"{_short(three_digits(value / scale))} {name}"
    scale, prefix = next(((size, name) for size, name in _SCALES if value >= size), (1.0, ""))
    number = _short(value / scale)
    if unit == "1/s":
        return f"{number}{f' {prefix}' if prefix else ''}/s"
    return f"{number} {prefix}{'B' if unit == 'bytes' else unit}".strip()


def _short(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"
