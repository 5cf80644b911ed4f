"""What a run has been given and what it has measured, as lookups."""

import sqlalchemy as sa

from tracker.database.kinds import Goal, ParamKind
from tracker.database.tables import Metric, Param, Series
from tracker.filters.lookups import Face, Kind, Lookup, Sql, Test

# A series' place among those of its metric, in one number that SQLite can compare: by step,
# and where two phases share one, the later phase is the later series.
_FIRST = Series.first_step * 2**32 + Series.id
_LAST = Series.last_step * 2**32 + Series.id
# The smallest is below a limit where any is.
_SOME = {
    "min": {"<": Series.minimum, "<=": Series.minimum},
    "max": {">": Series.maximum, ">=": Series.maximum},
}

# Summaries do not tell these.
_OF_POINTS = ("at", "std")


def parameter(key: str, run_id: Sql, *, optional: bool) -> Lookup:
    """One parameter of the run; None counts as missing."""
    no_number, a_number = Param.number.is_(None), Param.number.is_not(None)
    exact = sa.case((a_number, Param.text))
    return Lookup(
        run_id,
        Param.run_id,
        {
            Kind.NUMBER: Face(Param.number, exact=exact),
            Kind.TEXT: Face(Param.text, (no_number, Param.kind == ParamKind.STR)),
            Kind.ITEMS: Face(Param.text, (no_number, Param.kind == ParamKind.JSON)),
        },
        (Param.key == key, Param.kind != ParamKind.NONE),
        optional=optional,
        order=(Param.number, sa.case((a_number, rounding(exact)), else_=Param.text)),
    )


def rounding(exact: Sql) -> Sql:
    """How much an integer lies above the float that stands for it; 0 where that is exact."""
    return sa.func.coalesce(sa.func.lk_rounding(exact), 0.0)


def metric(name: str, function: str, run_id: Sql, *, optional: bool, step: int = 0) -> Lookup:
    """One number about the run's metric, over the headline series of all its phases.

    `last`, `first` and `at` give NaN where the point is one; `min`, `max`, `mean` and `std`
    leave NaN out, and are missing where there is nothing else; `std` needs two points. `mean`
    is NaN over inf and -inf, `std` over any of them. Only `at` and `std` look at points.
    """
    value, having = _summary(function)
    where: tuple[Test, ...] = (Series.name == name, Series.headline, Series.last_step.is_not(None))
    if function in _OF_POINTS:
        where = (*where, Metric.series_id == Series.id)
    if function == "at":
        where = (*where, Metric.step == step)
    return Lookup(
        run_id,
        Series.run_id,
        {Kind.NUMBER: Face(value)},
        where,
        having=having,
        optional=optional,
        some=_SOME.get(function, {}),
    )


def function_of(goal: Goal) -> str:
    """The best value of a metric is its `min` or its `max`."""
    return "min" if goal is Goal.MIN else "max"


def _summary(function: str) -> tuple[Sql, Test]:
    """The value of a group of series, and the test for there being one.

    Where a group has one minimum or maximum, SQLite takes bare columns from the very row in
    which it lies: https://www.sqlite.org/lang_select.html#bareagg
    """
    match function:
        case "last":
            return Series.last, sa.func.max(_LAST).is_not(None)
        case "first":
            return Series.first, sa.func.min(_FIRST).is_not(None)
        case "at":
            return Metric.value, sa.func.max(Series.id).is_not(None)
        case "min":
            return sa.func.min(Series.minimum), sa.func.min(Series.minimum).is_not(None)
        case "max":
            return sa.func.max(Series.maximum), sa.func.max(Series.maximum).is_not(None)
        case "mean":
            numbers = sa.func.sum(Series.numbers)
            # A total that is NULL is NaN, and makes the whole NaN.
            known = sa.func.count(Series.total) == sa.func.count()
            return sa.case((known, sa.func.sum(Series.total) / numbers)), numbers > 0
        case "std":
            # Two numbers, or SQLite would take the NULL of fewer for a NaN.
            return sa.func.lk_std(Metric.value, type_=sa.REAL), sa.func.count(Metric.value) > 1
        case "count":
            return sa.func.sum(Series.count), sa.func.sum(Series.count) > 0
    raise ValueError(function)
