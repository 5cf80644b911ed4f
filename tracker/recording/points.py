"""From a call of `log` to the file: one transaction, nothing in between.

When a write returns, its points are in the database. There is no buffer and no thread, and
the connection is the driver's own, because this runs at every step of a training loop.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tracker.database.connection import connect
from tracker.database.faults import driver, translate
from tracker.database.kinds import Axis
from tracker.errors import StateError
from tracker.recording.forks import writers
from tracker.registry.metrics import ensure_series, insert_history, insert_points
from tracker.registry.positions import SESSION_END, last_step, step_of_epoch

SeriesKey = tuple[str, Axis, int | None]


class Point(NamedTuple):
    """One value with everything said."""

    series: SeriesKey
    step: int
    epoch: int | None
    value: float
    time: int


class Column(NamedTuple):
    """The history of one metric: lists of one length. None: not said."""

    name: str
    values: list[float]
    steps: list[int] | None
    epochs: list[int | None] | None
    times: list[int]  # milliseconds since 1970


class PointWriter:
    """Writes the points of one run in one session. Threads take turns.

    Refuses with a StateError what comes after the session has ended: another process may
    have resumed the run since. Before that, `revive` is asked whether it has not ended after
    all.
    """

    def __init__(
        self, database: Path, run_id: int, session_id: int, revive: Callable[[], bool]
    ) -> None:
        self.lock = threading.Lock()
        self._database = database
        self._run_id = run_id
        self._session = (session_id,)
        self._revive = revive
        self._connection: Any = None
        self._series: dict[SeriesKey, int] = {}
        # The run's last step; None: to be looked up.
        self._step: int | None = None
        writers.add(self)

    def write(
        self,
        metrics: Mapping[str, float],
        *,
        step: int | None,
        epoch: int | None,
        axis: Axis = Axis.STEP,
        phase_result_id: int | None = None,
        moment: int | None = None,
    ) -> None:
        """Stores one point a metric, all or none, of now or of a moment in milliseconds.

        Where no step is said, a point along steps gets the one after the run's last, and
        one along epochs the run's last.
        """
        if not metrics:
            return
        moment = time.time_ns() // 1_000_000 if moment is None else moment
        keys = [(name, axis, phase_result_id) for name in metrics]

        def prepare() -> list[tuple[Any, ...]] | None:
            # What is known needs no question to the database while others wait for it.
            if step is None:
                return None
            known, values = self._series, metrics.values()
            try:
                pairs = zip(keys, values, strict=True)
                return [(known[key], step, epoch, value, moment) for key, value in pairs]
            except KeyError:
                return None

        def insert(connection: Any, points: list[tuple[Any, ...]] | None) -> None:
            if points is None:
                ids = [self._id(connection, key) for key in keys]
                steps = self._steps(connection, ids, step, epoch, axis)
                points = [
                    (series, at, epoch, value, moment)
                    for series, at, value in zip(ids, steps, metrics.values(), strict=True)
                ]
            insert_points(connection, points)
            self._reached(points[0][1], axis)

        self._transact(insert, prepare)

    def write_points(self, points: Sequence[Point]) -> None:
        """Stores points of any series, all or none."""

        def insert(connection: Any, _: None) -> None:
            insert_points(
                connection, [(self._id(connection, point.series), *point[1:]) for point in points]
            )
            self._step = None

        if points:
            self._transact(insert)

    def write_history(self, columns: Iterable[Column]) -> None:
        """Stores many points in one transaction; what is not said is as in `write`."""

        def insert(connection: Any, _: None) -> None:
            last = self._last(connection)
            for column in columns:
                if not column.values:
                    continue
                axis = Axis.EPOCH if column.steps is None and column.epochs else Axis.STEP
                series = self._id(connection, (column.name, axis, None))
                steps = column.steps
                if steps is None:
                    first = last + 1
                    if axis is Axis.EPOCH and column.epochs:
                        first = step_of_epoch(connection, series, column.epochs[0], last)
                    steps = list(range(first, first + len(column.values)))
                insert_history(
                    connection,
                    series,
                    steps,
                    column.values,
                    epochs=column.epochs,
                    times=column.times,
                )
                self._reached(max(steps), axis)

        self._transact(insert)

    def write_rows(self, work: Callable[[Any], None]) -> None:
        """Has `work` write whatever it wants in a transaction of this session."""
        self._transact(lambda connection, _: work(connection))

    def close_connection(self) -> None:
        """Closes the connection, if any; the next write opens another. Call it under the lock."""
        connection, self._connection = self._connection, None
        self._series.clear()
        self._step = None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        with self.lock:
            self.close_connection()

    def ask(self, question: str, parameters: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The first row of an answer; None if there is none."""
        with self.lock:
            try:
                rows = self._connected().execute(question, parameters).fetchall()
            except driver().Error as error:
                self.close_connection()
                raise translate(error, self._database) from error
        return rows[0] if rows else None

    def _transact(
        self, work: Callable[[Any, Any], None], prepare: Callable[[], Any] = lambda: None
    ) -> None:
        if self._try(work, prepare) or (self._revive() and self._try(work, prepare)):
            return
        raise StateError(
            "This run cannot be written to from here any more: its session has ended. Another "
            "process may have resumed it, or it was deleted."
        )

    def _try(self, work: Callable[[Any, Any], None], prepare: Callable[[], Any]) -> bool:
        """One transaction, all of it or none; False if the session is not open.

        `work` is given what `prepare` made just before the transaction began.
        """
        with self.lock:
            connection = self._connected()
            try:
                prepared = prepare()
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute(SESSION_END, self._session).fetchall() != [(None,)]:
                    connection.execute("ROLLBACK")
                    return False
                work(connection, prepared)
                connection.execute("COMMIT")
            except BaseException as error:
                # Closing rolls back. What was cached may have been rolled back with it.
                self.close_connection()
                if isinstance(error, driver().Error):
                    raise translate(error, self._database) from error
                raise
        return True

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = connect(self._database)
            # Each write-back waits for the disk; four times the usual log is still small.
            self._connection.execute("PRAGMA wal_autocheckpoint = 4000")
        return self._connection

    def _steps(
        self, connection: Any, ids: list[int], step: int | None, epoch: int | None, axis: Axis
    ) -> list[int]:
        """Where the points of these series stand."""
        if step is not None:
            return [step] * len(ids)
        last = self._last(connection)
        if axis is Axis.STEP:
            return [last + 1] * len(ids)
        return [step_of_epoch(connection, series, epoch, last) for series in ids]

    def _id(self, connection: Any, key: SeriesKey) -> int:
        found = self._series.get(key)
        if found is None:
            name, axis, phase = key
            found = ensure_series(connection, self._run_id, name, axis, phase)
            self._series[key] = found
        return found

    def _last(self, connection: Any) -> int:
        if self._step is None:
            self._step = last_step(connection, self._run_id)
        return self._step

    def _reached(self, step: int, axis: Axis) -> None:
        if axis is Axis.STEP and self._step is not None:
            self._step = max(self._step, step)
