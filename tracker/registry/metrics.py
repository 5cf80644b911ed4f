"""The points of metrics: written one by one or in bulk, taken back, read.

Writing works on the driver's connection, inside a transaction that the caller began with
BEGIN IMMEDIATE, because it runs at every step of a training loop:

    connection.execute("BEGIN IMMEDIATE")
    loss = ensure_series(connection, run_id, "loss", Axis.STEP)     # once, then cached
    insert_points(connection, [(loss, step, epoch, value, milliseconds)])
    connection.execute("COMMIT")

A series id may be kept as long as nobody rewinds the run. NaN is stored as NULL; infinities
stay what they are.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import index
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.faults import driver
from tracker.database.kinds import Axis
from tracker.errors import InvalidError
from tracker.registry.names import checked_name
from tracker.registry.summaries import ADD_POINT, ADD_SUMMARY, RECOMPUTE, summarize

# series, step, epoch, value, milliseconds since 1970
Point = tuple[int, int, int | None, float | None, int]

INSERT = "INSERT INTO metrics (series_id, step, epoch, value, time) VALUES (?, ?, ?, ?, ?)"
# The same metric twice at one step: the later value stands.
REPLACE = f"{INSERT} ON CONFLICT DO UPDATE SET epoch = excluded.epoch, value = excluded.value, \
time = excluded.time"

_FIND_SERIES = """
SELECT id FROM series
WHERE run_id = ? AND name = ? AND axis = ? AND coalesce(phase_result_id, 0) = coalesce(?, 0)
"""
# A metric's epoch series are its headline; its step series only while it has no others.
HEADLINE = """
axis = 'epoch' OR NOT EXISTS (
  SELECT 1 FROM series AS other
  WHERE other.run_id = series.run_id AND other.name = series.name AND other.axis = 'epoch'
)
"""


def ensure_series(
    connection: Any, run_id: int, name: str, axis: Axis, phase_result_id: int | None = None
) -> int:
    """The id of the series with these points; makes it, and keeps the headline right."""
    key = (run_id, name, str(axis), phase_result_id)
    found = connection.execute(_FIND_SERIES, key).fetchone()
    if found:
        return int(found[0])
    checked_name("metric", name)
    made = connection.execute(
        "INSERT INTO series (run_id, name, axis, phase_result_id, headline, count, numbers, total)"
        " VALUES (?, ?, ?, ?, 1, 0, 0, 0.0)",
        key,
    ).lastrowid
    connection.execute(
        f"UPDATE series SET headline = {HEADLINE} WHERE run_id = ? AND name = ?",  # noqa: S608 - a constant
        (run_id, name),
    )
    return int(made)


def insert_points(connection: Any, points: Sequence[Point]) -> None:
    """Stores the points, and what they change in their series' summaries."""
    try:
        if len(points) == 1:
            connection.execute(INSERT, points[0])
            connection.execute(ADD_POINT, points[0][:4])
        else:
            connection.executemany(INSERT, points)
            connection.executemany(ADD_POINT, [point[:4] for point in points])
    except driver().IntegrityError:
        # Some step was there already. What went in before it is replaced by itself.
        _replace(connection, points)


def insert_history(
    connection: Any,
    series_id: int,
    steps: Sequence[int],
    values: Sequence[float],
    *,
    epochs: Sequence[int | None] | None = None,
    times: Sequence[int],
) -> None:
    """Stores many points of one series at once; the summary is computed once.

    Takes lists or arrays of one length; `times` are milliseconds since 1970.
    """
    steps, times = list(map(index, _plain(steps))), list(map(index, _plain(times)))
    values = list(map(float, _plain(values)))
    epochs = [None] * len(steps) if epochs is None else _plain(epochs)
    lengths = {len(steps), len(epochs), len(values), len(times)}
    if len(lengths) != 1:
        raise InvalidError(f"A history needs columns of one length, not {sorted(lengths)}.")
    if not steps:
        return
    points = list(zip(repeat(series_id, len(steps)), steps, epochs, values, times, strict=True))
    try:
        connection.executemany(INSERT, points)
    except driver().IntegrityError:
        _replace(connection, points)
    else:
        connection.execute(ADD_SUMMARY, (series_id, *summarize(steps, epochs, values)))


def rewind(session: Session, run_id: int, step: int) -> int:
    """Takes back every point of the run beyond `step`; returns how many there were.

    Summaries are computed again. A series that has no point left is gone, and a metric
    whose epoch series are gone has its step series for a headline again. -1 takes all.
    """
    connection = driver_connection(session)
    series = connection.execute("SELECT id FROM series WHERE run_id = ?", (run_id,)).fetchall()
    gone = 0
    for (series_id,) in series:
        taken = connection.execute(
            "DELETE FROM metrics WHERE series_id = ? AND step > ?", (series_id, step)
        ).rowcount
        if taken:
            connection.execute(RECOMPUTE, (series_id,))
        gone += taken
    connection.execute("DELETE FROM series WHERE run_id = ? AND count = 0", (run_id,))
    connection.execute(
        f"UPDATE series SET headline = {HEADLINE} WHERE run_id = ?",  # noqa: S608 - a constant
        (run_id,),
    )
    return gone


class SeriesOf(NamedTuple):
    """Whose points these are."""

    run_id: int
    name: str
    axis: Axis
    phase_result_id: int | None
    length: int


class History(NamedTuple):
    """Series, and the points of all of them, one after the other, each ordered by step.

    The first series' `length` points come first, and so on. A point is (step, epoch, value,
    milliseconds since 1970); the value of a NaN is None.
    """

    series: list[SeriesOf]
    points: list[tuple[int, int | None, float | None, int]]


def history(
    session: Session,
    run_ids: Iterable[int],
    names: Iterable[str] | None = None,
    *,
    axis: Axis | None = None,
) -> History:
    """The points of the runs' metrics, or of those with these names.

    Of a metric that has points per epoch and per step, those per epoch, so that no (run,
    metric, step) comes twice within a phase; `axis` asks for one kind. Ordered by run, name,
    phase and step; a run or a name without points is left out.
    """
    connection = driver_connection(session)
    chosen = "headline" if axis is None else "axis = ?"
    parameters: list[str] = [] if axis is None else [str(axis)]
    if names is not None:
        chosen += " AND name IN (SELECT value FROM json_each(?))"
        parameters.append(json.dumps(list(names)))
    found = connection.execute(
        "SELECT id, run_id, name, axis, phase_result_id FROM series"  # noqa: S608 - constants
        f" WHERE run_id IN (SELECT value FROM json_each(?)) AND count AND {chosen}"
        " ORDER BY run_id, name, phase_result_id",
        (json.dumps(list(run_ids)), *parameters),
    ).fetchall()
    result = History([], [])
    for series_id, run_id, name, kind, phase_result_id in found:
        points = connection.execute(
            "SELECT step, epoch, value, time FROM metrics WHERE series_id = ? ORDER BY step",
            (series_id,),
        ).fetchall()
        result.points.extend(points)
        result.series.append(SeriesOf(run_id, name, Axis(kind), phase_result_id, len(points)))
    return result


def _replace(connection: Any, points: Sequence[Point]) -> None:
    connection.executemany(REPLACE, points)
    connection.executemany(RECOMPUTE, {(point[0],) for point in points})


def _plain(column: Any) -> Any:
    """An array as a list of Python numbers: the driver would store numpy's as bytes."""
    return column.tolist() if hasattr(column, "tolist") else column
