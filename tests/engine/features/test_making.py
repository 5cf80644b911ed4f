import math
import sys
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given

from engine.context import ExperimentContext
from engine.errors import DataError, LabelTakenError, UnknownLabelError
from engine.features import FeatureSet, SampleSchema
from tests.engine.features.any_columns import COLUMNS, build


class TestConstructors:
    @given(COLUMNS)
    @example([(math.nan, 0, "", True), (-0.0, 1, "é", False)])
    def test_agree_with_each_other(self, rows):
        one, *others = (build(rows, make=make) for make in ("dict", "pandas", "arrow"))
        for other in others:
            assert other == one
            assert other.fingerprint == one.fingerprint
            assert hash(other) == hash(one)

    @given(COLUMNS)
    def test_what_goes_in_comes_out(self, rows):
        feature_set = build(rows)
        frame = feature_set.to_pandas()
        assert frame["tags.z.raw"].tolist() == [row[2] for row in rows]
        assert frame["targets.y.raw"].tolist() == [row[1] for row in rows]
        assert frame["features.t.raw"].tolist() == [row[3] for row in rows]
        assert np.array_equal(
            frame["features.x.raw"], np.array([row[0] for row in rows]), equal_nan=True
        )

    @given(COLUMNS)
    def test_arrow_and_back_keeps_content_and_ids(self, rows):
        feature_set = build(rows)
        with ExperimentContext.dont_register():
            back = FeatureSet.from_pyarrow_table("back", feature_set.to_arrow())
        assert back == feature_set
        assert (back.get_sample_uuids() == feature_set.get_sample_uuids()).all()

    def test_take_one_name_or_several(self):
        data = {"a": [1], "b": [2], "c": [3]}
        one = FeatureSet.from_dict("one", data, "a", "b")
        assert one.get_all_keys() == ["features.a.raw", "targets.b.raw"]
        more = FeatureSet.from_dict("more", data, ["a", "b"], ["c"], ["a"])
        assert more.get_feature_keys(include_rep_suffix=False) == ["features.a", "features.b"]
        assert more.get_tag_keys(include_domain_prefix=False) == ["a.raw"]

    def test_from_df_is_from_pandas(self):
        frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=[7, 7])
        assert FeatureSet.from_df("x", frame, "a", "b").column("b").tolist() == [3, 4]

    def test_register_under_their_label(self, context):
        feature_set = FeatureSet.from_dict("d", {"a": [1]}, "a")
        assert context.available_featuresets == {"d": feature_set}
        with pytest.raises(LabelTakenError):
            FeatureSet.from_dict("d", {"a": [1]}, "a")

    def test_what_fails_registers_nothing(self, context):
        with pytest.raises(DataError):
            FeatureSet.from_dict("d", {"a": [1, None]}, "a")
        assert not context.available_nodes

    @pytest.mark.parametrize(
        ("data", "error", "message"),
        [
            ({"x": [1, 2], "y": [1, 2, 3]}, DataError, "'y' has 3 rows, but column 'x' has 2"),
            ({"x": [1, None], "y": [1, 2]}, DataError, "'x' has no value in row 1"),
            ({"x": [[1], [2, 3]], "y": [1, 2]}, DataError, "'x' is ragged: row 1"),
            ({"xx": [1], "y": [1]}, UnknownLabelError, r"no column 'x'\. Did you mean 'xx'"),
            ({"x": [], "y": []}, DataError, "no rows"),
        ],
    )
    def test_bad_data_is_named(self, data, error, message):
        with pytest.raises(error, match=message):
            FeatureSet.from_dict("d", data, "x", "y")
        if error is DataError and data["x"]:
            return
        with pytest.raises(error, match=message):
            FeatureSet.from_pandas("d", pd.DataFrame(data), "x", "y")

    def test_there_must_be_a_feature(self):
        with pytest.raises(DataError, match="at least one feature"):
            FeatureSet.from_dict("d", {"y": [1]}, [], "y")

    def test_a_column_that_the_frame_has_twice_is_refused(self):
        frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
        with pytest.raises(DataError, match="several columns named 'a'"):
            FeatureSet.from_pandas("d", frame, "a")

    def test_a_table_without_full_names_needs_a_schema(self):
        table = pa.table({"a": [1]})
        with pytest.raises(DataError, match="not a column's full name"):
            FeatureSet.from_pyarrow_table("d", table)
        with pytest.raises(UnknownLabelError, match="no column 'b'"):
            FeatureSet.from_pyarrow_table("d", table, SampleSchema("b"))

    def test_arrow_tables_are_shared_not_copied(self):
        table = pa.table({"a": np.arange(10.0)})
        feature_set = FeatureSet.from_pyarrow_table("d", table, SampleSchema("a"))
        assert np.shares_memory(
            feature_set.collection.numpy("features.a.raw"), table["a"].chunk(0).to_numpy()
        )

    def test_an_arrow_table_without_rows_is_refused(self):
        table = pa.table({"a": pa.chunked_array([], type=pa.int64())})
        with pytest.raises(DataError, match="no rows"):
            FeatureSet.from_pyarrow_table("d", table, SampleSchema("a"))

    def test_frames_are_copied_so_that_they_may_change(self):
        frame = pd.DataFrame({"a": [1.0, 2.0]})
        feature_set = FeatureSet.from_pandas("d", frame, "a")
        frame.loc[0, "a"] = 9.0
        assert feature_set.column("a").tolist() == [1.0, 2.0]


