"""Value lists, exclusions and ranges: `lr 0.1 0.01`, `optimizer! sgd`, `epoch 2:6`.

They say in short what the filter language says in full. A range holds both its ends; either may
be left out.
"""

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracker.errors import InvalidError
from tracker.plots.fields.values import Value
from tracker.plots.options import HISTORIES


class Range(NamedTuple):
    """From `low` to `high`, both included."""

    low: float = -math.inf
    high: float = math.inf


class Only(NamedTuple):
    """The runs that are kept, as a filter or None, and the points of their histories."""

    filter: str | None
    points: dict[str, list["Kept"]]


class Kept(NamedTuple):
    """Which points of a history stay: in any of the ranges, or in none of them."""

    ranges: Sequence[Range]
    excluded: bool


def read_only(texts: Iterable[str]) -> Only:
    """What several of them mean together; `/` separates them inside one text."""
    conditions: list[str] = []
    points: dict[str, list[Kept]] = {}
    for text in texts:
        for part in text.split(" / "):
            field, excluded, words = _split(part)
            if field in HISTORIES:
                points.setdefault(field, []).append(
                    Kept([_moment(field, word) for word in words], excluded)
                )
            else:
                conditions.append(_condition(field, excluded, words))
    return Only(" and ".join(conditions) or None, points)


def read_order(texts: Iterable[str]) -> dict[str, list[Value]]:
    """`optimizer sgd adam` asks for the values of a field in this order."""
    orders = {}
    for text in texts:
        field, *words = _words(text)
        orders[field] = [read_plain(word) for word in words]
    return orders


def _split(part: str) -> tuple[str, bool, list[str]]:
    field, *words = _words(part)
    excluded = field.endswith("!")
    if words and words[0] == "!":
        excluded, words = True, words[1:]
    if not words:
        raise InvalidError(
            f"{part.strip()!r} names no value. Say for example 'lr 0.1 0.01', "
            "'optimizer! sgd' or 'epoch 2:6'."
        )
    return field.removesuffix("!"), excluded, words


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidError(f"Cannot read {text!r}: {error}.") from error
    if not words:
        raise InvalidError("An empty text names no field.")
    return words


def _condition(field: str, excluded: bool, words: Sequence[str]) -> str:  # noqa: FBT001 - private
    missing = [f"{field} is None"] * any(map(_is_missing, words))
    values = [_literal(word) for word in words if _range(word) is None and not _is_missing(word)]
    tests = missing + [f"{field} in ({', '.join(values)},)"] * bool(values)
    for low, high in filter(None, map(_range, words)):
        ends = [f"{low!r} <= {field}"] * (low > -math.inf) + [f"{field} <= {high!r}"] * (
            high < math.inf
        )
        tests.append(" and ".join(ends) or f"{field} is not None")
    whole = " or ".join(f"({test})" for test in tests)
    return f"not ({whole})" if excluded else f"({whole})"


def _range(word: str) -> Range | None:
    low, colon, high = word.partition(":")
    if not colon:
        return None
    try:
        return Range(float(low or -math.inf), float(high or math.inf))
    except ValueError:
        return None


def _moment(field: str, word: str) -> Range:
    found = _range(word)
    if found is not None:
        return found
    number = read_plain(word)
    if isinstance(number, str):
        hint = f" To draw the {word} one, say: at {word}." if word in ("last", "best") else ""
        raise InvalidError(f"{field} is a number or a range such as 2:6, not {word!r}.{hint}")
    return Range(float(number or 0), float(number or 0))


def _is_missing(word: str) -> bool:
    return word in ("None", "none")


def _literal(word: str) -> str:
    value = read_plain(word)
    if word in ("True", "False"):
        return word
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def read_plain(word: str) -> Value:
    """A number if the word is one, else the word itself."""
    for kind in (int, float):
        try:
            number = kind(word)
        except ValueError:
            continue
        return number if math.isfinite(number) else word
    return word
