"""What a filter says, as checked data: the tree between the text and its SQL.

Every part knows `at`, the column of the text where it begins, counted from 1.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A number as Python has it; True is 1 and False is 0."""

    value: int | float
    at: int


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    at: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list or tuple of what is written out."""

    values: "tuple[Constant, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A bare name, dotted or not: a column, a parameter, or a metric's last value."""

    path: str
    at: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """`params.x` or `params["x"]`."""

    key: str
    at: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One number about a metric's history: `best(x)`; `metrics.x` is `last(x)`."""

    function: str
    name: str
    step: int | None  # of `at(x, step)`
    at: int
    name_at: int  # where the name stands, within a call


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str
    left: "Value"
    right: "Value"
    at: int


@dataclass(frozen=True, slots=True)
class Negative:
    value: "Value"
    at: int


Constant = Number | Text | Items
Reference = Name | Parameter | Metric
Value = Constant | Reference | Arithmetic | Negative


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: Value
    right: Value
    at: int


@dataclass(frozen=True, slots=True)
class OneOf:
    """`value in [...]`."""

    value: Value
    items: Items
    at: int


@dataclass(frozen=True, slots=True)
class Holds:
    """`constant in x`: a tag, an item of a list, or a part of a text."""

    container: Reference
    item: Constant
    at: int


@dataclass(frozen=True, slots=True)
class Missing:
    """`value is None`."""

    value: Value
    at: int


@dataclass(frozen=True, slots=True)
class NotANumber:
    """`isnan(x)`."""

    value: Reference
    at: int


@dataclass(frozen=True, slots=True)
class TextMatch:
    """`like(value, pattern)` or `matches(value, pattern)`."""

    function: str
    value: Reference
    pattern: str
    at: int


@dataclass(frozen=True, slots=True)
class Truth:
    """A parameter, or `True` or `False`, standing alone."""

    value: Number | Name | Parameter
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    condition: "Condition"
    at: int


@dataclass(frozen=True, slots=True)
class Every:
    """`a and b and c`."""

    conditions: "tuple[Condition, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Some:
    """`a or b or c`."""

    conditions: "tuple[Condition, ...]"
    at: int


Condition = (
    Comparison | OneOf | Holds | Missing | NotANumber | TextMatch | Truth | Not | Every | Some
)
