"""The faces of whole expressions: constants, references, arithmetic."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from tracker.filters.expressions import (
    Arithmetic,
    Constant,
    Items,
    Negative,
    Number,
    Reference,
    Text,
    Value,
)
from tracker.filters.lookups import Face, Faces, Kind, Sql


class OperandError(Exception):
    """Arithmetic with what is never a number."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


# Says where the faces of a reference are looked at.
View = Callable[[Reference], Faces]

# Beyond it, a float no longer tells two neighbouring integers apart.
EXACT = 2**53


def faces_of(value: Value, view: View) -> Faces:
    """How the value can be compared; OperandError for arithmetic with what is never one."""
    match value:
        case Number():
            return {Kind.NUMBER: number_face(value.value)}
        case Text():
            return {Kind.TEXT: Face(sa.literal(value.value))}
        case Items():
            return {Kind.ITEMS: Face(sa.literal(as_json(value)))}
        case Negative():
            return {Kind.NUMBER: Face(-_operand(value.value, view))}
        case Arithmetic():
            left, right = _operand(value.left, view), _operand(value.right, view)
            return {Kind.NUMBER: Face(_computed(value.operator, left, right))}
    return view(value)


def number_face(value: float) -> Face:
    """A constant; the digits of a large integer stay beside the float nearest to it."""
    exact = not isinstance(value, int) or -EXACT <= value <= EXACT
    return Face(sa.literal(float(value)), exact=None if exact else sa.literal(str(value)))


def references(value: Value) -> Iterator[Reference]:
    """Everything in the value that is looked up."""
    match value:
        case Negative():
            yield from references(value.value)
        case Arithmetic():
            yield from references(value.left)
            yield from references(value.right)
        case Number() | Text() | Items():
            return
        case _:
            yield value


def as_json(constant: Constant) -> str:
    """The constant as lists of parameters are stored."""
    return json.dumps(_plain(constant), ensure_ascii=False)


def _plain(constant: Constant) -> Any:
    if isinstance(constant, Items):
        return [_plain(item) for item in constant.values]
    return constant.value


def _operand(value: Value, view: View) -> Any:
    faces = faces_of(value, view)
    if Kind.NUMBER not in faces:
        raise OperandError(value.at)
    # A column of integers would be divided as integers.
    return sa.cast(faces[Kind.NUMBER].sql, sa.REAL)


def _computed(operator: str, left: Any, right: Any) -> Sql:
    result: Sql
    match operator:
        case "+":
            result = left + right
        case "-":
            result = left - right
        case "*":
            result = left * right
        case _:
            result = left / right
    return result
