import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from tracker.database.connection import connect, driver_connection
from tracker.database.faults import driver
from tracker.database.kinds import Axis
from tracker.database.tables import Metric, Series
from tracker.errors import InvalidError
from tracker.registry.metrics import (
    ensure_series,
    history,
    insert_history,
    insert_points,
    rewind,
)
from tracker.registry.runs import create_run
from tracker.registry.summaries import RECOMPUTE

TIME = 1_700_000_000_000
NAN, INF = math.nan, math.inf

SUMMARY = [
    Series.count,
    Series.numbers,
    Series.total,
    Series.first,
    Series.first_step,
    Series.last,
    Series.last_step,
    Series.minimum,
    Series.minimum_step,
    Series.minimum_epoch,
    Series.maximum,
    Series.maximum_step,
    Series.maximum_epoch,
]


def summary_of(session, series_id):
    return list(session.execute(select(*SUMMARY).where(Series.id == series_id)).one())


def null(value):
    return None if math.isnan(value) else value


def expected_summary(points):
    """The summary by plain Python; `points` is {step: (epoch, value)}."""
    if not points:
        return [0, 0, 0.0, *[None] * 10]
    steps = sorted(points)
    numbers = [(points[step][1], step) for step in steps if not math.isnan(points[step][1])]
    ends = [
        null(points[steps[0]][1]),
        steps[0],
        null(points[steps[-1]][1]),
        steps[-1],
    ]
    if not numbers:
        return [len(points), 0, 0.0, *ends, *[None] * 6]
    low = min(numbers, key=lambda number: number[0])
    high = max(numbers, key=lambda number: number[0])
    total = null(sum(value for value, _ in numbers))
    extremes = [*low, points[low[1]][0], *high, points[high[1]][0]]
    return [len(points), len(numbers), total, *ends, *extremes]


def assert_same_summary(found, expected):
    # Sums depend on the order of adding; everything else is exact.
    total = expected.pop(2)
    assert found.pop(2) == (None if total is None else pytest.approx(total, rel=1e-9, abs=1e-9))
    assert found == expected


@dataclass
class Loss:
    """One series in an open transaction, and what it should hold."""

    connection: object
    series_id: int
    points: dict = field(default_factory=dict)

    def log(self, *points):
        insert_points(self.connection, [(self.series_id, *point, TIME) for point in points])
        self.points.update({step: (epoch, value) for step, epoch, value in points})

    def log_history(self, points):
        columns = list(zip(*points, strict=True)) if points else [[], [], []]
        steps, epochs, values = map(list, columns)
        insert_history(
            self.connection,
            self.series_id,
            steps,
            values,
            epochs=epochs,
            times=[TIME] * len(steps),
        )
        self.points.update({step: (epoch, value) for step, epoch, value in points})


@pytest.fixture
def writing(database, run_id):
    with database.write() as session:
        yield session


@pytest.fixture
def loss(writing, run_id):
    connection = driver_connection(writing)
    return Loss(connection, ensure_series(connection, run_id, "loss", Axis.STEP))


# Totals stay finite, or become infinite the same way in every order.
values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([NAN, INF, -INF, 0.0, -0.0, 1.0, 1e-300]))
points = st.tuples(st.integers(0, 9), st.one_of(st.none(), st.integers(0, 3)), values)
logged = st.tuples(st.just("log"), st.lists(points, min_size=1, max_size=4))
in_bulk = st.tuples(st.just("bulk"), st.lists(points, max_size=6))
taken_back = st.tuples(st.just("rewind"), st.integers(-1, 9))


