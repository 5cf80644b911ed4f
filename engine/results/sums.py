"""Sums that do not depend on what was added first."""

import math
from collections.abc import Iterable


def exact_sum(values: Iterable[float]) -> float:
    """The sum, rounded once at the end; NaN and infinities give what they give in a plain sum."""
    numbers = list(values)
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # beyond the largest float, or infinities of both signs
        return sum(numbers)
