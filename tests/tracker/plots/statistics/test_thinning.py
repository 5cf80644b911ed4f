import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.plots.statistics import kept_points, lonely_points

NAN, INF = math.nan, math.inf
VALUES = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([NAN, INF]), min_size=1, max_size=200)


@given(VALUES, st.integers(1, 8))
@settings(max_examples=60, deadline=None)
@example([NAN] * 100, 4)
@example([1.0] * 100, 4)
def test_every_column_of_pixels_keeps_its_extremes_and_its_gaps(values, columns):
    y, x = np.array(values), np.arange(len(values), dtype=float)
    kept = kept_points(x, y, columns)
    width = x[-1] - x[0] or 1.0
    column = np.minimum(((x - x[0]) / width * columns).astype(int), columns - 1)

    assert kept.size <= max(4 * columns, 3 * columns + 2)
    assert {0, len(values) - 1} <= {*kept.tolist()}
    for each in np.unique(column):
        whole, shown = y[column == each], y[kept[column[kept] == each]]
        finite, left = whole[np.isfinite(whole)], shown[np.isfinite(shown)]
        assert finite.size == 0 or (left.min(), left.max()) == (finite.min(), finite.max())
        assert np.isfinite(whole).all() == np.isfinite(shown).all()


def test_few_points_all_stay():
    y = np.random.default_rng(1).normal(size=400)

    assert kept_points(np.arange(400.0), y, 100).size == 400


def test_one_spike_among_a_million_is_kept():
    y = np.zeros(1_000_000)
    y[123_456], y[765_432] = 7, -7
    kept = kept_points(np.arange(1_000_000.0), y, 800)

    assert kept.size <= 2 * 800 + 2
    assert {123_456, 765_432} <= {*kept.tolist()}


def test_lonely_points_have_no_finite_neighbour():
    assert lonely_points(np.array([1, NAN, 2, 3, INF, 4])).tolist() == [0, 5]
    assert lonely_points(np.array([1.0])).tolist() == [0]
