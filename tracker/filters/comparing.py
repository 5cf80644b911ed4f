"""When two values compare as true: by number, text, list or moment, never across."""

from collections.abc import Sequence
from operator import eq, ge, gt, le, lt, ne

import sqlalchemy as sa

from tracker.filters.lookups import Face, Faces, Kind, Sql, Test
from tracker.filters.metrics import rounding
from tracker.filters.moments import Span

_SIGNS = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compare(sign: str, left: Faces, right: Faces) -> Test:
    """True where both are of one kind and compare so; else false or NULL."""
    tests = []
    for kind in (kind for kind in left if kind in right):
        one, other = left[kind], right[kind]
        tests.append(sa.and_(*one.when, *other.when, _COMPARE[kind](sign, one, other)))
    return sa.or_(sa.false(), *tests)


def one_of(faces: Faces, constants: Sequence[Faces]) -> Test:
    """Whether the value equals one of the constants."""
    texts = [face[Kind.TEXT].sql for face in constants if Kind.TEXT in face]
    numbers = [
        face[Kind.NUMBER].sql
        for face in constants
        if Kind.NUMBER in face and face[Kind.NUMBER].exact is None
    ]
    rest = [
        face
        for face in constants
        if Kind.ITEMS in face or (Kind.NUMBER in face and face[Kind.NUMBER].exact is not None)
    ]
    tests = [compare("==", faces, face) for face in rest]
    if texts and Kind.TEXT in faces:
        tests.append(sa.and_(*faces[Kind.TEXT].when, faces[Kind.TEXT].sql.in_(texts)))
    if numbers and Kind.NUMBER in faces:
        number = faces[Kind.NUMBER]
        unrounded = sa.true() if number.exact is None else _rounding(number) == 0.0
        tests.append(sa.and_(number.sql.in_(numbers), unrounded))
    return sa.or_(sa.false(), *tests)


def within(sign: str, moment: Face, span: Span) -> Test:
    """How a moment compares with a span of time: equal to all of it, less before it."""
    sql = moment.sql
    match sign:
        case "==":
            return sa.and_(sql >= span.start, sql < span.end)
        case "!=":
            return sa.or_(sql < span.start, sql >= span.end)
        case "<":
            return sql < span.start
        case "<=":
            return sql < span.end
        case ">":
            return sql >= span.end
    return sql >= span.start


def _numbers(sign: str, left: Face, right: Face) -> Test:
    """Floats are compared first; what rounding took from an integer decides between equals."""
    if left.exact is None and right.exact is None:
        return _test(sign, left.sql, right.sql)
    same = left.sql == right.sql
    match sign:
        case "==":
            return sa.and_(same, _same_integer(left, right))
        case "!=":
            return sa.or_(left.sql != right.sql, sa.and_(same, sa.not_(_same_integer(left, right))))
    rest = _test(sign, _rounding(left), _rounding(right))
    # The first part is implied by the second, and lets an index find the range.
    return sa.and_(
        _test(f"{sign[0]}=", left.sql, right.sql),
        sa.or_(_test(sign[0], left.sql, right.sql), sa.and_(same, rest)),
    )


def _same_integer(left: Face, right: Face) -> Test:
    """Of two that are equal as floats, true or false: whether they are equal exactly."""
    by_rounding = _rounding(left) == _rounding(right)
    if left.exact is None or right.exact is None:
        return by_rounding
    digits = left.exact.is_not_distinct_from(right.exact)
    one_is_float = sa.or_(left.exact.is_(None), right.exact.is_(None))
    return sa.or_(digits, sa.and_(one_is_float, by_rounding))


def _test(sign: str, left: Sql, right: Sql) -> Test:
    test: Test = _SIGNS[sign](left, right)
    return test


def _rounding(face: Face) -> Sql:
    return sa.literal(0.0) if face.exact is None else rounding(face.exact)


def _plainly(sign: str, left: Face, right: Face) -> Test:
    return _test(sign, left.sql, right.sql)


def _items(sign: str, left: Face, right: Face) -> Test:
    same = sa.func.lk_same_items(left.sql, right.sql)
    return same == (1 if sign == "==" else 0) if sign in ("==", "!=") else sa.false()


_COMPARE = {
    Kind.NUMBER: _numbers,
    Kind.TEXT: _plainly,
    Kind.ITEMS: _items,
    Kind.MOMENT: _plainly,
}
