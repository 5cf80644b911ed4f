"""Reading values: constants, lists, names, functions of metrics, arithmetic."""

import ast
import math
import operator
from collections.abc import Callable, Sequence

from tracker.errors import FilterError, did_you_mean
from tracker.filters.expressions import (
    Arithmetic,
    Constant,
    Items,
    Metric,
    Name,
    Negative,
    Number,
    Parameter,
    Reference,
    Text,
    Value,
)
from tracker.filters.source import Source, storable

METRIC_FUNCTIONS = ("best", "last", "first", "min", "max", "mean", "std", "count", "at")
TEST_FUNCTIONS = ("like", "matches", "isnan")
FUNCTIONS = (*METRIC_FUNCTIONS, *TEST_FUNCTIONS)

_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[[float, float], float]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
}
_ROOMS = ("params", "metrics")


def read_value(source: Source, node: ast.expr) -> Value:
    """Anything that can be compared, sorted by or shown."""
    with source.deeper(node):
        match node:
            case ast.Constant():
                return _constant(source, node)
            case ast.Name(id="inf"):
                return Number(math.inf, source.at(node))
            case ast.Name(id="nan"):
                raise source.refuse("Nothing equals NaN; write isnan(x).", node)
            case ast.List() | ast.Tuple():
                return read_items(source, node)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return _signed(source, node)
            case ast.BinOp():
                return _arithmetic(source, node)
        return read_reference(source, node)


def read_reference(source: Source, node: ast.expr) -> Reference:
    """What the lab knows something about: a column, a parameter, a metric."""
    match node:
        case ast.Name() | ast.Attribute():
            return _named(source, node)
        case ast.Subscript(value=ast.Name(id="params")):
            return Parameter(_key(source, node), source.at(node))
        case ast.Subscript(value=ast.Name(id="metrics")):
            return Metric("last", _key(source, node), None, source.at(node), source.at(node))
        case ast.Call(func=ast.Name(id=name)) if name in METRIC_FUNCTIONS:
            return _metric(source, node, name)
        case ast.Call(func=ast.Name(id=name)) if name in TEST_FUNCTIONS:
            raise source.refuse("This is a condition; a value is needed here.", node)
        case ast.Call():
            raise unknown_function(source, node)
        case ast.Constant() | ast.List() | ast.Tuple():
            raise source.refuse("A name is needed here.", node)
    raise unreadable(source, node)


def read_items(source: Source, node: ast.List | ast.Tuple) -> Items:
    """A list, every item of which is written out."""
    return Items(tuple(_item(source, element) for element in node.elts), source.at(node))


def read_arguments(source: Source, call: ast.Call, usage: str, *, count: int) -> Sequence[ast.expr]:
    """The arguments of a call that takes exactly so many."""
    if len(call.args) != count or call.keywords:
        raise source.refuse(f"It is used as {usage}.", call)
    return call.args


def read_text(source: Source, node: ast.Constant) -> str:
    """A text in quotes, if SQLite can compare it."""
    for letter in str(node.value):
        if not storable(letter):
            raise source.refuse(f"A text cannot contain {letter!r}.", node)
    return str(node.value)


def unknown_function(source: Source, call: ast.Call) -> FilterError:
    """For a call of something else than FUNCTIONS."""
    if not isinstance(call.func, ast.Name):
        return source.refuse(f"Only these can be called: {', '.join(FUNCTIONS)}.", call)
    name = call.func.id
    hint = did_you_mean(name, FUNCTIONS) or f" There are {', '.join(FUNCTIONS)}."
    return source.refuse(f"There is no function named {name!r}.{hint}", call)


def unreadable(source: Source, node: ast.expr) -> FilterError:
    """For all of Python that has no meaning here."""
    match node:
        case ast.BinOp(op=ast.BitAnd()):
            return source.refuse("Write `and` instead of `&`.", node)
        case ast.BinOp(op=ast.BitOr()):
            return source.refuse("Write `or` instead of `|`.", node)
        case ast.BinOp():
            return source.refuse("Of arithmetic there is + - * / only.", node)
        case ast.UnaryOp(op=ast.Not()) | ast.BoolOp() | ast.Compare():
            return source.refuse("This is a condition; a value is needed here.", node)
        case ast.Subscript():
            return source.refuse('Square brackets go with params["..."], metrics["..."].', node)
        case ast.Attribute():
            return source.refuse("Only names can have dots.", node)
    return source.refuse("This is Python, but means nothing here.", node)


