import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.errors import InvalidError, NotFoundError
from tracker.plots.lines import Line, best_point, lonely_points, mean_line, points_of, run_line

NAN, INF = math.nan, math.inf
START = pd.Timestamp("2026-01-01T00:00:00Z")
FINITE = st.floats(-1e6, 1e6)


def points(steps, epochs, values, seconds=None):
    seconds = seconds or steps
    times = [START + pd.Timedelta(seconds=moment) for moment in seconds]
    return pd.DataFrame({"step": steps, "epoch": epochs, "value": values, "time": times})


def line(values, start=0):
    y = np.array(values, float)
    return Line("any", np.arange(start, start + len(y), dtype=float), y)


class TestPoints:
    def test_only_the_metric_asked_for_is_taken(self, history):
        taken = points_of(history({("a", "loss"): [1.0], ("a", "accuracy"): [0.5]}), "accuracy")

        assert taken["value"].tolist() == [0.5]

    def test_a_misspelt_metric_suggests_the_nearest(self, history):
        with pytest.raises(NotFoundError, match=r"'val_los'\. Did you mean 'val_loss'"):
            points_of(history({("a", "val_loss"): [1.0]}), "val_los")


class TestRunLine:
    def test_points_come_in_order_of_their_steps(self):
        curve = run_line("a", points([3, 1, 2], [2, 0, 1], [0.3, 0.1, 0.2]), "step", start=START)

        assert curve.x.tolist() == [1, 2, 3]
        assert curve.y.tolist() == [0.1, 0.2, 0.3]

    def test_over_epochs_the_last_point_of_each_counts(self):
        curve = run_line("a", points([3, 2, 1], [1, 0, 0], [0.3, 0.2, 0.1]), "epoch", start=START)

        assert curve.x.tolist() == [0, 1]
        assert curve.y.tolist() == [0.2, 0.3]

    def test_points_without_an_epoch_are_left_out_over_epochs_only(self):
        frame = points([1, 2], [None, 1], [0.1, 0.2])

        assert run_line("a", frame, "epoch", start=START).y.tolist() == [0.2]
        assert run_line("a", frame, "step", start=START).y.tolist() == [0.1, 0.2]

    def test_epochs_that_start_again_stay_in_order(self):
        curve = run_line("a", points([1, 2, 3], [0, 1, 0], [0.1, 0.2, 0.3]), "epoch", start=START)

        assert curve.x.tolist() == [0, 1]
        assert curve.y.tolist() == [0.3, 0.2]

    def test_time_is_in_seconds_since_the_start(self):
        frame = points([1, 2], [0, 1], [0.1, 0.2], seconds=[90, 120.5])
        start = START + pd.Timedelta(seconds=60)

        assert run_line("a", frame, "time", start=start).x.tolist() == [30, 60.5]

    def test_nan_and_infinities_stay_what_they_are(self):
        curve = run_line("a", points([1, 2, 3], [0, 1, 2], [NAN, INF, -INF]), "step", start=START)

        np.testing.assert_array_equal(curve.y, [NAN, INF, -INF])


class TestMean:
    def test_is_drawn_only_where_every_line_has_a_point(self):
        mean = mean_line("any", [line([1, 2, 3]), line([3, 4])], band="std", align="all")

        assert mean.x.tolist() == [0, 1]
        assert mean.y.tolist() == [2, 3]

    def test_any_goes_on_with_the_lines_that_are_there(self):
        mean = mean_line("any", [line([1, 2, 3]), line([3, 4])], band="std", align="any")

        assert mean.x.tolist() == [0, 1, 2]
        assert mean.y.tolist() == [2, 3, 3]
        assert np.isnan(mean.low[2])

    def test_a_nan_in_one_line_is_a_nan_in_the_mean(self):
        mean = mean_line("any", [line([1, NAN]), line([3, 4])], band="none", align="all")

        np.testing.assert_array_equal(mean.y, [2, NAN])

    def test_nothing_in_common_is_an_error(self):
        with pytest.raises(InvalidError, match="no point in common"):
            mean_line("lr=1", [line([1, 2]), line([3], start=5)], band="std", align="all")

    def test_adding_a_line_that_ends_early_invents_no_value(self):
        mean = mean_line("any", [line([1, 1, 1]), line([3], start=1)], band="none", align="all")

        assert (mean.x.tolist(), mean.y.tolist()) == ([1], [2])

    @given(st.integers(1, 5).flatmap(lambda n: st.lists(st.tuples(*[FINITE] * n), min_size=1)))
    @example([(1.0, 1.0, 1.0)])
    def test_agrees_with_numpy(self, rows):
        values = np.array(rows)
        lines = [line(column) for column in values.T]
        bands = {
            band: mean_line("any", lines, band=band, align="all")
            for band in ("std", "sem", "range")
        }
        count = values.shape[1]
        std = values.std(axis=1, ddof=1) if count > 1 else np.full(len(values), NAN)

        for band, half in (("std", std), ("sem", std / math.sqrt(count))):
            mean = bands[band]
            near = {"rtol": 1e-9, "atol": 1e-6}
            np.testing.assert_allclose(mean.y, values.mean(axis=1), **near)
            np.testing.assert_allclose(mean.high, values.mean(axis=1) + half, **near)
            np.testing.assert_allclose(mean.low, values.mean(axis=1) - half, **near)
        np.testing.assert_array_equal(bands["range"].low, values.min(axis=1))
        np.testing.assert_array_equal(bands["range"].high, values.max(axis=1))


class TestBest:
    @pytest.mark.parametrize(("goal", "best"), [("min", (1, 0.5)), ("max", (3, 2.0))])
    def test_follows_the_goal(self, goal, best):
        assert best_point(line([1.0, 0.5, 0.5, 2.0]), goal) == best

    @pytest.mark.parametrize(("goal", "best"), [("min", (3, 0.5)), ("max", (2, 1.0))])
    def test_is_never_nan_nor_infinite(self, goal, best):
        assert best_point(line([NAN, -INF, 1.0, 0.5, INF]), goal) == best

    def test_is_nowhere_if_nothing_is_finite(self):
        assert best_point(line([NAN, INF]), "min") is None


def test_lonely_points_have_no_finite_neighbour():
    assert lonely_points(np.array([1, NAN, 2, 3, INF, 4])).tolist() == [0, 5]
    assert lonely_points(np.array([1.0])).tolist() == [0]
