"""Bracket ranges: `[10**-i;1:1:4]` stands for `[0.1, 0.01, 0.001]`.

`[expression;start:step:stop--start:step:stop]` is the expression for each i of each segment;
the step stands in the middle, the stop is left out. The expression is arithmetic with `i` and
numbers (`+ - * / // **`, parentheses, lists), read by Python's parser and never run as code.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from yaml.nodes import ScalarNode
from yaml.tokens import ScalarToken, TagToken

from tracker.errors import InvalidError
from tracker.pipelines.yaml_values import Loader

LONGEST_RANGE = 100_000
_LONGEST_TEXT = 1_000
_LARGEST_BITS = 1_024  # as a float's

_SEGMENT = re.compile(r"\s*([-+]?\d+)\s*:\s*([-+]?\d+)\s*:\s*([-+]?\d+)\s*")
_CHARACTERS = re.compile(r"[\d\s.eEi+*/()\[\],:;-]*")
_MEANS_MORE = frozenset("'\"{}#")

_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


class RangeText(str):
    """A bracket range as it was written, brackets included."""

    __slots__ = ()


class RangeLoader(Loader):
    """Reads an unquoted `[expression;start:step:stop]` as a RangeText."""

    notation = "!range"

    def fetch_flow_sequence_start(self) -> None:
        length = _range_length(self.buffer, self.pointer)
        if not length:
            super().fetch_flow_sequence_start()
            return
        self.save_possible_simple_key()
        self.allow_simple_key = False
        start, text = self.get_mark(), self.prefix(length)
        self.forward(length)
        end = self.get_mark()
        self.tokens.append(TagToken(("!", "range"), start, start))
        self.tokens.append(ScalarToken(text, False, start, end))


def _range_text(_loader: RangeLoader, node: ScalarNode) -> RangeText:
    return RangeText(node.value)


RangeLoader.add_constructor(RangeLoader.notation, _range_text)


def _range_length(text: str, start: int) -> int:
    """How long the range that opens at `start` is; 0 if it is a list like any other."""
    depth, semicolon = 0, 0
    for place in range(start, min(len(text), start + _LONGEST_TEXT)):
        character = text[place]
        if character in _MEANS_MORE:
            return 0
        if character == ";" and depth == 1:
            semicolon = semicolon or place
        depth += (character == "[") - (character == "]")
        if depth == 0:
            inside = text[start + 1 : place]
            meant = semicolon and (":" in text[semicolon:place] or _CHARACTERS.fullmatch(inside))
            return place + 1 - start if meant else 0
    return 0


def expand_range(text: str) -> list[Any]:
    """The values that a bracket range stands for; InvalidError says what is wrong with it."""
    bracketed = text.startswith("[") and text.endswith("]")
    expression, semicolon, segments = text[1:-1].rpartition(";")
    if not bracketed or not semicolon:
        raise _wrong(text, "its brackets or its semicolon are missing")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _wrong(text, f"{expression.strip()!r} is no expression") from None
    parts = [_numbers(segment, text) for segment in segments.split("--")]
    count = sum(map(len, parts))
    if count > LONGEST_RANGE:
        raise _wrong(text, f"it has {count:,} values, and {LONGEST_RANGE:,} are allowed")
    return [_value(tree, i, text) for numbers in parts for i in numbers]


def _numbers(segment: str, text: str) -> range:
    parts = _SEGMENT.fullmatch(segment)
    if parts is None or max(map(len, parts.groups())) > 18:
        raise _wrong(text, f"{segment.strip()!r} is not start:step:stop in whole numbers")
    start, step, stop = map(int, parts.groups())
    if step == 0:
        raise _wrong(text, f"the step of {segment.strip()!r} is 0")
    numbers = range(start, stop, step)
    if not numbers:
        raise _wrong(text, f"{segment.strip()!r} has no values (start:step:stop)")
    return numbers


def _value(node: ast.expr, i: int, text: str) -> Any:
    try:
        return _evaluated(node, i, text)
    except ZeroDivisionError:
        raise _wrong(text, f"it divides by zero at i = {i}") from None
    except OverflowError:
        raise _wrong(text, f"a number is too large at i = {i}") from None


def _evaluated(node: ast.expr, i: int, text: str) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id="i"):
            return i
        case ast.List(elts=parts):
            return [_evaluated(part, i, text) for part in parts]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_number(operand, i, text))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            a, b = _number(left, i, text), _number(right, i, text)
            if isinstance(op, ast.Pow):
                return _power(a, b, text)
            return _bounded(_OPERATORS[type(op)](a, b))
    raise _wrong(text, "only numbers, i, + - * / // **, parentheses and lists may stand in it")


def _number(node: ast.expr, i: int, text: str) -> int | float:
    value = _evaluated(node, i, text)
    if isinstance(value, list):
        raise _wrong(text, "there is no arithmetic with lists")
    number: int | float = value
    return number


def _power(base: float, exponent: float, text: str) -> int | float:
    # Before it is computed: 10**10**10 would take all the memory there is.
    whole = type(base) is type(exponent) is int
    if whole and abs(base) > 1 and exponent * int(base).bit_length() > 2 * _LARGEST_BITS:
        raise OverflowError
    power: int | float | complex = base**exponent
    if isinstance(power, complex):
        raise _wrong(text, f"({base})**{exponent} is not a real number")
    return _bounded(power)


def _bounded(number: float) -> int | float:
    too_large = number.bit_length() > _LARGEST_BITS if isinstance(number, int) else False
    if too_large or not math.isfinite(number):
        raise OverflowError
    return number


def _wrong(text: str, why: str) -> InvalidError:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return InvalidError(
        f"the range {shown} is not valid: {why}."
        " A range is written [expression;start:step:stop], as in [10**-i;1:1:4];"
        " put text that contains a semicolon in quotes."
    )
