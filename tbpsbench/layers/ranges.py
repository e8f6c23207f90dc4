"""Ranges that constructors hold their numbers to; NaN is in none of them, infinity in none either."""

from __future__ import annotations

import math


def require_positive(**numbers: float) -> None:
    """Refuse numbers that are not above 0.

    Raises:
        ValueError: naming the first that is not.
    """
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name} must be positive{_and_finite(number)}, got {number}")


def require_not_negative(**numbers: float) -> None:
    """Refuse numbers below 0.

    Raises:
        ValueError: naming the first that is.
    """
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            raise ValueError(f"{name} must be 0 or more{_and_finite(number)}, got {number}")


def require_share(**numbers: float) -> None:
    """Refuse numbers outside 0..1.

    Raises:
        ValueError: naming the first that is outside.
    """
    for name, number in numbers.items():
        if not 0 <= number <= 1:
            raise ValueError(f"{name} must be a share between 0 and 1, got {number}")


def _and_finite(number: float) -> str:
    return "" if -math.inf < number < math.inf else " and finite"
