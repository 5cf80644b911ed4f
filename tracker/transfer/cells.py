"""The cells of a table, as a line of JSON and back.

They are what the database holds: texts, whole numbers, floats, NULL. An infinite float, for
which JSON has no word, is the text `Infinity` or `-Infinity`; no float in a database is NaN.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
_WORDS = {"Infinity": math.inf, "-Infinity": -math.inf}
# A configuration that is nested more deeply is no honest one.
_DEEPEST = 200

Check = Callable[[Any], Any]


def write_line(row: Sequence[Any]) -> bytes:
    """One row, as a line."""
    return json.dumps([_word(cell) for cell in row], ensure_ascii=False).encode() + b"\n"


def checks(types: Sequence[str]) -> list[Check]:
    """For each declared type of a column, what turns a cell back; ValueError for another type."""
    return [_check_of(declared) for declared in types]


def parse_line(line: bytes) -> list[Any]:
    """The cells of a line; ValueError if it is not a list of texts and numbers."""
    try:
        row = json.loads(line, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(row, list):
        raise ValueError("it is not a list")  # noqa: TRY004 - told with the other faults of a line
    return row


def _word(cell: Any) -> Any:
    if isinstance(cell, float) and math.isinf(cell):
        return "Infinity" if cell > 0 else "-Infinity"
    return cell


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _check_of(declared: str) -> Check:
    name = declared.upper().partition("(")[0]
    try:
        return _CHECKS[name]
    except KeyError:
        raise NotImplementedError(f"no rule for columns of type {declared}") from None


def _nullable(check: Check) -> Check:
    return lambda cell: None if cell is None else check(cell)


def _integer(cell: Any) -> int:
    if type(cell) is not int or not -(2**63) <= cell < 2**63:
        raise ValueError(f"{_shown(cell)} is not a whole number")
    return cell


def _boolean(cell: Any) -> int:
    if type(cell) is not int or cell not in (0, 1):
        raise ValueError(f"{_shown(cell)} is neither 0 nor 1")
    return cell


def _float(cell: Any) -> float:
    if isinstance(cell, str) and cell in _WORDS:
        return _WORDS[cell]
    if type(cell) not in (int, float) or not math.isfinite(cell):
        raise ValueError(f"{_shown(cell)} is not a number")
    return float(cell)


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise ValueError(f"{_shown(cell)} is not text")  # noqa: TRY004 - as above
    cell.encode()  # half a character is no text
    return cell


def _moment(cell: Any) -> str:
    if not isinstance(cell, str) or not _MOMENT.fullmatch(cell):
        raise ValueError(f"{_shown(cell)} is not a moment")
    datetime.fromisoformat(cell)
    return cell


def _json(cell: Any) -> str:
    text = _text(cell)
    try:
        _refuse_depth(json.loads(text), _DEEPEST)
    except RecursionError:
        raise ValueError("a value in it is nested too deeply") from None
    return text


def _refuse_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError("a value in it is nested too deeply")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        _refuse_depth(each, left - 1)


def _shown(cell: Any) -> str:
    try:
        text = repr(cell)
    except ValueError:  # a number with too many digits
        text = "a number"
    return text if len(text) <= 40 else f"{text[:37]}..."


_CHECKS = {
    name: _nullable(check)
    for names, check in (
        (("INTEGER", "BIGINT"), _integer),
        (("VARCHAR", "TEXT"), _text),
        (("DOUBLE", "FLOAT", "REAL"), _float),
        (("DATETIME",), _moment),
        (("BOOLEAN",), _boolean),
        (("JSON",), _json),
    )
    for name in names
}
