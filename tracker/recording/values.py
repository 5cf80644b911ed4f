"""What may be logged: numbers and positions."""

from collections.abc import Mapping
from operator import index
from typing import Any

from tracker.errors import InvalidError

LARGEST = 2**63 - 1


def as_number(metric: str, value: Any) -> float:
    """The value as a float: a Python number or bool, a numpy scalar, a 0-d array or tensor.

    InvalidError for anything else. Reading a tensor waits for its device.
    """
    kind = type(value)
    if kind is float:
        return value  # type: ignore[no-any-return]  # the comparison above is the check
    # Arrays of numpy, torch and others say so themselves, without an import of any of them.
    if kind is not int and kind is not bool and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise InvalidError(
                f"Metric {metric!r} is too large for a float: {_shown(value)}."
            ) from None
    raise InvalidError(
        f"Metric {metric!r} is {_shown(value)}, a {type(value).__name__}; a number is expected."
    )


def as_metrics(metrics: Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of one call, from a mapping and from keywords."""
    if metrics is None:
        return {name: as_number(name, value) for name, value in named.items()}
    if not isinstance(metrics, Mapping):
        raise InvalidError(
            f"Metrics are given as a mapping or as keywords, not as {_shown(metrics)}: "
            "run.log({'val/loss': 0.3}, step=1) or run.log(loss=0.3, step=1)."
        )
    if twice := sorted(set(metrics) & set(named)):
        raise InvalidError(f"Metric {twice[0]!r} is given twice in one call.")
    return {name: as_number(name, value) for name, value in (*metrics.items(), *named.items())}


def as_position(kind: str, value: Any) -> int | None:
    """A step or an epoch: a whole number from 0 on, or None if not said."""
    if value is None:
        return None
    try:
        number = index(value)
    except TypeError:
        raise InvalidError(f"A {kind} is a whole number, not {_shown(value)}.") from None
    if not 0 <= number <= LARGEST:
        raise InvalidError(f"A {kind} is a whole number from 0 on, not {_shown(number)}.")
    return number


def _shown(value: Any, limit: int = 80) -> str:
    """The value as a user would recognise it, however long it is."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a whole number beyond 64 bits"  # Python may refuse to write it out
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
