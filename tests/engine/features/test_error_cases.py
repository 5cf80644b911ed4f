"""Each thing that can be wrong with data gives one message: what, which value, what to do next."""

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from engine.context import ExperimentContext
from engine.errors import DataError, EngineError, UnknownLabelError
from engine.features import FeatureSet, SplitOverlapWarning

TEN = {"x": list(range(10)), "y": [row / 10 for row in range(10)], "t": list("aabbccddee")}
MISSING = (
    "Column 'x' has no value in row 1. Features, targets and arrays cannot be missing: fill it "
    "(NaN counts as a number) or drop the row first."
)


def message_of(call, error=DataError):
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


def build(**columns):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("d", columns, "x", [key for key in columns if key != "x"])


@pytest.fixture
def ten():
    return FeatureSet.from_dict("ten", TEN, "x", "y", "t")


class TestValues:
    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            ({"x": [1, 2, 3], "y": [1]}, "Column 'y' has 1 rows, but column 'x' has 3."),
            (
                {"x": [[1, 2], [3]]},
                (
                    "Column 'x' is ragged: row 1 has shape (1,), row 0 has (2,). All rows of a "
                    "column need one shape; pad or cut them first."
                ),
            ),
            ({"x": [1.5, None]}, MISSING),
            ({"x": [[1, 2], [3, None]]}, MISSING),
            ({"x": [1, "a"]}, "Column 'x' mixes types: row 1 is 'a' (str), the first is 1 (int)."),
            ({"x": np.ones(())}, "Column 'x' is a single value, not one value per row."),
            ({"x": 3.0}, "Column 'x' is a single value, not one value per row."),
            ({"x": "abc"}, "Column 'x' is a single value, not one value per row."),
            ({"x": {"a": 1}}, "Column 'x' is a single value, not one value per row."),
            ({"x": np.ones((2, 0))}, "Column 'x' holds empty arrays of shape (0,)."),
            ({"x": np.ones(2, complex)}, "Column 'x' is of type complex128, which cannot be held."),
            ({"x": np.array([b"a"])}, "Column 'x' is of type |S1, which cannot be held."),
            ({"x": [[["a"]]]}, "Column 'x' holds arrays of <U1; only numbers can be."),
            ({"x": [object()]}, "Column 'x' holds values of type object, which cannot be held."),
            ({"x": []}, "There are no rows: a feature set needs at least one sample."),
        ],
    )
    def test_of_columns(self, columns, expected):
        assert message_of(lambda: build(**columns)) == expected

    @pytest.mark.parametrize(
        "values",
        [[decimal.Decimal(1)], [dt.time(1)], [b"a"], [{"a": 1}], pa.array([[{"a": 1}]])],
        ids=["decimal", "time of day", "bytes", "mapping", "list of mappings"],
    )
    def test_of_a_type_that_cannot_be_held_name_it(self, values):
        assert message_of(lambda: build(x=values)).startswith("Column 'x'")

    def test_of_arrays_that_are_missing_in_an_arrow_table(self):
        tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((2, 3)))
        gaps = pa.ExtensionArray.from_storage(
            tensors.type, pa.array([[1.0] * 3, None], tensors.type.storage_type)
        )
        inner = pa.ExtensionArray.from_storage(
            tensors.type, pa.array([[1.0] * 3, [1, None, 1]], tensors.type.storage_type)
        )
        for column in (gaps, inner):
            text = message_of(lambda column=column: build(x=column))
            assert text.startswith("Column 'x' has no value in row 1.")


class TestNames:
    def test_of_columns_that_are_not_there(self):
        for call in (
            lambda: FeatureSet.from_dict("d", {"volt": [1]}, "volts"),
            lambda: FeatureSet.from_pandas("d", pd.DataFrame({"volt": [1]}), "volts"),
        ):
            text = message_of(call, UnknownLabelError)
            assert text == "There is no column 'volts'. Did you mean 'volt'?"

    def test_of_splits_that_are_not_there(self, ten):
        ten.split_random({"train": 0.5, "test": 0.5})
        text = message_of(lambda: ten.get_split("tran"), UnknownLabelError)
        assert text == "There is no split of 'ten' called 'tran'. Did you mean 'train'?"

    def test_of_a_split_that_is_there_already(self, ten):
        ten.split_random({"train": 0.5, "test": 0.5})
        text = message_of(lambda: ten.add_split(ten.take([0], "train")))
        assert text == (
            "'ten' has a split 'train' already; use another label, or clear_splits() first."
        )

    def test_of_a_feature_set_that_is_there_already(self, ten):
        text = message_of(lambda: FeatureSet.from_dict("ten", TEN, "x"), EngineError)
        assert text.startswith("There is a feature set 'ten' in this context already.")


class TestSplitsAndViews:
    def test_ratios_that_are_not_one(self, ten):
        text = message_of(lambda: ten.split_random({"train": 0.5, "test": 0.4}))
        assert text.startswith("The ratios add up to 0.9, not to 1")
        assert not ten.available_splits

    def test_splits_that_overlap_warn_with_the_counts(self, ten):
        ten.add_split(ten.take(range(6), "train"))
        with pytest.warns(SplitOverlapWarning) as caught:
            ten.add_split(ten.take(range(4, 10), "test"))
        assert [str(one.message) for one in caught] == [
            "Split 'test' shares 2 samples with split 'train'."
        ]

    def test_a_filter_without_a_match_warns_and_is_empty(self, ten):
        with pytest.warns(UserWarning, match="No sample meets the conditions on t") as caught:
            view = ten.filter(conditions={"t": "z"})
        assert len(caught) == 1
        assert len(view) == 0
        assert view.to_pandas().empty

    def test_a_column_of_two_representations_means_the_newest_once(self, ten):
        ten.fit_transform("MinMaxScaler", domain="targets")
        assert ten.reference().targets == ("targets.y.transformed",)
        assert ten.get_targets("np").shape == (10, 1)
        assert ten.reference(targets=["y.raw", "y.transformed"]).targets == (
            "targets.y.raw",
            "targets.y.transformed",
        )
