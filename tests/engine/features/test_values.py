"""No value is changed on its way into a column: it is kept, or refused by name."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import DataError
from engine.features.columns import to_arrow, to_numpy

NOON = dt.datetime(2024, 1, 2, 12, 30)  # noqa: DTZ001 - a time without a zone
EXACT = pd.Timestamp("2024-01-01 00:00:00.123456789")
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)


def refused(values, message, **how):
    with pytest.raises(DataError, match=message):
        to_arrow("x", values, **how)


def tags(values):
    return to_numpy(to_arrow("t", values, may_be_missing=True))


class TestNumbers:
    @given(st.lists(NUMBERS, min_size=1, max_size=4))
    @example([2**63, 1])
    @example([2**63, -1])
    @example([2**53 + 1, 0.5])
    @example([2**60, 0.5])
    def test_are_equal_to_what_was_given_in_every_form_or_refused(self, numbers):
        for rows in (
            numbers,
            [[number] for number in numbers],
            [numbers],
            np.array([numbers], dtype=object),
            [np.array([number], dtype=object) for number in numbers],
        ):
            try:
                column = to_numpy(to_arrow("x", rows))
            except DataError:
                continue
            assert column.ravel().tolist() == numbers

    @pytest.mark.parametrize("rows", [[2**63, 1], [[2**63], [1]], [[2**63, 1]]])
    def test_that_only_an_unsigned_type_holds_are_of_that_type(self, rows):
        column = to_numpy(to_arrow("x", rows))
        assert column.dtype == np.uint64
        assert column.ravel().tolist() == [2**63, 1]

    @pytest.mark.parametrize("rows", [[2**63, -1], [[2**63], [-1]], [[2**63, -1]]])
    def test_that_no_type_holds_are_named(self, rows):
        refused(rows, "from -1 to 9223372036854775808, and no type of 64 bits has room")

    def test_that_would_be_rounded_are_named(self):
        refused([0.5, 2**53 + 1], "row 1, is 9007199254740993, which would be rounded")
        refused([[0.5], [2**53 + 1]], "row 1, holds whole numbers beyond")
        refused([[0.5, 2**53 + 1]], "row 0, holds whole numbers beyond")

    def test_of_several_widths_take_the_one_that_holds_them(self):
        rows = [np.array([1], np.uint64), np.array([-1], np.int8), np.array([2], np.int64)]
        assert to_numpy(to_arrow("x", rows)).dtype == np.int64
        assert to_numpy(to_arrow("x", [[1], [0.5]])).tolist() == [[1.0], [0.5]]

    def test_as_single_tensors_are_plain_numbers(self):
        for rows in (
            [torch.tensor(1.0), torch.tensor(2.0)],
            [np.array(1.0), np.array(2.0)],
            [torch.tensor(1.0, dtype=torch.bfloat16), torch.tensor(2.0)],
        ):
            assert to_numpy(to_arrow("x", rows)).tolist() == [1, 2]

    def test_as_objects_are_numbers(self):
        assert to_numpy(to_arrow("x", np.array([[1, 2.5]], object))).tolist() == [[1, 2.5]]
        assert to_numpy(to_arrow("x", np.array([1, 2], object))).dtype == np.int64
        refused(np.array([[1, "a"]], object), "row 0, is not an array of numbers: 'a' is of type")

    def test_beyond_64_bits_are_refused(self):
        for values in (np.ones(2, np.longdouble), np.ones((2, 2), np.longdouble)):
            refused(values, f"'x'.*{np.dtype(np.longdouble)}")

    def test_sparse_ones_are_numbers(self):
        series = pd.Series(pd.arrays.SparseArray([0, 0, 1]))
        assert to_numpy(to_arrow("x", series)).tolist() == [0, 0, 1]

    def test_truth_values_are_no_numbers(self):
        refused([True, 2], "mixes types: row 1 is 2")


class TestTimes:
    def test_days_beside_times_are_refused(self):
        for rows in ([NOON.date(), NOON], [NOON, NOON.date()], [NOON.date(), EXACT, None]):
            refused(rows, "mixes types: row 1 is", may_be_missing=True)

    def test_with_and_without_a_zone_are_refused(self):
        for rows in ([NOON, NOON.astimezone(dt.UTC)], [NOON.astimezone(dt.UTC), None, EXACT]):
            refused(rows, "mixes times with a zone and times without", may_be_missing=True)

    def test_keep_their_nanoseconds(self):
        for zone in (None, "Europe/Berlin"):
            time = EXACT.tz_localize(zone)
            for values in ([NOON.replace(tzinfo=time.tzinfo), time], [time, None]):
                for given_as in (values, np.array(values, object), pd.Series(values, dtype=object)):
                    column = to_arrow("t", given_as, may_be_missing=True)
                    there = [value for value in values if value is not None]
                    assert [one.as_py() for one in column.drop_null()] == there
        span = pd.Timedelta(1, "ns")
        assert to_arrow("x", [dt.timedelta(1), span])[1].value == 1

    def test_of_numpy_are_in_the_finest_unit(self):
        rows = [np.datetime64("2024-01-01"), None, np.datetime64("2024-01-01T00:00:00.5")]
        assert tags(rows).astype("M8[ms]").tolist() == np.array(rows, "M8[ms]").tolist()
        refused([np.datetime64("2024"), NOON], "mixes types: row 1 is datetime")

    @pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_of_every_unit_are_kept(self, unit, order):
        times = np.array([0, 20], f"{order}M8[{unit}]")
        assert (to_numpy(to_arrow("x", times)) == times).all()
        if unit not in "YM":
            spans = times.view(f"{order}m8[{unit}]")
            assert (to_numpy(to_arrow("x", spans)) == spans).all()

    def test_in_units_that_cannot_be_kept_are_refused(self):
        for kind in ("M8[ps]", "m8[M]", "M8"):
            refused(np.array(["NaT"], kind), "'x' is of type .* which cannot be held")

    def test_of_far_years_keep_their_day(self):
        far = np.array(["9999999-01-01", "NaT"], "M8[D]")
        assert str(tags(far)[0]) == "9999999-01-01T00:00:00"
        assert np.isnat(tags(far)[1])

    def test_beyond_what_nanoseconds_count_are_refused(self):
        refused([EXACT, dt.datetime(3000, 1, 1)], "'x' holds times that do not fit")  # noqa: DTZ001


class TestMissing:
    def test_hidden_numbers_are(self):
        for values in (
            np.ma.masked_array([1.0, 2.0], [0, 1]),
            np.ma.masked_array([[1.0, 2.0], [1.0, 2.0]], [[0, 0], [0, 1]]),
            [np.ones(1), np.ma.masked_array([1.0], [1])],
        ):
            refused(values, "'x' has no value in row 1")
        whole = np.ma.masked_array([[1.0, 2.0]], [[0, 0]])
        assert to_numpy(to_arrow("x", whole)).tolist() == [[1, 2]]

    @pytest.mark.parametrize("nothing", [None, pd.NA, pd.NaT])
    def test_rows_and_numbers_of_arrays_are_also_in_a_tag(self, nothing):
        for rows in ([[1], nothing], [[1], [nothing]], np.array([[1], [nothing]], object)):
            refused(rows, "no value in row 1. Features, targets and arrays", may_be_missing=True)

    def test_nan_among_texts_is(self):
        for rows in (["a", math.nan], [math.nan, "a"], np.array(["a", np.nan], object)):
            assert sorted(map(str, tags(rows))) == ["None", "a"]
        refused(["a", math.nan], "no value in row 1")

    def test_nan_beside_missing_numbers_is_not(self):
        column = to_arrow("t", [1.5, math.nan, pd.NA], may_be_missing=True)
        assert column.is_null().to_pylist() == [False, False, True]


class TestTexts:
    def test_that_are_no_unicode_are_refused(self):
        for values in (["a", "\ud800"], np.array(["a", "\ud800"])):
            refused(values, r"row 1, is no Unicode text: '\\ud800'")

    def test_beside_numbers_are_refused_as_categories_too(self):
        refused(pd.Series(pd.Categorical(["a", 1])), "mixes types: row 1 is 1")

    def test_that_are_hidden_are_missing(self):
        hidden = np.ma.masked_array(["a", "b"], [0, 1])
        assert to_arrow("t", hidden, may_be_missing=True).equals(pa.array(["a", None]))
