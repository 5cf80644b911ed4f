"""One value, as people read it and as programs do.

For programs nothing is lost: floats are written in full. JSON knows no NaN and no infinities,
so there they are the strings "NaN", "Infinity" and "-Infinity", and null is what is missing.
In CSV they are nan, inf and -inf, and a missing value is an empty field.
"""

import json
import math
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

MISSING = "-"

# Control characters would act on the terminal, and separators break a line of a table.
_UNPRINTABLE = {"\n": " ", "\t": " "}


def for_people(value: Any) -> str:
    """Short: six significant digits, local time to the second, one line without control codes."""
    match value:
        case None:
            return MISSING
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case Enum():
            return str(value.value)
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple():
            return ", ".join(map(for_people, value)) or MISSING
        case dict():
            return (
                ", ".join(f"{printable(str(key))}={_nested(value[key])}" for key in value)
                or MISSING
            )
        case _:
            return printable(str(value))


def _nested(value: Any) -> str:
    """As part of a mapping, where a comma would be taken for the mapping's own."""
    match value:
        case dict():
            return f"{{{for_people(value)}}}" if value else "{}"
        case list() | tuple():
            return f"[{for_people(value)}]" if value else "[]"
        case _:
            return for_people(value)


def printable(text: str) -> str:
    """The text with control characters written out: a recorded name cannot move the cursor."""
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() else _UNPRINTABLE.get(mark) or repr(mark)[1:-1] for mark in text
    )


def for_csv(value: Any) -> str:
    """Exact; text as it is, lists and mappings as JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
        case list() | tuple() | dict():
            return for_json(value)
        case _:
            return str(_plain(value))


def csv_line(fields: Sequence[str]) -> str:
    """One record, by RFC 4180 but for the line's end, which is the caller's."""
    if fields == [""]:
        return '""'  # An empty line would be no record.
    return ",".join(map(_quoted, fields))


def counted(number: int, noun: str) -> str:
    """`1 column`, `2 columns`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def for_json(value: Any, *, indent: int | None = None) -> str:
    """Exact and valid JSON, whatever the value."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def text_width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(_mark_width(mark) for mark in text)


def cut(text: str, width: int) -> str:
    """The text in at most so many columns of a terminal; what is cut off, an ellipsis says."""
    if text_width(text) <= width:
        return text
    kept = ""
    for mark in text:
        if text_width(kept + mark) >= width:
            break
        kept += mark
    return kept + "…"


def _quoted(field: str) -> str:
    # Not csv.writer, which leaves a lone carriage return bare, and its own reader stumbles.
    if not any(mark in field for mark in ',"\r\n'):
        return field
    doubled = field.replace('"', '""')
    return f'"{doubled}"'


def _mark_width(mark: str) -> int:
    if unicodedata.combining(mark):
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1


def _plain(value: Any) -> Any:
    """The same value out of what JSON has."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Path():
            return str(value)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"{value!r} cannot be written as JSON.")
