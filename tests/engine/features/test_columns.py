import datetime as dt
import decimal
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.errors import DataError
from engine.features.columns import row_shape, to_arrow, to_numpy, type_name

NUMBERS = st.sampled_from(
    [np.dtype(name) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
)


@st.composite
def numeric_arrays(draw):
    shape = draw(npst.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    return draw(npst.arrays(draw(NUMBERS), shape))


class TestRoundTrip:
    @given(numeric_arrays())
    @example(np.array([math.nan, math.inf, -math.inf, -0.0]))
    @example(np.array([[1, 2], [3, 4]])[:, ::-1])
    @example(np.arange(4, dtype=">i4"))
    def test_numbers_come_back_with_type_and_shape(self, values):
        column = to_arrow("x", values)
        back = to_numpy(column)
        assert back.dtype == values.dtype.newbyteorder("=")
        assert np.array_equal(back, values, equal_nan=values.dtype.kind == "f")
        assert row_shape(column.type) == values.shape[1:]
        assert type_name(column.type) == values.dtype.newbyteorder("=").name

    @given(numeric_arrays())
    def test_nested_lists_are_what_numpy_makes_of_them(self, values):
        back = to_numpy(to_arrow("x", values.tolist()))
        assert np.array_equal(back, np.asarray(values.tolist()), equal_nan=values.dtype.kind == "f")

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
    def test_texts(self, texts):
        assert to_numpy(to_arrow("x", texts)).tolist() == texts
        assert to_numpy(to_arrow("x", pd.Series(texts, dtype=object))).tolist() == texts
        assert to_numpy(to_arrow("x", pd.Series(texts, dtype="str"))).tolist() == texts
        assert to_numpy(to_arrow("x", np.array(texts, dtype=object))).tolist() == texts
        assert type_name(to_arrow("x", texts).type) == "str"

    @given(st.lists(st.booleans(), min_size=1))
    def test_truth_values(self, values):
        back = to_numpy(to_arrow("x", values))
        assert back.dtype == bool
        assert back.tolist() == values
        assert to_numpy(to_arrow("x", np.array(values))).tolist() == values

    def test_times(self):
        times = pd.date_range("2024-01-01", periods=3)
        assert (to_numpy(to_arrow("x", pd.Series(times))) == times.to_numpy()).all()
        assert (to_numpy(to_arrow("x", times.to_numpy())) == times.to_numpy()).all()
        zoned = to_arrow("x", pd.Series(times).dt.tz_localize("Europe/Berlin"))
        assert to_numpy(zoned)[0] == np.datetime64("2023-12-31T23:00")
        assert type_name(zoned.type).startswith("datetime64")
        days = to_arrow("x", [dt.date(2024, 1, 1)])
        assert to_numpy(days)[0] == np.datetime64("2024-01-01")
        assert type_name(days.type) == "datetime64[D]"
        gaps = to_arrow("x", pd.Series(times).diff().iloc[1:])
        assert to_numpy(gaps)[0] == np.timedelta64(1, "D")

    def test_categories_become_what_they_stand_for(self):
        series = pd.Series(["b", "a", "b"], dtype="category")
        assert to_numpy(to_arrow("x", series)).tolist() == ["b", "a", "b"]

    @pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "int64[pyarrow]"])
    def test_pandas_nullable_types(self, dtype):
        series = pd.Series([1, 0, 1], dtype=dtype)
        assert to_numpy(to_arrow("x", series)).tolist() == [1, 0, 1]

    def test_tensors(self):
        tensor = torch.arange(6.0, requires_grad=True).reshape(3, 2)
        assert (to_numpy(to_arrow("x", tensor)) == tensor.detach().numpy()).all()
        assert to_numpy(to_arrow("x", torch.ones(2, dtype=torch.bfloat16))).tolist() == [1, 1]
        assert to_numpy(to_arrow("x", [torch.ones(2), torch.zeros(2)])).tolist() == [[1, 1], [0, 0]]

    def test_arrow_lists_and_chunks(self):
        lists = pa.array([[1.0, 2.0], [3.0, 4.0]])
        assert to_numpy(to_arrow("x", lists)).tolist() == [[1, 2], [3, 4]]
        fixed = pa.array([[1, 2], [3, 4]], type=pa.list_(pa.int64(), 2))
        assert to_numpy(to_arrow("x", fixed)).tolist() == [[1, 2], [3, 4]]
        chunked = pa.chunked_array([[1, 2], [3]])
        assert to_numpy(to_arrow("x", chunked)).tolist() == [1, 2, 3]
        assert to_numpy(to_arrow("x", pa.array(["a"], type=pa.large_string()))).tolist() == ["a"]
        blocks = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6).reshape(3, 2))
        assert to_numpy(to_arrow("x", blocks[1:])).tolist() == [[2, 3], [4, 5]]
        two = pa.chunked_array([blocks[:1], blocks[2:]])
        assert to_numpy(to_arrow("x", two)).tolist() == [[0, 1], [4, 5]]

    def test_lists_that_fit_only_all_together_are_ragged(self):
        for kind in (pa.list_(pa.int64()), pa.large_list(pa.int64())):
            with pytest.raises(DataError, match="'x' is ragged: row 1 has shape"):
                to_arrow("x", pa.array([[1], [2, 3, 4]], kind))

    def test_tensors_that_are_described_otherwise_are_the_same(self):
        values = np.arange(12.0).reshape(2, 2, 3)
        plain = pa.FixedShapeTensorArray.from_numpy_ndarray(values)
        turned = pa.FixedShapeTensorArray.from_numpy_ndarray(values.transpose(0, 2, 1).copy())
        for described, storage in (
            (pa.fixed_shape_tensor(pa.float64(), [2, 3]), plain.storage),
            (pa.fixed_shape_tensor(pa.float64(), [2, 3], dim_names=["a", "b"]), plain.storage),
            (pa.fixed_shape_tensor(pa.float64(), [3, 2], permutation=[1, 0]), turned.storage),
        ):
            column = to_arrow("x", pa.ExtensionArray.from_storage(described, storage))
            assert column.type == plain.type
            assert np.array_equal(to_numpy(column), values)

    def test_other_sequences(self):
        assert to_numpy(to_arrow("x", range(3))).tolist() == [0, 1, 2]
        assert to_numpy(to_arrow("x", (1, 2.5))).tolist() == [1, 2.5]

    def test_arrays_of_truth_values_become_small_numbers(self):
        assert to_numpy(to_arrow("x", np.array([[True, False]]))).dtype == np.uint8


