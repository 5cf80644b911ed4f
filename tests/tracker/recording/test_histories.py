import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracker.errors import InvalidError


class TestHistory:
    def test_a_frame_goes_in_whole(self, run, points):
        frame = pd.DataFrame({"step": [0, 1], "epoch": [0, 0], "loss": [1.0, math.nan]})
        frame["acc"] = pd.array([1, None], dtype="Int64")

        run.log_history(frame)

        assert points() == [
            ("acc", "step", 0, 0, 1.0),
            ("loss", "step", 0, 0, 1.0),
            ("loss", "step", 1, 0, None),
        ]

    def test_what_is_not_said_follows_the_last_point(self, run, points):
        run.log(loss=0, step=4)
        run.log_history({"loss": [1, 2]})
        run.log_history({"acc": [0.1, 0.2], "epoch": [0, 1]})

        assert points() == [
            ("acc", "epoch", 6, 0, 0.1),
            ("acc", "epoch", 7, 1, 0.2),
            ("loss", "step", 4, None, 0.0),
            ("loss", "step", 5, None, 1.0),
            ("loss", "step", 6, None, 2.0),
        ]

    def test_columns_without_positions_share_their_steps(self, run, points):
        run.log_history({"a": [1, 2], "b": [3, 4]})

        assert [point[2] for point in points()] == [0, 1, 0, 1]

    def test_times_are_kept(self, run, rows):
        aware = pd.Timestamp("2026-01-01T01:00:00.125+01:00")
        run.log_history({"loss": [1, 2], "time": [aware, pd.Timestamp("2026-01-02")]})

        assert rows("SELECT time FROM metrics ORDER BY step") == [
            (1767225600125,),
            (1767312000000,),
        ]

    def test_points_that_are_not_there_have_no_row(self, run, points):
        run.log_history({"loss": [None, 2.0], "empty": [None, None], "step": [0, 1]})

        assert points() == [("loss", "step", 1, None, 2.0)]

    @pytest.mark.parametrize(
        ("history", "words"),
        [
            ({"loss": [1, 2], "step": [0]}, "'loss': 2, 'step': 1"),
            ({"step": [0]}, "at least one metric"),
            ({"loss": ["x"]}, "'loss' is 'x'"),
            ({"loss": [1], "step": [None]}, "A step is missing"),
            ({"loss": [1], "step": [0.5]}, "A step is a whole number"),
            ({"loss": [1], "step": [-1]}, "A step is a whole number"),
            ({"loss": [1], "time": [17]}, "time is a moment"),
            ({"loss": 1.0}, "'loss' of a history is a list"),
            ([1, 2], "a DataFrame or a mapping"),
            ({"good": [1.0], "": [1.0]}, "name of a metric"),
        ],
    )
    def test_a_history_that_makes_no_sense_is_refused_whole(self, run, points, history, words):
        with pytest.raises(InvalidError, match=words):
            run.log_history(history)

        assert points() == []

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(0, 5), st.floats())))
    def test_it_agrees_with_one_call_a_point(self, lab, rows, history):
        with lab.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM series")
        steps, epochs, values = zip(*history, strict=True) if history else ((), (), ())
        with lab.run() as whole:
            whole.log_history({"loss": values, "step": steps, "epoch": epochs})
        with lab.run() as single:
            for step, epoch, value in history:
                single.log(loss=value, step=step, epoch=epoch)

        def stored(run):
            points = rows(
                "SELECT step, epoch, value FROM metrics JOIN series ON id = series_id"
                " WHERE run_id = :run ORDER BY step",
                run=run.id,
            )
            summary = rows(
                "SELECT axis, count, numbers, first, first_step, last, last_step, minimum,"
                " minimum_step, minimum_epoch, maximum, maximum_step, maximum_epoch"
                " FROM series WHERE run_id = :run",
                run=run.id,
            )
            return points, summary

        assert stored(whole) == stored(single)
