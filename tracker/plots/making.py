"""From records to the table of a picture. A pure function: no database, no drawing."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracker.errors import InvalidError
from tracker.plots.fields.only import Kept, read_only, read_order
from tracker.plots.fields.placing import METRIC, RUN, Placing, place_fields
from tracker.plots.fields.roles import assign_roles
from tracker.plots.fields.values import Value, sequence
from tracker.plots.fields.wording import exceptions_of, rules_of
from tracker.plots.kind import Kind
from tracker.plots.kinds import KINDS
from tracker.plots.options import Options
from tracker.plots.records.along import kept_points
from tracker.plots.records.records import Records
from tracker.plots.statistics import best_index
from tracker.plots.tables.boxes import box_blocks
from tracker.plots.tables.choosing import goal_for
from tracker.plots.tables.columns import Block, table_of
from tracker.plots.tables.drawn import Drawn, blocks, panel_fields
from tracker.plots.tables.long import long_blocks
from tracker.plots.tables.scalars import scalars_of
from tracker.plots.tables.wide import wide_blocks
from tracker.plots.tables.work import Work

_BLOCKS: dict[str, Callable[[Work], Iterator[Block]]] = {
    "long": long_blocks, "wide": wide_blocks, "boxes": box_blocks,
}  # fmt: skip
_BAND = ("low", "high")
_MEASURES = {
    "long": ("value", *_BAND, "runs", "raw"),
    "boxes": ("median", "q1", "q3", *_BAND, "outliers", "runs", "not_finite"),
}


def make_table(records: Records, metrics: Sequence[str], options: Options | None = None) -> Drawn:
    """The numbers of a picture of these metrics, and the rules they were made by.

    InvalidError where nothing was logged, where runs that are to be averaged have no point in
    common, where a choice needs a goal that is not known; NotFoundError for a field or a metric
    that is not there.
    """
    options = options or Options()
    contents, kind = options.contents, KINDS[options.contents.kind]
    if not metrics or records.facts.empty or not any(records.points.values() or [records.scalars]):
        raise InvalidError("There is nothing to draw: no run here has logged anything.")
    placing = place_fields(kind, contents, metrics, {*records.points, *records.scalars})
    fields = assign_roles(kind, placing, records.facts, contents.labels)
    records = _cut(records, read_only(contents.only).points)
    if placing.history is None and not records.scalars:
        records = records._replace(scalars=scalars_of(records, contents))
    work = Work(records, placing, fields, contents)
    orders = _orders(work)
    made = list(_BLOCKS[kind.shape](work))
    if not made:
        raise InvalidError("There is nothing to draw: no run here has all of these metrics.")
    made.sort(key=lambda block: _rank(block, placing, orders))
    table = _in_place(table_of(made, _names(kind, work, made)), placing, orders)
    if kind.marks_best:
        table = _with_best(table, work)
    if placing.history in ("epoch", "step"):
        table = table.astype({placing.history: np.int64})
    rules = rules_of(kind, placing, fields.roles, contents, records.goals)
    rules += exceptions_of(kind, placing, table)
    return Drawn(_without_band(table), placing, fields.roles, options, rules, orders)


def _cut(records: Records, only: dict[str, list[Kept]]) -> Records:
    """The records without the points that are not wanted."""
    if not only:
        return records
    points = {
        metric: {number: kept_points(records, number, each, only) for number, each in of.items()}
        for metric, of in records.points.items()
    }
    return records._replace(points=points)


def _orders(work: Work) -> dict[str, list[Value]]:
    """The values of each field in the order in which they are drawn."""
    asked = read_order(work.contents.order)
    orders: dict[str, list[Value]] = {METRIC: list(work.placing.metrics)}
    for field in [*work.keys, *work.fields.roles.optimized]:
        values = work.fields.table[field]
        # Runs come in the order of their table.
        orders[field] = list(values) if field == RUN else sequence(values, asked.get(field, ()))
    for field in asked:
        if field not in orders:
            raise InvalidError(f"{field!r} has no place in the picture, so it has no order.")
    return orders


def _order_of(placing: Placing) -> list[str]:
    """The fields that rows are sorted by, the slowest first."""
    keys = [*panel_fields(placing), placing.frames, *placing.lines, METRIC, *placing.x]
    return [key for key in dict.fromkeys(keys) if key is not None]


def _rank(block: Block, placing: Placing, orders: dict[str, list[Value]]) -> tuple[int, ...]:
    fields = [name for name in (*_order_of(placing), *orders) if name in block.fields]
    return tuple(
        orders[name].index(block.fields[name])
        for name in fields
        if block.fields[name] in orders[name]
    )


def _in_place(
    table: pd.DataFrame, placing: Placing, orders: dict[str, list[Value]]
) -> pd.DataFrame:
    """The rows in order where a place in a history is slower than another field."""
    order = [name for name in _order_of(placing) if name in table]
    if placing.history is None or order[-1] == placing.history:
        return table
    ranks: list[Any] = []
    for name in reversed(order):
        column = table[name]
        if name == placing.history:
            ranks.append(column.to_numpy())
        else:
            places = {value: place for place, value in enumerate(orders[name])}
            ranks.append(np.array([places.get(value, -1) for value in column]))
    return table.iloc[np.lexsort(ranks)].reset_index(drop=True)


def _names(kind: Kind, work: Work, made: Sequence[Block]) -> list[str]:
    """The columns of the table, in order."""
    placing, roles = work.placing, work.fields.roles
    measures = _MEASURES.get(kind.shape, (*placing.metrics, "runs"))
    keys = [*_order_of(placing), *roles.points]
    if kind.shape == "wide":
        keys = [key for key in keys if key != METRIC]
    columns = made[0].columns
    return list(
        dict.fromkeys([*keys, *(name for name in measures if name in columns), *roles.optimized])
    )


def _with_best(table: pd.DataFrame, work: Work) -> pd.DataFrame:
    """Marks the best value of each line, the first time."""
    placing = work.placing
    marks = np.zeros(len(table), dtype=bool)
    fields = [name for name in _order_of(placing) if name not in placing.x]
    values = table["value"].to_numpy()
    for found, rows in blocks(table, fields):
        metric = str(found[fields.index(METRIC)])
        index = best_index(values[rows], goal_for(work.records, work.contents, metric))
        if index is not None:
            marks[rows.start + index] = True
    return table.assign(best=marks)


def _without_band(table: pd.DataFrame) -> pd.DataFrame:
    """The table without its band where no row has one."""
    empty = [name for name in _BAND if name in table and table[name].isna().all()]
    return table.drop(columns=empty) if len(empty) == len(_BAND) else table