def _constant(source: Source, node: ast.Constant) -> Constant:
    match node.value:
        case str():
            return Text(read_text(source, node), source.at(node))
        case int() | float():
            return _number(source, node.value, node)
        case None:
            raise source.refuse("Nothing equals None; write `is None` or `is not None`.", node)
    raise source.refuse("This is no number and no text.", node)


def _number(source: Source, value: float, node: ast.expr) -> Number:
    try:
        float(value)
    except OverflowError as error:
        raise source.refuse("This number is too large.", node) from error
    return Number(value, source.at(node))


def _item(source: Source, node: ast.expr) -> Constant:
    source.count_item(node)
    value = read_value(source, node)
    if isinstance(value, Constant):
        return value
    raise source.refuse("A list holds only what is written out: numbers and texts.", node)


def _signed(source: Source, node: ast.UnaryOp) -> Value:
    value = _operand(source, node.operand)
    if isinstance(node.op, ast.UAdd):
        return value
    if isinstance(value, Number):
        return Number(-value.value, source.at(node))
    return Negative(value, source.at(node))


def _arithmetic(source: Source, node: ast.BinOp) -> Value:
    if type(node.op) not in _ARITHMETIC:
        raise unreadable(source, node)
    sign, compute = _ARITHMETIC[type(node.op)]
    left, right = _operand(source, node.left), _operand(source, node.right)
    if not (isinstance(left, Number) and isinstance(right, Number)):
        return Arithmetic(sign, left, right, source.at(node))
    try:
        result = compute(left.value, right.value)
    except ArithmeticError as error:
        raise source.refuse("This cannot be computed.", node) from error
    if math.isnan(result):
        raise source.refuse("This is not a number.", node)
    return _number(source, result, node)


def _operand(source: Source, node: ast.expr) -> Value:
    value = read_value(source, node)
    if isinstance(value, Text | Items):
        raise source.refuse("Arithmetic takes numbers.", node)
    return value


def _named(source: Source, node: ast.Name | ast.Attribute) -> Reference:
    at = source.at(node)
    root, _, rest = _path(source, node).partition(".")
    if root in _ROOMS and not rest:
        raise source.refuse(f'Say which: {root}.x, or {root}["x"] for any name.', node)
    if root == "params":
        return Parameter(rest, at)
    if root == "metrics":
        return Metric("last", rest, None, at, at)
    return Name(f"{root}.{rest}" if rest else root, at)


def _path(source: Source, node: ast.expr) -> str:
    """`a.b.c` as it is written."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            return f"{_path(source, owner)}.{name}"
    raise source.refuse("Only a name can stand before a dot.", node)


def _key(source: Source, node: ast.Subscript) -> str:
    match node.slice:
        case ast.Constant(value=str()) as key:
            return read_text(source, key)
    raise source.refuse("A name in square brackets stands in quotes.", node.slice)


def _metric(source: Source, call: ast.Call, function: str) -> Metric:
    step = None
    if function == "at":
        metric, number = read_arguments(source, call, "at(metric, step)", count=2)
        step = _step(source, number)
    else:
        (metric,) = read_arguments(source, call, f"{function}(metric)", count=1)
    name = _metric_name(source, metric)
    return Metric(function, name, step, source.at(call), source.at(metric))


def _metric_name(source: Source, node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str()):
            return read_text(source, node)
        case ast.Subscript(value=ast.Name(id="metrics")):
            return _key(source, node)
        case ast.Name() | ast.Attribute():
            return _path(source, node).removeprefix("metrics.")
    raise source.refuse('A metric is named here: val_loss, or "val/loss" in quotes.', node)


def _step(source: Source, node: ast.expr) -> int:
    value = read_value(source, node)
    if isinstance(value, Number) and isinstance(value.value, int) and abs(value.value) < 2**63:
        return value.value
    raise source.refuse("A step is a whole number.", node)
