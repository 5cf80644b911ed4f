import math

import numpy as np
import pandas as pd

from tracker.plots.fields.only import read_only
from tracker.plots.records.along import curve_along, kept_points, value_at
from tracker.plots.records.records import Points, Records, records_from

NAN = math.nan
SECOND = 1000.0


def records(started=None, **metrics):
    facts = pd.DataFrame({"name": ["a"], "started": [started]}, dtype=object)
    return Records(facts, {name: {0: points} for name, points in metrics.items()}, {}, {})


def points(values, steps=None, epochs=None, seconds=None):
    steps = list(range(len(values))) if steps is None else steps
    columns = steps, values, steps if epochs is None else epochs, seconds or steps
    step, value, epoch, second = (np.array(column, float) for column in columns)
    return Points(step, value, epoch, second * SECOND)


def along(history, found, **about):
    curve = curve_along(records(m=found, **about), "m", 0, history)
    return curve.x.tolist(), curve.y.tolist()


def test_over_steps_every_point_counts():
    assert along("step", points([0.1, 0.2], [3, 7])) == ([3, 7], [0.1, 0.2])


def test_over_epochs_the_last_point_of_each_counts():
    assert along("epoch", points([1, 2, 3], epochs=[0, 0, 1])) == ([0, 1], [2, 3])


def test_points_without_an_epoch_are_left_out_over_epochs_only():
    found = points([1, 2, 3], epochs=[NAN, 1, NAN])

    assert along("epoch", found) == ([1], [2])
    assert along("step", found) == ([0, 1, 2], [1, 2, 3])


def test_epochs_that_start_again_stay_in_order():
    assert along("epoch", points([1, 2, 3], epochs=[0, 1, 0])) == ([0, 1], [3, 2])


def test_time_is_in_seconds_since_the_start():
    found = points([1, 2], seconds=[90, 120.5])

    assert along("time", found, started=pd.Timestamp(60, unit="s"))[0] == [30, 60.5]
    assert along("time", found, started=pd.Timestamp(60, unit="s", tz="UTC"))[0] == [30, 60.5]
    assert along("time", found)[0] == [0, 30.5]


def test_wall_time_is_in_milliseconds_since_1970():
    assert along("wall", points([1, 2], seconds=[90, 120.5]))[0] == [90_000, 120_500]


def test_points_of_one_moment_all_count_in_the_order_of_their_steps():
    found = points([1, 2, NAN, 3], seconds=[5, 5, 5, 4])

    for history, places in (("time", [0, 1, 1, 1]), ("wall", [4000, 5000, 5000, 5000])):
        x, y = along(history, found)
        assert x == places
        np.testing.assert_array_equal(y, [3, 1, 2, NAN])


def test_no_time_is_before_a_start_that_is_known_to_the_microsecond():
    found = points([1, 2], seconds=[1_770_000_000.123, 1_770_000_000.125])
    started = pd.Timestamp("2026-02-02T02:40:00.123987Z")

    assert along("time", found, started=started)[0] == [0, 0.002]


def test_at_a_moment_with_several_points_the_last_is_the_value():
    curve = curve_along(records(m=points([1, 2, 3], seconds=[4, 5, 5])), "m", 0, "time")

    assert [value_at(curve, place) for place in (0, 1)] == [1, 3]
    assert math.isnan(value_at(curve, 0.5))
    assert math.isnan(value_at(curve, -1))


def test_along_another_metric_values_of_one_epoch_go_together():
    other, found = points([9, 8, 7], epochs=[0, 2, 3]), points([1, 2, 3], epochs=[0, 1, 2])
    curve = curve_along(records(m=found, other=other), "m", 0, "other")

    assert (curve.x.tolist(), curve.y.tolist()) == ([9, 8], [1, 3])


def test_along_another_metric_values_of_one_step_go_together_where_no_epoch_is_known():
    none = [NAN, NAN]
    curve = curve_along(
        records(m=points([1, 2], [5, 6], none), other=points([9, 8], [6, 7], none)), "m", 0, "other"
    )

    assert (curve.x.tolist(), curve.y.tolist()) == ([9], [2])


def test_a_range_keeps_both_its_ends_and_values_may_be_left_out():
    found = points([0, 1, 2, 3, 4, 5, 6])

    def kept(*texts):
        only = read_only(texts).points
        return kept_points(records(m=found), 0, found, only).value.tolist()

    assert kept("epoch 2:4") == [2, 3, 4]
    assert kept("epoch 5: 0") == [0, 5, 6]
    assert kept("epoch! 1:5") == [0, 6]
    assert kept("epoch 1:5", "step! 3") == [1, 2, 4, 5]
    assert kept("time :1") == [0, 1]


def test_tables_become_records(history, runs):
    made = records_from(history({("b", "m"): [1.0, NAN], ("x", "m"): [3.0]}), runs("a", "b"))

    assert list(made.points["m"]) == [1]
    np.testing.assert_array_equal(made.points["m"][1].value, [1, NAN])
    assert made.points["m"][1].step.tolist() == [10, 20]
    assert made.facts["name"].tolist() == ["a", "b"]
