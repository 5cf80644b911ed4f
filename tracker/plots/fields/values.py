"""The values of fields: compared, ordered and written in one way everywhere."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from tracker.errors import InvalidError

# Numbers as they are, everything else as text; None where it is missing.
Value = float | int | str | None


def value_of(raw: Any) -> Value:
    """What a parameter or a column counts as: NaN is missing, a truth value is a text."""
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if isinstance(raw, bool):
        return str(raw)
    if isinstance(raw, int | float):
        return raw
    if hasattr(raw, "item") and getattr(raw, "shape", None) == ():
        return value_of(raw.item())
    if isinstance(raw, list | tuple | dict):
        return json.dumps(raw, default=str, ensure_ascii=False)
    return str(raw) if str(raw) != "NaT" and str(raw) != "<NA>" else None


def text_of(value: Any) -> str:
    """A value as a legend shows it: six significant digits, `none` if missing."""
    value = value_of(value)
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def natural(value: Value) -> tuple[int, float, str]:
    """The order of values: numbers by size, then texts, what is missing last."""
    if value is None:
        return 2, 0.0, ""
    if isinstance(value, str):
        return 1, 0.0, value
    return 0, float(value), ""


def sequence(values: Iterable[Value], asked: Sequence[Value] = ()) -> list[Value]:
    """Each value once, in the order asked for, else in the natural one.

    InvalidError if the order that was asked for leaves out a value that is there.
    """
    found = sorted(set(values), key=natural)
    if not asked:
        return found
    missing = [value for value in found if value not in asked]
    if missing:
        raise InvalidError(
            f"The order {', '.join(map(text_of, asked))} leaves out "
            f"{', '.join(map(text_of, missing))}. Name every value."
        )
    return [value for value in asked if value in found]


def is_number(value: object) -> bool:
    """Whether the value is a number, an infinity included."""
    return isinstance(value, int | float)