class TestOwnership:
    def test_later_changes_of_the_source_do_not_reach_the_column(self):
        for values in (np.zeros(3), np.zeros((3, 2)), torch.zeros(3)):
            column = to_arrow("x", values)
            values[:] = 1
            assert not to_numpy(column).any()

    @pytest.mark.parametrize("dtype", ["Int64", "float64", "boolean", "int64[pyarrow]", "M8[ns]"])
    def test_nor_do_changes_of_a_frame(self, dtype):
        frame = pd.DataFrame({"a": pd.Series([0, 1, 1], dtype=dtype)})
        column = to_arrow("a", frame["a"])
        before = to_numpy(column).tolist()
        frame.loc[0, "a"] = frame.loc[1, "a"]
        assert frame["a"].to_numpy().tolist() != before
        assert to_numpy(column).tolist() == before

    def test_what_comes_out_cannot_be_changed(self):
        for values in (np.zeros(3), np.zeros((3, 2)), ["a"], [True]):
            with pytest.raises(ValueError, match="read-only"):
                to_numpy(to_arrow("x", values))[0] = 1

    def test_numbers_come_out_without_a_copy(self):
        column = to_arrow("x", np.zeros((3, 2)))
        assert np.shares_memory(to_numpy(column), to_numpy(column))


class TestMissing:
    @pytest.mark.parametrize(
        "values",
        [
            [1.0, 2.0, None],
            ["a", "b", None],
            [1, 2, pd.NA],
            [[1], [2], None],
            [[1], [2], [None]],
            pd.Series([1, 2, None], dtype="Int64"),
            pd.Series(["a", "b", None]),
            pd.Series(["a", "b", None], dtype="str"),
            pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02", None])),
            np.array(["2024-01-01", "2024-01-02", "NaT"], dtype="M8[ns]"),
            pa.array([1, 2, None]),
        ],
        ids=str,  # An Arrow array's repr has its address, which differs between workers.
    )
    def test_is_an_error_that_names_column_and_row(self, values):
        with pytest.raises(DataError, match="Column 'soh' has no value in row 2"):
            to_arrow("soh", values)

    def test_may_be_in_a_tag(self):
        assert to_numpy(to_arrow("t", ["a", None], may_be_missing=True)).tolist() == ["a", None]
        assert to_numpy(to_arrow("t", [None, None], may_be_missing=True)).tolist() == [None] * 2
        numbers = to_numpy(to_arrow("t", [1, None], may_be_missing=True))
        assert numbers[0] == 1
        assert math.isnan(numbers[1])
        assert to_numpy(to_arrow("t", [True, None], may_be_missing=True)).tolist() == [True, None]
        times = to_numpy(to_arrow("t", pd.to_datetime(["2024-01-01", None]), may_be_missing=True))
        assert np.isnat(times).tolist() == [False, True]

    def test_nan_is_a_value(self):
        for values in ([1.0, math.nan], np.array([1, math.nan]), pd.Series([1, math.nan])):
            column = to_arrow("x", values)
            assert column.null_count == 0
            assert math.isnan(to_numpy(column)[1])


class TestRefused:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([[1, 2], [3, 4], [5]], r"'x' is ragged: row 2 has shape \(1,\), row 0 has \(2,\)"),
            ([np.ones(2), np.ones((2, 2))], r"'x' is ragged: row 1 has shape \(2, 2\)"),
            ([[[1, 2], [3]], [[1], [2]]], "'x' is ragged within row 0"),
            ([1, 2, "a"], "'x' mixes types: row 2 is 'a'"),
            ([["a"], ["b"]], "'x' holds arrays of <U1; only numbers"),
            ([[object()]], "'x', row 0, is not an array of numbers"),
            ([{"a": 1}], "'x' is of Arrow type struct"),
            ([object()], "'x' holds values of type object"),
            (np.array(3), "'x' is a single value"),
            (np.ones(2, dtype=complex), "'x' is of type complex128"),
            (np.ones((2, 0)), r"'x' holds empty arrays of shape \(0,\)"),
            ([2**70], "'x' holds whole numbers from 1180591620717411303424 to"),
            (pa.array([b"a"]), "'x' is of Arrow type binary"),
            ([dt.time(12)], "'x' is of Arrow type time64"),
            ([decimal.Decimal(1)], "'x' is of Arrow type decimal128"),
        ],
    )
    def test_with_the_column_and_the_row(self, values, message):
        with pytest.raises(DataError, match=message):
            to_arrow("x", values)
