import ast
import math
import operator
import re
import shutil
import sqlite3
from datetime import UTC, datetime

import pytest

from tracker.database import faults
from tracker.database.connection import Database

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def scratch(empty_database, tmp_path_factory):
    """One database for all of Hypothesis's examples; each example rolls back its rows."""
    database = Database(shutil.copy(empty_database, tmp_path_factory.mktemp("scratch") / "lab.db"))
    yield database
    database.close()


@pytest.fixture(scope="module", params=["the driver", "the standard library"])
def any_scratch(request, empty_database, tmp_path_factory):
    """As `scratch`, with each SQLite library that a lab may be opened with."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "the standard library":
            patch.setattr(faults, "sqlite", sqlite3)
        path = tmp_path_factory.mktemp("scratch") / "lab.db"
        database = Database(shutil.copy(empty_database, path))
        yield database
        database.close()


# The rules of docs/filters.md once more, for one row, without SQL.

OPERATORS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COLUMNS = {
    *("name", "experiment", "pipeline", "status", "seed", "created", "started", "ended", "phase"),
    *("epoch", "batch", "note", "tags", "archived", "deleted", "reason"),
    *("duration", "uuid"),
    *("run", "recipe"),
}
MISSING = None


class RefusedError(Exception):
    """The rules say that the filter makes no sense."""


class Plain:
    """The rules once more, for one row, without SQL."""

    def __init__(self, row, lab):
        self.row = row
        self.keys = {key for each in lab for key in each.get("params", {})}
        self.names = {name for each in lab for phase in each["phases"] for name, _ in phase}

    def true(self, node):
        match node:
            case ast.BoolOp(op=ast.And()):
                # Lists, so that a part that makes no sense is found behind any other.
                return False not in [self.true(part) for part in node.values]
            case ast.BoolOp():
                return True in [self.true(part) for part in node.values]
            case ast.UnaryOp(op=ast.Not()):
                return not self.true(node.operand)
            case ast.Compare():
                operands = [node.left, *node.comparators]
                links = zip(operands, node.ops, operands[1:], strict=False)
                return False not in [self.link(*link) for link in links]
            case ast.Call(func=ast.Name(id="isnan")):
                value = self.value(node.args[0])
                return isinstance(value, float) and math.isnan(value)
            case ast.Call(func=ast.Name(id="like")):
                return self.match(node.args[0], like(node.args[1].value))
            case ast.Call(func=ast.Name(id="matches")):
                return self.match(node.args[0], re.compile(node.args[1].value).search)
            case ast.Constant():
                return node.value
        return compares(operator.eq, self.value(node), True)

    def link(self, left, sign, right):
        match sign:
            case ast.Is():
                return self.value(left) is MISSING
            case ast.IsNot():
                return self.value(left) is not MISSING
            case ast.In():
                return self.is_in(left, right)
            case ast.NotIn():
                return not self.is_in(left, right)
        return compares(OPERATORS[type(sign)], self.value(left), self.value(right))

    def is_in(self, left, right):
        if isinstance(right, ast.List | ast.Tuple):
            value = self.value(left)
            items = [self.value(item) for item in right.elts]
            return any(compares(operator.eq, value, item) for item in items)
        item, container = self.value(left), self.value(right)
        if isinstance(container, str):
            return isinstance(item, str) and item in container
        return isinstance(container, list) and any(same(item, each) for each in container)

    def match(self, node, found):
        value = self.value(node)
        texts = value if ast.unparse(node) == "tags" else [value]
        return any(isinstance(text, str) and found(text) for text in texts or ())

    def value(self, node):
        match node:
            case ast.Constant(value=value):
                return value
            case ast.List() | ast.Tuple():
                return [self.value(item) for item in node.elts]
            case ast.Name(id="inf"):
                return math.inf
            case ast.UnaryOp(operand=operand):
                value = self.value(operand)
                return -value if isinstance(value, int | float) else MISSING
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.Call():
                return self.metric(*map(self.argument, [node.func, *node.args]))
            case ast.Subscript():
                return self.in_room(node.value.id, node.slice.value)
        return self.named(ast.unparse(node))

    def argument(self, node):
        match node:
            case ast.Constant():
                return node.value
            case ast.Subscript():
                return node.slice.value
        return ast.unparse(node).removeprefix("metrics.")

    def arithmetic(self, node):
        left, right = self.value(node.left), self.value(node.right)
        if not all(isinstance(side, int | float) for side in (left, right)):
            return MISSING
        try:
            result = OPERATORS[type(node.op)](float(left), float(right))
        except ZeroDivisionError:
            return MISSING
        return MISSING if math.isnan(result) else result

    def named(self, name):
        room, _, rest = name.partition(".")
        if room in ("params", "metrics"):
            return self.in_room(room, rest)
        if name in COLUMNS:
            return self.row.get(name) or (MISSING if name == "tags" else self.row.get(name))
        keys = {name} & self.keys or {key for key in self.keys if key.endswith(f".{name}")}
        if len(keys) + (name in self.names) != 1:
            raise RefusedError(name)
        return self.row["params"].get(keys.pop()) if keys else self.metric("last", name)

    def in_room(self, room, name):
        if name not in (self.keys if room == "params" else self.names):
            raise RefusedError(name)
        return self.row["params"].get(name) if room == "params" else self.metric("last", name)

    def metric(self, function, name, step=None):
        if name not in self.names:
            raise RefusedError(name)
        phases = self.row["phases"]
        headline = [phase[name, "epoch"] for phase in phases if (name, "epoch") in phase]
        headline = headline or [phase[name, "step"] for phase in phases if (name, "step") in phase]
        points = [
            (at, number, value)
            for number, series in enumerate(headline)
            for at, value in series.items()
        ]
        if function == "at":
            points = [point for point in points if point[0] == step]
        values = [value for *_, value in sorted(points, key=lambda point: point[:2])]
        numbers = [value for value in values if not math.isnan(value)]
        if function == "best":
            if name not in ("loss", "val/acc"):
                raise RefusedError(name)
            function = "min" if name == "loss" else "max"
        return summary(function, values, numbers)


def summary(function, values, numbers):
    match function:
        case "last" | "at":
            return values[-1] if values else MISSING
        case "first":
            return values[0] if values else MISSING
        case "count":
            return len(values) or MISSING
        case "mean":
            return sum(numbers) / len(numbers) if numbers else MISSING
        case "std":
            return deviation(numbers)
        case "min":
            return min(numbers, default=MISSING)
    return max(numbers, default=MISSING)


def deviation(numbers):
    if len(numbers) < 2:
        return MISSING
    if not all(map(math.isfinite, numbers)):
        return math.nan
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))


def compares(sign, left, right):
    """Both there, of one kind, no NaN; a list has no order; True is 1."""
    kinds = {kind(left), kind(right)}
    if len(kinds) > 1 or not kinds <= {"number", "text", "list", "moment"}:
        return False
    if kinds == {"list"}:
        return sign in (operator.eq, operator.ne) and same(left, right) is sign(1, 1)
    return sign(left, right)


def same(left, right):
    """As ==, but a list with a NaN is not even equal to itself."""
    if isinstance(left, list) and isinstance(right, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(same(*pair) for pair in pairs)
    return left == right


def kind(value):
    match value:
        case float() if math.isnan(value):
            return "NaN"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case datetime():
            return "moment"
    return "missing"


def like(pattern):
    parts = {"%": ".*", "_": "."}
    expression = "".join(parts.get(letter) or re.escape(letter) for letter in pattern)
    return re.compile(expression, re.IGNORECASE | re.ASCII | re.DOTALL).fullmatch


def chosen_by_the_rules(text, rows):
    """The names of the rows for which the filter is true; None if it makes no sense."""
    tree = ast.parse(text, mode="eval").body
    try:
        return {row["name"] for row in rows if Plain(row, rows).true(tree)}
    except RefusedError:
        return None


@pytest.fixture(scope="session")
def rules():
    """`chosen_by_the_rules`: plain Python in place of SQL."""
    return chosen_by_the_rules
