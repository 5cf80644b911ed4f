"""SQL functions that SQLite lacks: exact integers beyond a float, and lists kept as JSON.

Each returns NULL for NULL, and never raises on anything a lab can hold.
"""

import json
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