@given(deeds=st.lists(st.one_of(logged, in_bulk, taken_back), max_size=8))
@example(deeds=[("log", [(0, None, NAN)]), ("log", [(1, 0, INF)]), ("log", [(2, 0, -INF)])])
@example(deeds=[("log", [(0, None, NAN)])])
@example(deeds=[("log", [(0, None, NAN)]), ("log", [(0, None, NAN)])])
@example(deeds=[("bulk", [(0, 0, NAN), (1, 0, INF)])])
@example(deeds=[("bulk", [(5, 1, 1.0)]), ("bulk", [(3, 0, 1.0)])])
@example(deeds=[("log", [(5, 1, 1.0)]), ("log", [(3, 0, 1.0)]), ("log", [(4, 2, NAN)])])
@example(deeds=[("log", [(5, 1, 1.0), (5, 2, 2.0)]), ("log", [(5, 3, 0.5)])])
@example(deeds=[("bulk", [(0, 0, NAN), (1, 0, INF)]), ("bulk", [(3, 0, 2.0), (2, 0, 2.0)])])
@example(deeds=[("bulk", [(1, 0, 1.0)]), ("bulk", [(0, 0, 5.0), (1, 0, 3.0)])])
@example(deeds=[("log", [(1, 0, 1.0), (2, 0, 2.0)]), ("rewind", 1), ("log", [(2, 0, 0.5)])])
def test_summaries_agree_with_plain_python_after_any_deeds(scratch, deeds):
    with scratch.write() as session:
        run = create_run(session, name="any", experiment="any")
        connection = driver_connection(session)
        kept = {}
        for deed, what in deeds:
            # A rewind may have taken the series away.
            series_id = ensure_series(connection, run.id, "loss", Axis.STEP)
            loss = Loss(connection, series_id, kept)
            if deed == "log":
                loss.log(*what)
            elif deed == "bulk":
                loss.log_history(what)
            else:
                rewind(session, run.id, what)
                kept = {step: point for step, point in kept.items() if step <= what}

        series_id = ensure_series(connection, run.id, "loss", Axis.STEP)
        stored = session.execute(
            select(Metric.step, Metric.epoch, Metric.value).where(Metric.series_id == series_id)
        ).all()
        summary = summary_of(session, series_id)
        session.rollback()

    assert stored == [(step, epoch, null(value)) for step, (epoch, value) in sorted(kept.items())]
    assert_same_summary(summary, expected_summary(kept))


class TestInsertPoints:
    def test_nan_and_infinities_come_back_as_what_they_were(self, writing, loss):
        loss.log((0, None, NAN))
        loss.log((1, None, INF), (2, None, -INF), (3, None, 0.1))

        stored = writing.scalars(select(Metric.value).order_by(Metric.step)).all()
        assert stored == [None, INF, -INF, 0.1]

    def test_infinities_of_both_signs_have_no_total(self, writing, loss):
        loss.log((0, None, INF))
        loss.log((1, None, -INF))
        loss.log((2, None, 1.0))

        assert summary_of(writing, loss.series_id)[:3] == [3, 3, None]

    def test_the_later_value_of_a_step_stands(self, writing, loss):
        loss.log((0, 0, 1.0), (1, 0, 9.0))
        loss.log((1, 1, 3.0))

        assert_same_summary(summary_of(writing, loss.series_id), expected_summary(loss.points))
        assert loss.points[1] == (1, 3.0)

    def test_several_series_in_one_call_each_get_their_own_summary(self, writing, loss, run_id):
        other = Loss(loss.connection, ensure_series(loss.connection, run_id, "accuracy", Axis.STEP))
        insert_points(
            loss.connection,
            [(loss.series_id, 0, 0, 0.5, TIME), (other.series_id, 0, 0, 0.9, TIME)],
        )

        assert summary_of(writing, loss.series_id)[5] == 0.5
        assert summary_of(writing, other.series_id)[5] == 0.9

    def test_a_series_that_is_gone_is_an_error(self, loss):
        with pytest.raises(driver().IntegrityError, match="FOREIGN KEY"):
            insert_points(loss.connection, [(loss.series_id + 1, 0, None, 1.0, TIME)])


