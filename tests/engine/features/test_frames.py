import numpy as np
import pandas as pd
import pytest

from engine.context import ExperimentContext
from engine.errors import DataError
from engine.features import FeatureSet

LARGE = 2**53 + 1
MISSING = "Column 'x' has no value in row 1. Features, targets and arrays cannot be missing"


@pytest.fixture(autouse=True)
def _unregistered():
    with ExperimentContext.dont_register():
        yield


def grouped(frame, features="x", **columns):
    return FeatureSet.from_pandas("g", pd.DataFrame(frame), features, group_by="g", **columns)


def by_each_road(frame, folder, **columns):
    """The same groups from a DataFrame, a CSV and a Parquet file; a road that fails gives why."""
    frame = pd.DataFrame(frame)
    frame.to_csv(folder / "f.csv", index=False)
    frame.to_parquet(folder / "f.parquet")
    for make, source in (
        (FeatureSet.from_pandas, frame),
        (FeatureSet.from_csv, folder / "f.csv"),
        (FeatureSet.from_parquet, folder / "f.parquet"),
    ):
        try:
            yield make("g", source, "x", group_by="g", **columns)
        except DataError as error:
            yield str(error)


class TestGroups:
    def test_a_missing_feature_is_an_error_that_names_its_row(self, tmp_path):
        frame = {"g": list("abab"), "x": pd.array([1, None, 3, 4], dtype="Int64")}
        for text in by_each_road(frame, tmp_path):
            assert MISSING in text

    def test_types_stay_and_so_do_large_numbers_beside_missing_ones(self, tmp_path):
        frame = {
            "g": list("abab"),
            "x": pd.array([1, 2, 3, 4], dtype="Int64"),
            "n": pd.array([None, LARGE, None, LARGE], dtype="Int64"),
        }
        for data in by_each_road(frame, tmp_path, tag_cols=["n", "g"], sort_by=["n", "x"]):
            assert data.column("x").dtype == np.int64
            assert data.column("x").tolist() == [[1, 3], [2, 4]]
            assert data.column("n").tolist() == [None, LARGE]
            assert data.column("g").tolist() == ["a", "b"]

    def test_nan_is_a_value(self):
        values = grouped({"g": list("aabb"), "x": [1, np.nan, 3, 4]}).column("x")
        assert np.array_equal(values, [[1, np.nan], [3, 4]], equal_nan=True)

    def test_objects_and_arrays_are_numbers_too(self):
        frame = {"g": list("aabb"), "x": [[1, 2], [3, 4], [5, 6], [7, 8]]}
        frame["o"] = np.array([1, 2, 3, 4], dtype=object)
        data = grouped(frame, ["x", "o"])
        assert data.column("x").tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
        assert data.column("o").tolist() == [[1, 2], [3, 4]]

    def test_an_array_is_a_single_tag_where_all_rows_agree(self):
        frame = {"g": list("aabb"), "x": range(4), "t": [[1, 2], [1, 2], [3, 4], [3, 4]]}
        assert grouped(frame, tag_cols="t").column("t").tolist() == [[1, 2], [3, 4]]
        frame["t"] = [[1, 2], [1, 2], [3, 4], [3, 5]]
        assert grouped(frame, tag_cols="t").get_tag_shapes() == {"tags.t.raw": (2, 2)}

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (list("abcd"), "'t' holds texts, and only numbers make an array of a group's rows"),
            (["a", None, "b", "b"], "'t' has no value in row 1. Features, targets and arrays"),
            (pd.date_range("2024", periods=4), "'t' holds arrays of datetime64"),
        ],
    )
    def test_what_makes_no_array_is_named(self, values, message):
        with pytest.raises(DataError, match=message):
            grouped({"g": list("aabb"), "x": range(4), "t": values}, tag_cols="t")

    def test_no_rows_are_no_samples(self):
        with pytest.raises(DataError, match="There are no rows"):
            grouped({"g": [], "x": []})
