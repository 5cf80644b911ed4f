"""Values to show and to sort by."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache, partial

import sqlalchemy as sa

from tracker.database.tables import Param
from tracker.filters.columns import Column
from tracker.filters.compiler import Compiler
from tracker.filters.expressions import (
    Items,
    Metric,
    Name,
    Parameter,
    Reference,
    Value,
)
from tracker.filters.locating import Locator
from tracker.filters.lookups import Faces, Kind, Located, Lookup, Sql, Test
from tracker.filters.metrics import rounding

NAN = "nan"


class Form(Enum):
    """What the columns of a compiled value hold."""

    PLAIN = "plain"  # one: the value itself
    PARAMETER = "parameter"  # three: a parameter's kind, number and text
    MEASURED = "measured"  # one: a number, or NAN
    WORDS = "words"  # one: a list as JSON, in any order
    TRUTH = "truth"  # one: 0 or 1


@dataclass(frozen=True, eq=False)
class CompiledValue:
    """A value of each row that is listed. Its columns are NULL where it is missing."""

    text: str
    form: Form
    columns: tuple[Sql, ...]
    # Gives what to sort by, in this order, NULL always last.
    order: Callable[[], tuple[Sql, ...]]
    # Whether the largest comes first unless asked otherwise: of `best`, where that is better.
    descending: bool = False


def truth(text: str, test: Test) -> CompiledValue:
    """A condition, as the value that it has in each row."""
    column = sa.case((test, 1), else_=0)
    return CompiledValue(text, Form.TRUTH, (column,), lambda: (column,))


def shown(text: str, value: Value, locator: Locator, compiler: Compiler) -> CompiledValue:
    """What the expression stands for, to be read by its form."""
    match value:
        case Name() | Parameter() | Metric():
            return _reference(text, value, locator)
        case Items():
            raise locator.source.refuse("A list has no place of its own.", value.at)
    faces = compiler.faces(value)
    (face,) = faces.values()
    return CompiledValue(text, Form.PLAIN, (face.sql,), lambda: (face.sql,))


def _reference(text: str, reference: Reference, locator: Locator) -> CompiledValue:
    meaning = locator.meaning(reference)
    located = locator.place(meaning)
    order = partial(_order, located)
    match meaning:
        case Name(path=path):
            return replace(_column(locator.subject.columns[path]), text=text)
        case Parameter():
            columns = (Param.kind, Param.number, Param.text)
            read = tuple(_read(located, column) for column in columns)
            order = partial(_parameter_order, located, locator, meaning.key)
            return CompiledValue(text, Form.PARAMETER, read, order)
    number = sa.type_coerce(located.faces[Kind.NUMBER].sql, sa.types.NullType())
    measured = _read(located, sa.func.coalesce(number, NAN))
    best_is_high = _function(reference) == "best" and meaning.function == "max"
    return CompiledValue(text, Form.MEASURED, (measured,), order, best_is_high)


@lru_cache(maxsize=64)
def _column(column: Column) -> CompiledValue:
    located = column.located
    form = Form.WORDS if isinstance(located, Lookup) and located.many else Form.PLAIN
    read = _read(located, column.shown)
    return CompiledValue("", form, (read,), partial(_order, located))


def _read(located: Located, sql: Sql | None) -> Sql:
    """An expression over the place of a value, by default its only face."""
    if sql is None:
        (face,) = located.faces.values()
        sql = face.sql
    return located.read(sql) if isinstance(located, Lookup) else sql


def _order(located: Located) -> tuple[Sql, ...]:
    if isinstance(located, Lookup) and located.order:
        return tuple(map(located.read, located.order))
    return tuple(_face_order(located.seen()))


def _parameter_order(located: Located, locator: Locator, key: str) -> tuple[Sql, ...]:
    """By its numbers, and by its texts after that, if there are any to be looked up."""
    by_number, *by_text = _order(located)
    return (by_number,) if locator.is_number_everywhere(key) else (by_number, *by_text)


def _face_order(faces: Faces) -> list[Sql]:
    (face,) = faces.values()
    return [face.sql] if face.exact is None else [face.sql, rounding(face.exact)]


def _function(reference: Reference) -> str | None:
    return reference.function if isinstance(reference, Metric) else None
