"""What a filter says, as checked data: the tree between the text and its SQL.

Every part knows `at`, the column of the text where it begins, counted from 1. Named tuples, because
they are made in a third of the time that data classes take, whenever a list is asked for.
"""

from typing import NamedTuple


class Number(NamedTuple):
    """A number as Python has it; True is 1 and False is 0."""

    value: int | float
    at: int


class Text(NamedTuple):
    value: str
    at: int


class Items(NamedTuple):
    """A list or tuple of what is written out."""

    values: "tuple[Constant, ...]"
    at: int


class Name(NamedTuple):
    """A bare name, dotted or not: a column, a parameter, or a metric's last value."""

    path: str
    at: int


class Parameter(NamedTuple):
    """`params.x` or `params["x"]`."""

    key: str
    at: int


class Metric(NamedTuple):
    """One number about a metric's history: `best(x)`; `metrics.x` is `last(x)`."""

    function: str
    name: str
    step: int | None  # of `at(x, step)`
    at: int
    name_at: int  # where the name stands, within a call


class Arithmetic(NamedTuple):
    operator: str
    left: "Value"
    right: "Value"
    at: int


class Negative(NamedTuple):
    value: "Value"
    at: int


Constant = Number | Text | Items
Reference = Name | Parameter | Metric
Value = Constant | Reference | Arithmetic | Negative


class Comparison(NamedTuple):
    operator: str
    left: Value
    right: Value
    at: int


class OneOf(NamedTuple):
    """`value in [...]`."""

    value: Value
    items: Items
    at: int


class Holds(NamedTuple):
    """`constant in x`: a tag, an item of a list, or a part of a text."""

    container: Reference
    item: Constant
    at: int


class Missing(NamedTuple):
    """`value is None`."""

    value: Value
    at: int


class NotANumber(NamedTuple):
    """`isnan(x)`."""

    value: Reference
    at: int


class TextMatch(NamedTuple):
    """`like(value, pattern)` or `matches(value, pattern)`."""

    function: str
    value: Reference
    pattern: str
    at: int


class Truth(NamedTuple):
    """A parameter, or `True` or `False`, standing alone."""

    value: Number | Name | Parameter
    at: int


class Not(NamedTuple):
    condition: "Condition"
    at: int


class Every(NamedTuple):
    """`a and b and c`."""

    conditions: "tuple[Condition, ...]"
    at: int


class Some(NamedTuple):
    """`a or b or c`."""

    conditions: "tuple[Condition, ...]"
    at: int


Condition = (
    Comparison | OneOf | Holds | Missing | NotANumber | TextMatch | Truth | Not | Every | Some
)
