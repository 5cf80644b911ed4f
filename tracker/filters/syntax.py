"""From text to a checked expression: what is written down here passes, all else is refused."""

import ast

from tracker.filters.expressions import (
    Comparison,
    Condition,
    Constant,
    Every,
    Holds,
    Missing,
    Name,
    Not,
    NotANumber,
    Number,
    OneOf,
    Parameter,
    Some,
    TextMatch,
    Truth,
    Value,
)
from tracker.filters.source import Source
from tracker.filters.values import (
    TEST_FUNCTIONS,
    read_arguments,
    read_items,
    read_reference,
    read_text,
    read_value,
)

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def parse_condition(source: Source) -> Condition:
    """The condition that the text states; FilterError, with its column, if it states none."""
    return _condition(source, source.tree())


def parse_value(source: Source) -> Value | Condition:
    """The value that the text names, to sort by or to show; it may be a condition as well."""
    node = source.tree()
    return _condition(source, node) if _is_condition(node) else read_value(source, node)


def _is_condition(node: ast.expr) -> bool:
    match node:
        case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in TEST_FUNCTIONS
    return False


def _condition(source: Source, node: ast.expr) -> Condition:
    with source.deeper(node):
        match node:
            case ast.BoolOp(op=operator, values=parts):
                kind = Every if isinstance(operator, ast.And) else Some
                return kind(tuple(_condition(source, part) for part in parts), source.at(node))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(_condition(source, operand), source.at(node))
            case ast.Compare():
                return _chain(source, node)
            case ast.Call(func=ast.Name(id=name)) if name in TEST_FUNCTIONS:
                return _test(source, node, name)
            case ast.Tuple():
                raise source.refuse("Combine comparisons by `and` or `or`, not by commas.", node)
        return _truth(source, node)


def _chain(source: Source, node: ast.Compare) -> Condition:
    """`a < b < c` is `a < b and b < c`."""
    operands = [node.left, *node.comparators]
    links = tuple(
        _link(source, *link) for link in zip(operands, node.ops, operands[1:], strict=False)
    )
    return links[0] if len(links) == 1 else Every(links, source.at(node))


def _link(source: Source, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
    source.count_term(left)
    match operator:
        case ast.In():
            return _membership(source, left, right)
        case ast.NotIn():
            return Not(_membership(source, left, right), source.at(left))
        case ast.Is():
            return _missing(source, left, right)
        case ast.IsNot():
            return Not(_missing(source, left, right), source.at(left))
    sign = _COMPARISONS[type(operator)]
    for side in (left, right):
        if isinstance(side, ast.List | ast.Tuple) and sign not in ("==", "!="):
            raise source.refuse("A list has no order; use == or `in`.", side)
    return Comparison(sign, read_value(source, left), read_value(source, right), source.at(left))


def _membership(source: Source, left: ast.expr, right: ast.expr) -> Condition:
    value = read_value(source, left)
    if isinstance(right, ast.List | ast.Tuple):
        return OneOf(value, read_items(source, right), source.at(left))
    container = read_reference(source, right)
    if isinstance(value, Constant):
        return Holds(container, value, source.at(left))
    raise source.refuse("What is looked for must be written out, as in `3 in x`.", left)


def _missing(source: Source, left: ast.expr, right: ast.expr) -> Condition:
    if isinstance(right, ast.Constant) and right.value is None:
        return Missing(read_value(source, left), source.at(left))
    raise source.refuse("`is` goes with None; use == for everything else.", right)


def _test(source: Source, call: ast.Call, name: str) -> Condition:
    source.count_term(call)
    if name == "isnan":
        (value,) = read_arguments(source, call, "isnan(x)", count=1)
        return NotANumber(read_reference(source, value), source.at(call))
    value, pattern = read_arguments(source, call, f'{name}(x, "pattern")', count=2)
    if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
        text = read_text(source, pattern)
        return TextMatch(name, read_reference(source, value), text, source.at(pattern))
    raise source.refuse("A pattern is a text in quotes.", pattern)


def _truth(source: Source, node: ast.expr) -> Condition:
    source.count_term(node)
    value = read_value(source, node)
    if isinstance(value, Number) and isinstance(value.value, bool):
        return Truth(value, value.at)
    if isinstance(value, Name | Parameter):
        return Truth(value, value.at)
    raise source.refuse("This is a value; a filter compares, as in `lr < 0.1`.", node)
