import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from tracker.plots.statistics import BANDS, CENTRES, Curve, averaged

NAN, INF = math.nan, math.inf
FINITE = st.floats(-1e6, 1e6)
TABLES = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.tuples(*[FINITE] * n), min_size=1, max_size=5)
)


def curve(values, start=0):
    y = np.array(values, float)
    return Curve(np.arange(start, start + len(y), dtype=float), y)


def average(*curves, centre="mean", band="std", align="all"):
    return averaged(curves, centre=centre, band=band, align=align)


class TestAlignment:
    def test_all_is_only_where_every_curve_has_a_point(self):
        found = average(curve([1, 2, 3]), curve([3, 4]))

        assert (found.x.tolist(), found.y.tolist(), found.runs.tolist()) == ([0, 1], [2, 3], [2, 2])

    def test_any_goes_on_with_the_curves_that_are_there(self):
        found = average(curve([1, 2, 3]), curve([3, 4]), align="any")

        assert (found.x.tolist(), found.y.tolist()) == ([0, 1, 2], [2, 3, 3])
        assert found.runs.tolist() == [2, 2, 1]
        assert np.isnan(found.low[2])

    def test_points_between_those_of_another_are_not_interpolated(self):
        sparse = Curve(np.array([0.0, 10.0]), np.array([0.0, 10.0]))

        assert average(sparse, curve([2] * 11)).x.tolist() == [0, 10]

    def test_nothing_in_common_is_empty(self):
        assert average(curve([1, 2]), curve([3], start=5)).x.size == 0


@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("band", BANDS)
class TestAnyBand:
    def test_one_curve_is_itself(self, centre, band):
        one = curve([1, NAN, INF])
        found = average(one, centre=centre, band=band)

        np.testing.assert_array_equal(found.y, one.y)
        assert found.runs.tolist() == [1, 1, 1]

    def test_a_nan_in_one_curve_is_a_nan_in_all(self, centre, band):
        many = [curve([1.0 * n, n]) for n in range(7)]
        found = average(curve([NAN, 4]), *many, centre=centre, band=band)

        assert np.isnan([found.y[0], found.low[0], found.high[0]]).all()
        assert np.isfinite(found.y[1])

    def test_adding_a_curve_elsewhere_changes_no_place(self, centre, band):
        two = average(curve([1, 2]), curve([5, 3]), centre=centre, band=band)
        more = average(
            curve([1, 2]), curve([5, 3]), curve([9], start=7), centre=centre, band=band, align="any"
        )

        np.testing.assert_array_equal(two.y, more.y[:2])
        np.testing.assert_array_equal(two.low, more.low[:2])


@settings(deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=5), st.integers(1, 4))
@example([1.7e308, -1.7e308, 5e-324], 3)
@example([INF, -INF, NAN, 0.1], 2)
def test_equal_curves_average_to_themselves(values, count):
    for centre in CENTRES:
        found = average(*[curve(values)] * count, centre=centre)

        np.testing.assert_array_equal(found.y, values)


@settings(deadline=None)
@given(TABLES)
@example([(1.0, 1.0, 1.0)])
def test_agrees_with_numpy_and_scipy(rows):
    values = np.array(rows)
    curves = [curve(column) for column in values.T]
    count = values.shape[1]
    std = values.std(axis=1, ddof=1) if count > 1 else np.full(len(values), NAN)
    sem = std / math.sqrt(count)
    t = stats.t.ppf(0.975, count - 1) if count > 1 else NAN
    near = {"rtol": 1e-9, "atol": 1e-6}

    centres = {"mean": values.mean(axis=1), "median": np.median(values, axis=1)}
    for name, centre in centres.items():
        for band, half in (("std", std), ("sem", sem)):
            found = average(*curves, centre=name, band=band)
            np.testing.assert_allclose(found.y, centre, **near)
            np.testing.assert_allclose(found.low, centre - half, **near)
            np.testing.assert_allclose(found.high, centre + half, **near)
        for band, ends in (("range", (0, 1)), ("iqr", (0.25, 0.75))):
            found = average(*curves, centre=name, band=band)
            np.testing.assert_allclose(
                [found.low, found.high], np.quantile(values, ends, axis=1), **near
            )
    found = average(*curves, band="ci")
    np.testing.assert_allclose(found.high - found.y, t * sem, **near)
    np.testing.assert_allclose(found.y - found.low, t * sem, **near)


@pytest.mark.parametrize(("count", "rank"), [(5, None), (6, 0), (8, 0), (9, 1), (20, 5), (100, 39)])
def test_a_median_s_interval_lies_between_order_statistics(count, rank):
    # The ranks of published tables, such as Conover's.
    curves = [curve([value]) for value in np.random.default_rng(1).permutation(count)]
    found = average(*curves, centre="median", band="ci")

    if rank is None:
        assert np.isnan([found.low, found.high]).all()
    else:
        assert (found.low[0], found.high[0]) == (rank, count - 1 - rank)


def test_a_median_s_interval_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(7)
    samples = rng.exponential(size=(25, 2000))
    found = average(*[curve(values) for values in samples], centre="median", band="ci")
    covered = np.mean((found.low <= math.log(2)) & (math.log(2) <= found.high))

    assert 0.95 <= covered < 0.975


def test_a_hundred_runs_of_unequal_lengths_agree_with_pandas():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    curves = [curve(rng.normal(size=rng.integers(5, 50))) for _ in range(100)]
    table = pd.DataFrame({n: pd.Series(c.y, c.x) for n, c in enumerate(curves)})

    found = average(*curves, align="any")

    np.testing.assert_allclose(found.y, table.mean(axis=1))
    np.testing.assert_allclose(found.high - found.y, table.std(axis=1))
    assert found.runs.tolist() == table.count(axis=1).tolist()
    assert average(*curves).x.size == min(c.x.size for c in curves)
