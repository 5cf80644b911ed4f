"""SQL functions that SQLite lacks: exact integers beyond a float, lists kept as JSON, spread.

Each returns NULL for NULL, and never raises on anything a lab can hold.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

# Makes each NaN anew: Python's lists take an object for equal to itself.
_decode = json.JSONDecoder(parse_constant=float).decode


def register(connection: Any) -> None:
    """Makes the functions known to a driver's connection."""
    for name, arguments, function in (
        ("lk_rounding", 1, rounding),
        ("lk_same_items", 2, same_items),
        ("lk_has_item", 2, has_item),
    ):
        connection.create_function(name, arguments, function, deterministic=True)
    connection.create_aggregate("lk_std", 1, _Std)


def rounding(digits: str | None) -> float | None:
    """How much an integer lies above the float that is nearest to it."""
    if digits is None:
        return None
    exact = int(digits)
    try:
        return float(exact - int(float(exact)))
    except OverflowError:
        # Stored as an infinity, and on this side of it.
        return -1.0 if exact > 0 else 1.0


def same_items(left: str | None, right: str | None) -> bool | None:
    """Whether two lists in JSON are equal, by Python's rules: 1 equals 1.0, NaN nothing."""
    if left is None or right is None:
        return None
    return bool(_decode(left) == _decode(right))


def has_item(items: str | None, item: str) -> bool | None:
    """Whether a list in JSON holds what `item` is in JSON; anything but a list holds nothing."""
    if items is None:
        return None
    found = _decode(items)
    return isinstance(found, list) and _decode(item) in found


def mean(numbers: Sequence[float]) -> float | None:
    """The mean, summed exactly, in any order. None of none; NaN of inf and -inf."""
    if not numbers:
        return None
    try:
        return math.fsum(numbers) / len(numbers)
    except OverflowError:
        return math.fsum(number / len(numbers) for number in numbers)
    except ValueError:  # fsum's, of inf and -inf
        return math.nan


def std(numbers: Sequence[float]) -> float | None:
    """The sample standard deviation (divided by n - 1), in two passes with exact sums.

    The order of the numbers makes no difference. None of fewer than two; NaN where one of
    them is infinite, or their squares are too large for a float.
    """
    middle = mean(numbers)
    if middle is None or len(numbers) < 2:
        return None
    try:
        squares = math.fsum((number - middle) ** 2 for number in numbers)
    except OverflowError:
        return math.nan
    return math.sqrt(squares / (len(numbers) - 1)) if math.isfinite(squares) else math.nan


class _Std:
    """`std` of a group's values as SQLite's aggregate: NULLs are left out, NaN becomes NULL."""

    def __init__(self) -> None:
        self._numbers: list[float] = []

    def step(self, number: float | None) -> None:
        if number is not None:
            self._numbers.append(number)

    def finalize(self) -> float | None:
        return std(self._numbers)