class TestSeveralWriters:
    def test_their_expressions_add_up(self, database, run_id):
        writers = [connect(database.path) for _ in range(3)]
        for step in range(30):
            writer = writers[step % 3]
            writer.execute("BEGIN IMMEDIATE")
            series_id = ensure_series(writer, run_id, "loss", Axis.STEP)
            insert_points(writer, [(series_id, step, None, float(step), TIME)])
            writer.execute("COMMIT")
        for writer in writers:
            writer.close()

        with database.read() as session:
            expected = expected_summary({step: (None, float(step)) for step in range(30)})
            assert_same_summary(summary_of(session, series_id), expected)


class TestInsertHistory:
    def test_takes_arrays_of_any_kind(self, writing, loss, run_id):
        steps = np.arange(3, dtype=np.int32)
        values = np.array([0.5, NAN, 0.25], dtype=np.float32)
        insert_history(loss.connection, loss.series_id, steps, values, times=[TIME] * 3)

        assert history(writing, [run_id]).points == [
            (0, None, 0.5, TIME),
            (1, None, None, TIME),
            (2, None, 0.25, TIME),
        ]

    def test_numpy_numbers_in_a_list_are_numbers(self, writing, loss, run_id):
        values = [np.float32(0.5), np.float64(1.0)]
        insert_history(loss.connection, loss.series_id, [0, np.int64(1)], values, times=[1, 2])

        assert history(writing, [run_id]).points == [(0, None, 0.5, 1), (1, None, 1.0, 2)]

    def test_columns_of_different_lengths_are_refused(self, loss):
        with pytest.raises(InvalidError, match=r"columns of one length, not \[1, 2\]"):
            insert_history(loss.connection, loss.series_id, [0, 1], [1.0], times=[0, 0])

    def test_a_step_that_is_no_integer_is_refused(self, loss):
        with pytest.raises(TypeError):
            insert_history(loss.connection, loss.series_id, [0.5], [1.0], times=[0])

    def test_an_empty_history_changes_nothing(self, writing, loss):
        loss.log_history([])

        assert summary_of(writing, loss.series_id) == expected_summary({})


def headlines(session, run_id):
    rows = session.execute(
        select(Series.name, Series.axis, Series.headline).where(Series.run_id == run_id)
    )
    return {(name, str(axis)) for name, axis, headline in rows if headline}


class TestHeadline:
    """Lists look at a metric's epoch series where it has any."""

    def test_is_the_step_series_while_there_is_no_other(self, writing, loss, run_id):
        assert headlines(writing, run_id) == {("loss", "step")}

    def test_passes_to_the_epoch_series(self, writing, loss, run_id):
        ensure_series(loss.connection, run_id, "accuracy", Axis.STEP)
        ensure_series(loss.connection, run_id, "loss", Axis.EPOCH)

        assert headlines(writing, run_id) == {("loss", "epoch"), ("accuracy", "step")}

    def test_a_later_step_series_is_not_one(self, writing, loss, run_id):
        ensure_series(loss.connection, run_id, "accuracy", Axis.EPOCH)
        ensure_series(loss.connection, run_id, "accuracy", Axis.STEP)

        assert ("accuracy", "step") not in headlines(writing, run_id)

    def test_is_a_step_series_beside_another_metrics_epochs(self, writing, loss, run_id):
        ensure_series(loss.connection, run_id, "loss", Axis.EPOCH)
        ensure_series(loss.connection, run_id, "accuracy", Axis.STEP)

        assert headlines(writing, run_id) == {("loss", "epoch"), ("accuracy", "step")}

    def test_is_a_step_series_beside_another_runs_epochs(self, writing, loss, run_id):
        ensure_series(loss.connection, run_id, "loss", Axis.EPOCH)
        other = create_run(writing, name="second", experiment="digits")
        ensure_series(loss.connection, other.id, "loss", Axis.STEP)

        assert headlines(writing, other.id) == {("loss", "step")}

    def test_other_runs_keep_theirs(self, writing, loss, run_id):
        other = create_run(writing, name="second", experiment="digits")
        ensure_series(loss.connection, other.id, "loss", Axis.EPOCH)

        assert headlines(writing, run_id) == {("loss", "step")}

    def test_returns_when_a_rewind_takes_the_epochs(self, writing, loss, run_id):
        loss.log((0, 0, 1.0), (1, 0, 1.0))
        by_epoch = ensure_series(loss.connection, run_id, "loss", Axis.EPOCH)
        insert_points(loss.connection, [(by_epoch, 1, 0, 1.0, TIME)])

        rewind(writing, run_id, 0)

        assert headlines(writing, run_id) == {("loss", "step")}


