import itertools
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis
from tracker.registry.curves import read_series
from tracker.registry.metrics import ensure_series, history, insert_points
from tracker.registry.runs import create_run

steps = st.integers(0, 30) | st.sampled_from([2**53 + 1, 2**60 + 3, 2**62 + 1])
points = st.dictionaries(
    steps,
    st.tuples(st.none() | st.integers(0, 9), st.floats(), st.integers(0, 2**42)),
    min_size=1,
    max_size=8,
)
series = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(list(Axis))), points, max_size=4
)


def store(session, run_id, given_series):
    connection = driver_connection(session)
    for (name, axis), found in given_series.items():
        series_id = ensure_series(connection, run_id, name, axis)
        insert_points(
            connection,
            [
                (series_id, step, epoch, None if math.isnan(value) else value, time)
                for step, (epoch, value, time) in found.items()
            ],
        )


def rows(session, ids, names, axis):
    """The same by the plain reader: a row a point."""
    found = history(session, ids, names, axis=axis)
    left = iter(found.points)
    return {
        (each.run_id, each.name, each.axis): list(itertools.islice(left, each.length))
        for each in found.series
    }


@settings(max_examples=60, deadline=None)
@given(
    st.lists(series, max_size=3),
    st.sampled_from([None, ["a"], ["b", "a"]]),
    st.sampled_from([None, *Axis]),
)
@example([{("a", Axis.STEP): {0: (None, 1.0, 5), 2**60 + 3: (1, math.nan, 6)}}], None, None)
def test_arrays_hold_what_rows_hold(scratch, given_runs, names, axis):
    with scratch.write() as session:
        ids = []
        for each in given_runs:
            ids.append(create_run(session, name="run", experiment="x").id)
            store(session, ids[-1], each)
        found = read_series(session, ids, names, axis=axis, epochs=True, times=True)
        expected = rows(session, ids, names, axis)
        session.rollback()

    assert [(each.run_id, each.name, each.axis) for each in found] == list(expected)
    for each, plain in zip(found, expected.values(), strict=True):
        assert each.steps.tolist() == [row[0] for row in plain]
        epochs = [None if math.isnan(epoch) else epoch for epoch in each.epochs]
        assert epochs == [row[1] for row in plain]
        assert [None if math.isnan(value) else value for value in each.values] == [
            row[2] for row in plain
        ]
        assert each.times.tolist() == [row[3] for row in plain]


def test_columns_that_are_not_asked_for_are_not_read(database, run_id, add_points):
    with database.write() as session:
        add_points(session, run_id, "loss", {0: 1.0, 5: 2.0})
        (found,) = read_series(session, [run_id], ["loss"])

    assert (found.epochs, found.times) == (None, None)
    assert found.steps.tolist() == [0, 5]


def test_no_run_has_no_series(database):
    with database.read() as session:
        assert read_series(session, []) == read_series(session, [7], ["loss"]) == []


def test_an_infinity_stays_one(database, run_id, add_points):
    with database.write() as session:
        add_points(session, run_id, "loss", {0: math.inf, 1: -math.inf})
        (found,) = read_series(session, [run_id])

    assert found.values.tolist() == pytest.approx([math.inf, -math.inf])
