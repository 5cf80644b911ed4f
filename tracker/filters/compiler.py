"""From a checked condition to SQL that is true or false, never NULL."""

import re
import warnings
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from tracker.errors import did_you_mean
from tracker.filters.columns import Column
from tracker.filters.comparing import MIRRORED, compare, one_of, within
from tracker.filters.expressions import (
    Comparison,
    Condition,
    Every,
    Holds,
    Items,
    Metric,
    Missing,
    Name,
    Not,
    NotANumber,
    Number,
    OneOf,
    Parameter,
    Reference,
    Some,
    Text,
    TextMatch,
    Value,
)
from tracker.filters.faces import OperandError, View, as_json, faces_of, references
from tracker.filters.locating import Locator
from tracker.filters.lookups import Faces, Kind, Located, Lookup, Own, Test
from tracker.filters.moments import read_span


class Compiler:
    """Compiles the conditions of one text."""

    def __init__(self, locator: Locator, now: datetime) -> None:
        self._locator = locator
        self._source = locator.source
        self._now = now

    def condition(self, node: Condition) -> Test:
        """True exactly for the rows that the condition describes, false for all others."""
        match node:
            case Every():
                return sa.and_(sa.true(), *map(self.condition, node.conditions))
            case Some():
                return sa.or_(sa.false(), *map(self.condition, node.conditions))
            case Not():
                return sa.not_(self.condition(node.condition))
            case Comparison():
                return self._comparison(node.operator, node.left, node.right)
            case OneOf():
                return self._one_of(node.value, node.items)
            case Holds():
                return self._holds(node)
            case Missing():
                return self._missing(node.value)
            case NotANumber():
                return self._not_a_number(node.value)
            case TextMatch():
                return self._text_match(node)
        return self._truth(node.value)

    def faces(self, value: Value) -> Faces:
        """How the value can be compared, seen from the row that is being filtered."""
        return self._faces(value, lambda reference: self._locator.locate(reference).seen())

    def _comparison(self, sign: str, left: Value, right: Value) -> Test:
        for value, other, seen_from in ((left, right, sign), (right, left, MIRRORED[sign])):
            column = self._locator.column(value)
            if column is not None and isinstance(other, Text):
                return self._with_words(seen_from, value, column, other)
        return self._compare(sign, left, right)

    def _compare(self, sign: str, left: Value, right: Value) -> Test:
        if isinstance(left, Number):
            sign, left, right = MIRRORED[sign], right, left
        if isinstance(left, Metric) and isinstance(right, Number):
            lookup, limit = self._locator.locate(left), faces_of(right, _nowhere)
            if isinstance(lookup, Lookup) and sign in lookup.some:
                return lookup.holds_for_some(sign, lambda faces: compare(sign, faces, limit))

        def test(view: View) -> Test:
            return compare(sign, self._faces(left, view), self._faces(right, view))

        return self._tested(test, left, right)

    def _with_words(self, sign: str, value: Value, column: Column, text: Text) -> Test:
        """A column compared with a date, a duration, or one of its few words."""
        if Kind.MOMENT in column.located.faces:
            return self._with_date(sign, value, text)
        if column.number_of is not None:
            number = column.number_of(text.value)
            if number is None:
                message = f"{text.value!r} is no duration; write '90 minutes', or seconds."
                raise self._source.refuse(message, text.at)
            return self._compare(sign, value, Number(number, text.at))
        if column.choices and sign in ("==", "!=") and text.value not in column.choices:
            hint = did_you_mean(text.value, column.choices)
            hint = hint or f" It is one of {', '.join(column.choices)}."
            raise self._source.refuse(f"It is never {text.value!r}.{hint}", text.at)
        return self._compare(sign, value, text)

    def _with_date(self, sign: str, value: Value, text: Text) -> Test:
        span = read_span(text.value, self._now)
        if span is None:
            message = f"{text.value!r} is no date; write '2026-01-31 09:30', or '2 days ago'."
            raise self._source.refuse(message, text.at)
        return self._tested(
            lambda view: within(sign, self._faces(value, view)[Kind.MOMENT], span), value
        )

    def _one_of(self, value: Value, items: Items) -> Test:
        column = self._locator.column(value)
        in_words = [
            item
            for item in items.values
            if isinstance(item, Text) and column is not None and column.has_words
        ]
        plain = [faces_of(item, _nowhere) for item in items.values if item not in in_words]
        found = [self._comparison("==", value, item) for item in in_words]
        found.append(self._tested(lambda view: one_of(self._faces(value, view), plain), value))
        return sa.or_(sa.false(), *found)

    def _holds(self, node: Holds) -> Test:
        """`item in container`: a tag, a part of a text, an item of a list."""
        located, item = self._locator.locate_any(node.container), node.item
        many = isinstance(located, Lookup) and located.many
        if not located.faces.keys() & {Kind.TEXT, Kind.ITEMS}:
            message = "Nothing can be in this; `in` asks of tags, texts and lists."
            raise self._source.refuse(message, node.container.at)

        def test(faces: Faces) -> Test:
            tests: list[Test] = []
            if isinstance(item, Text):
                text = faces[Kind.TEXT]
                is_in = text.sql == item.value if many else sa.func.instr(text.sql, item.value) > 0
                tests.append(sa.and_(*text.when, is_in))
            if Kind.ITEMS in faces:
                items = faces[Kind.ITEMS]
                is_in = sa.func.lk_has_item(items.sql, as_json(item)) == 1
                tests.append(sa.and_(*items.when, is_in))
            return sa.or_(sa.false(), *tests)

        return _passes(located, test)

    def _missing(self, value: Value) -> Test:
        if isinstance(value, Number | Text | Items):
            return sa.false()
        if not isinstance(value, Name | Parameter | Metric):
            return self.faces(value)[Kind.NUMBER].sql.is_(None)
        located = self._locator.locate_any(value)
        if isinstance(located, Lookup):
            return sa.not_(located.holds())
        (face,) = located.faces.values()
        return face.sql.is_(None) if located.nullable else sa.false()

    def _not_a_number(self, value: Reference) -> Test:
        """A value is there, and yet it is neither number nor text: only NaN is stored so."""
        located = self._locator.locate(value)
        if isinstance(located, Own):
            return sa.false()
        return located.holds(
            lambda faces: sa.and_(*(face.sql.is_(None) for face in faces.values()))
        )

    def _text_match(self, node: TextMatch) -> Test:
        located = self._locator.locate_any(node.value)
        if Kind.TEXT not in located.faces:
            raise self._source.refuse("Only a text can match a pattern.", node.value.at)
        if node.function == "matches":
            self._check_pattern(node)

        def test(faces: Faces) -> Test:
            text = faces[Kind.TEXT]
            match = text.sql.like if node.function == "like" else text.sql.regexp_match
            return sa.and_(*text.when, match(node.pattern))

        return _passes(located, test)

    def _check_pattern(self, node: TextMatch) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                re.compile(node.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"{node.pattern!r} is no regular expression: {error}."
            raise self._source.refuse(message, node.at) from error

    def _truth(self, value: Number | Name | Parameter) -> Test:
        if isinstance(value, Number):
            return sa.true() if value.value else sa.false()
        if isinstance(self._locator.meaning(value), Parameter):
            return self._compare("==", value, Number(True, value.at))
        message = "Only a parameter can stand alone, for being True; compare this with something."
        raise self._source.refuse(message, value.at)

    def _faces(self, value: Value, view: View) -> Faces:
        try:
            return faces_of(value, view)
        except OperandError as error:
            raise self._source.refuse("Arithmetic takes numbers.", error.at) from error

    def _tested(self, test: Callable[[View], Test], *values: Value) -> Test:
        """The test on the values: at the rows of a single lookup, else from the filtered row."""
        places = {
            id(place): place
            for value in values
            for place in map(self._locator.locate, references(value))
        }
        if len(places) == 1:
            (place,) = places.values()
            return _passes(place, lambda faces: test(lambda _: faces))
        if not places:
            return test(_nowhere)
        return _two_valued(test(lambda reference: self._locator.locate(reference).seen()))


def _passes(located: Located, test: Callable[[Faces], Test]) -> Test:
    """Whether the value is there and passes the test."""
    if isinstance(located, Lookup):
        return located.holds(test)
    # A plain comparison with a column that is never NULL can use the column's index.
    return _two_valued(test(located.faces)) if located.nullable else test(located.faces)


def _two_valued(test: Test) -> Test:
    return sa.func.coalesce(test, sa.false())


def _nowhere(reference: Reference) -> Faces:
    raise AssertionError(reference)  # A constant refers to nothing.