class TestEnsureSeries:
    def test_finds_the_one_that_is_there(self, writing, loss, run_id):
        assert ensure_series(loss.connection, run_id, "loss", Axis.STEP) == loss.series_id

    @pytest.mark.parametrize("name", ["", " loss", "lo\nss", "-loss", "l" * 251])
    def test_a_name_that_cannot_be_typed_is_refused(self, loss, run_id, name):
        with pytest.raises(InvalidError, match="metric"):
            ensure_series(loss.connection, run_id, name, Axis.STEP)


class TestRewind:
    def test_takes_only_what_lies_beyond_and_only_of_the_run(self, writing, loss, run_id):
        loss.log(*((step, 0, float(step)) for step in range(5)))
        other = create_run(writing, name="second", experiment="digits")
        theirs = Loss(loss.connection, ensure_series(loss.connection, other.id, "loss", Axis.STEP))
        theirs.log((9, 0, 1.0))

        assert rewind(writing, run_id, 2) == 2

        kept = {step: (0, float(step)) for step in range(3)}
        assert_same_summary(summary_of(writing, loss.series_id), expected_summary(kept))
        assert summary_of(writing, theirs.series_id)[0] == 1

    def test_to_before_the_beginning_leaves_no_series(self, writing, loss, run_id):
        loss.log((0, 0, 1.0))

        assert rewind(writing, run_id, -1) == 1
        assert writing.scalars(select(Series.id)).all() == []


class TestHistory:
    @pytest.fixture
    def two_runs(self, writing, loss, run_id):
        loss.log((1, 0, 0.4), (0, 0, 0.5))
        by_epoch = ensure_series(loss.connection, run_id, "loss", Axis.EPOCH)
        insert_points(loss.connection, [(by_epoch, 1, 0, 0.45, TIME)])
        other = create_run(writing, name="second", experiment="digits")
        speed = ensure_series(loss.connection, other.id, "speed", Axis.STEP)
        insert_points(loss.connection, [(speed, 0, None, 7.0, TIME)])
        ensure_series(loss.connection, other.id, "empty", Axis.STEP)
        return run_id, other.id

    def test_holds_headline_points_run_after_run(self, writing, two_runs):
        found = history(writing, two_runs)

        assert [(row.run_id, row.name, row.axis, row.length) for row in found.series] == [
            (two_runs[0], "loss", Axis.EPOCH, 1),
            (two_runs[1], "speed", Axis.STEP, 1),
        ]
        assert found.points == [(1, 0, 0.45, TIME), (0, None, 7.0, TIME)]

    def test_names_and_axis_choose(self, writing, two_runs):
        found = history(writing, two_runs, ["loss"], axis=Axis.STEP)

        assert [row.name for row in found.series] == ["loss"]
        assert found.points == [(0, 0, 0.5, TIME), (1, 0, 0.4, TIME)]

    def test_of_no_run_is_empty(self, writing, two_runs):
        assert history(writing, []) == ([], [])

    def test_leaves_out_other_runs(self, writing, two_runs):
        assert [row.run_id for row in history(writing, two_runs[1:]).series] == [two_runs[1]]


def test_recomputing_changes_nothing_that_was_true(writing, loss):
    loss.log((3, 0, 1.0), (1, 0, NAN))
    loss.log_history([(7, 2, -INF), (5, 1, -INF)])
    before = summary_of(writing, loss.series_id)

    loss.connection.execute(RECOMPUTE, (loss.series_id,))

    assert summary_of(writing, loss.series_id) == before