class TestGrouping:
    @pytest.fixture
    def frame(self):
        return pd.DataFrame(
            {
                "cell": ["b", "a", "b", "a", "a", "b"],
                "time": [2, 3, 1, 1, 2, 3],
                "voltage": [22.0, 13.0, 21.0, 11.0, 12.0, 23.0],
                "soh": [0.2, 0.1, 0.2, 0.1, 0.1, 0.2],
            }
        )

    def test_each_group_is_a_sample_in_the_order_of_sort_by(self, frame):
        cells = FeatureSet.from_pandas(
            "cells", frame, "voltage", "soh", "cell", tag_cols=["cell", "time"], sort_by="time"
        )
        assert cells.column("voltage").tolist() == [[11, 12, 13], [21, 22, 23]]
        assert cells.column("soh").tolist() == [[0.1] * 3, [0.2] * 3]
        assert cells.column("cell").tolist() == ["a", "b"]
        assert cells.column("time").tolist() == [[1, 2, 3], [1, 2, 3]]

    def test_without_sort_by_the_rows_keep_their_order(self, frame):
        cells = FeatureSet.from_pandas("cells", frame, "voltage", group_by=["cell"])
        assert cells.column("voltage").tolist() == [[13, 11, 12], [22, 21, 23]]

    def test_by_several_columns(self, frame):
        cells = FeatureSet.from_pandas(
            "cells", frame, "voltage", group_by=["cell", "time"], tag_cols=["cell", "time"]
        )
        assert cells.column("time").tolist() == [1, 2, 3, 1, 2, 3]
        assert cells.column("voltage").tolist() == [[11], [12], [13], [21], [22], [23]]

    def test_uneven_groups_are_refused(self, frame):
        for rows, said in (
            (5, "group cell='b' has 2 rows, group cell='a' has 3"),
            (4, "group cell='b' has 1 row, group cell='a' has 3"),
        ):
            cut = frame.sort_values("cell", kind="stable").iloc[:rows]
            with pytest.raises(DataError, match=f"'voltage' is ragged: {said}"):
                FeatureSet.from_pandas("cells", cut, "voltage", group_by="cell")

    def test_uneven_groups_of_several_columns_are_named_by_all_of_them(self, frame):
        twice = pd.concat([frame, frame[(frame["cell"] == "b") & (frame["time"] == 2)]])
        with pytest.raises(DataError, match="group cell='b', time=2 has 2 rows, group cell='a', t"):
            FeatureSet.from_pandas("cells", twice, "voltage", group_by=["cell", "time"])

    def test_a_missing_group_is_refused(self, frame):
        frame.loc[3, "cell"] = None
        with pytest.raises(
            DataError, match="'cell', which groups are made by, is missing in row 3"
        ):
            FeatureSet.from_pandas("cells", frame, "voltage", group_by="cell")

    def test_unknown_columns_are_named(self, frame):
        with pytest.raises(UnknownLabelError, match="Did you mean 'time'"):
            FeatureSet.from_pandas("cells", frame, "voltage", group_by="cell", sort_by="tim")


class TestLargeFrames:
    @staticmethod
    def frame(rows):
        values = np.random.default_rng(0).normal(size=(rows, 10))
        return pd.DataFrame(values, columns=list("abcdefghij"))

    @staticmethod
    def make(frame):
        with ExperimentContext.dont_register():
            return FeatureSet.from_pandas("d", frame, list("abcdefghi"), "j")

    def test_are_taken_column_by_column(self):
        """Whatever there is to be done is not done for each row."""
        self.make(self.frame(10))

        def calls(rows):
            frame, count = self.frame(rows), 0

            def counted(_frame, event, _argument):
                nonlocal count
                count += event in ("call", "c_call")

            sys.setprofile(counted)
            try:
                self.make(frame)
            finally:
                sys.setprofile(None)
            return count

        assert calls(20_000) <= calls(100) + 50

    def test_take_no_more_memory_than_thrice_their_own(self):
        frame = self.frame(100_000)
        self.make(frame)
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        try:
            kept = self.make(frame)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(kept) == len(frame)
        own = frame.to_numpy().nbytes
        assert own <= peak + pa.total_allocated_bytes() - before <= 3 * own
