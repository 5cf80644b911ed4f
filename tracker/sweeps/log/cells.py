r"""One value as the text of a table's cell, and back with its type.

Written so that malet, which reads a cell as a Python literal, finds the same value:

    0.001  1  True  None  nan  -inf     numbers, booleans, None
    adam                                text
    '1e-3'  'null'  'two\nlines'        text that would be read as something else
    [64, None, 'x']  {'a': 1}           lists and mappings
    2026-03-01 12:00:00.123456          a moment
    0 days 00:01:01.500000              a duration
"""

import ast
import json
import math
import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

_CONSTANTS = {"None": None, "True": True, "False": False}
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_INT = re.compile(r"[-+]?(?:0|[1-9]\d*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[-+]\d\d:\d\d)?", re.ASCII)
_DURATION = re.compile(
    r"(-?\d{1,9}) days \+?(\d\d):(\d\d):(\d\d)(?:\.(\d{6})(?:\d{3})?)?", re.ASCII
)
# What pandas, with which malet reads, takes for nothing unless it stands in quotes.
# fmt: off
_NOTHING = frozenset({
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "n/a", "null",
})
# fmt: on
_LITERALS = ("[", "(", "{", "'", '"', "np.", "numpy.")
_BARE = {"nan": "NaN", "inf": "Infinity", "None": "null", "True": "true", "False": "false"}
_BARE_WORD = re.compile(r"[A-Za-z_]+")
_SCALARS = re.compile(r"(?:float|int|uint)\d+|bool_?")


def encode(value: Any) -> str:
    """The text of a plain value, a moment or a duration."""
    if isinstance(value, str):
        return value if _stays_text(value) else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, timedelta):
        return _duration_text(value)
    if isinstance(value, dict | list):
        return repr(_unwrapped(value))
    return repr(value)


def encode_index(value: Any) -> str:
    """The same for a value of the grid: lists as tuples, which malet's index needs."""
    return repr(_tupled(value)) if isinstance(value, list) else encode(value)


def decode(text: str) -> Any:
    """The value that `encode` made this text from; text that stands for none stays text."""
    if text.startswith(_LITERALS):
        return _literal(text)
    return _scalar(text)


@lru_cache(maxsize=4096)
def _scalar(text: str) -> Any:
    """What can be shared, because nobody can change it."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in _NUMBERS:
        return _NUMBERS[text]
    if _FLOAT.fullmatch(text):
        return float(text)
    try:
        if _INT.fullmatch(text):
            return int(text)
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:  # thousands of digits; the 31st of February
        return text
    if parts := _DURATION.fullmatch(text):
        days, hours, minutes, seconds, micro = (int(part or 0) for part in parts.groups())
        return timedelta(
            days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micro
        )
    return text


@lru_cache(maxsize=4096)
def _stays_text(text: str) -> bool:
    plain = text.isprintable() and text.strip() == text and text not in _NOTHING
    return bool(text) and plain and isinstance(found := decode(text), str) and found == text


def _duration_text(value: timedelta) -> str:
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    sign = "+" if value.days < 0 else ""
    micro = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{value.days} days {sign}{hours:02}:{minutes:02}:{seconds:02}{micro}"


def _unwrapped(value: Any) -> Any:
    """Configurations in it as plain mappings, which is how they are written."""
    if isinstance(value, dict):
        return {key: _unwrapped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unwrapped(inner) for inner in value]
    return value


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else _unwrapped(value)


def _literal(text: str) -> Any:
    # Long curves first: nothing reads them as fast as JSON does.
    if text[0] == "[" and "'" not in text and '"' not in text:
        try:
            return json.loads(_BARE_WORD.sub(_json_word, text))
        except (ValueError, RecursionError):
            pass
    try:
        return _evaluated(ast.parse(text, mode="eval").body)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _json_word(word: re.Match[str]) -> str:
    # An exponent stays; any other word is no JSON and is refused there.
    return _BARE.get(word[0], word[0])


def _evaluated(node: ast.expr) -> Any:
    """The value of a literal; ValueError for anything else."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_evaluated(part) for part in parts]
        case ast.Dict(keys=keys, values=values):
            names = [_evaluated(key) if key else None for key in keys]
            if not all(isinstance(name, str) for name in names):
                raise ValueError(names)
            return dict(zip(names, map(_evaluated, values), strict=True))
        case ast.Name(id="nan" | "inf" as name):
            return _NUMBERS[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            number = _evaluated(operand)
            if type(number) in (int, float):
                return -number if isinstance(op, ast.USub) else number
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=kind),
            args=[argument],
            keywords=[],
        ) if _SCALARS.fullmatch(kind):
            # What NumPy's numbers in a list look like: [np.float64(0.5)].
            return _evaluated(argument)
    raise ValueError(ast.dump(node))
