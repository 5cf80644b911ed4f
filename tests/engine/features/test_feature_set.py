import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError, LabelTakenError, UnknownLabelError
from engine.features import FeatureSet, SampleSchema, SplitOverlapWarning

COLUMNS = st.lists(
    st.tuples(
        st.floats() | st.just(math.nan),
        st.integers(-(2**40), 2**40),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def build(rows, order=(0, 1, 2, 3), make="dict"):
    """The same content by each of the constructors, with its columns in any order."""
    named = {
        name: [row[place] for row in rows]
        for place, name in [(place, "xyzt"[place]) for place in order]
    }
    with ExperimentContext.dont_register():
        if make == "dict":
            return FeatureSet.from_dict("any", named, ["x", "t"], "y", "z")
        if make == "pandas":
            return FeatureSet.from_pandas("any", pd.DataFrame(named), ["x", "t"], "y", tag_cols="z")
        schema = SampleSchema(["t", "x"], ["y"], ["z"])
        return FeatureSet.from_pyarrow_table("any", pa.table(named), schema)


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
        with pytest.raises(DataError, match="'voltage' is ragged: group 1 has 2 rows, group 0 has"):
            FeatureSet.from_pandas("cells", frame.iloc[:-1], "voltage", group_by="cell")

    def test_a_missing_group_is_refused(self, frame):
        frame.loc[3, "cell"] = None
        with pytest.raises(
            DataError, match="'cell', which groups are made by, is missing in row 3"
        ):
            FeatureSet.from_pandas("cells", frame, "voltage", group_by="cell")

    def test_unknown_columns_are_named(self, frame):
        with pytest.raises(UnknownLabelError, match="Did you mean 'time'"):
            FeatureSet.from_pandas("cells", frame, "voltage", group_by="cell", sort_by="tim")


class TestIdentity:
    @given(COLUMNS, st.permutations(range(4)))
    def test_the_order_of_columns_does_not_count(self, rows, order):
        assert build(rows, order).fingerprint == build(rows).fingerprint

    @given(COLUMNS, st.integers(0, 8), st.integers(0, 8))
    def test_a_slice_of_a_table_is_what_it_shows(self, rows, before, after):
        filler = [(1.5, 7, "~", True)]
        table = build(filler * before + rows + filler * after).to_arrow()
        with ExperimentContext.dont_register():
            part = FeatureSet.from_pyarrow_table("part", table.slice(before, len(rows)))
        assert part.fingerprint == build(rows).fingerprint
        assert part.column("z").tolist() == [row[2] for row in rows]

    @given(COLUMNS, COLUMNS)
    @example(
        [(0.0, 0, "ab", True), (0.0, 0, "c", True)], [(0.0, 0, "a", True), (0.0, 0, "bc", True)]
    )
    @example([(0.0, 0, "", True)], [(0.0, 0, "", False)])
    @example([(math.nan, 0, "", True)], [(math.nan, 0, "", True)])
    def test_is_equal_for_equal_content_only(self, rows, others):
        same = build(rows).to_arrow().equals(build(others).to_arrow())
        # Arrow holds NaN different from NaN.
        same = same or repr(rows) == repr(others)
        assert (build(rows).fingerprint == build(others).fingerprint) == same
        assert (build(rows) == build(others)) == same

    def test_is_the_same_on_every_machine(self):
        feature_set = FeatureSet.from_dict(
            "d",
            {"x": np.arange(4.0).reshape(2, 2), "y": [1, 2], "t": ["a", None]},
            "x",
            "y",
            "t",
        )
        assert feature_set.fingerprint == (
            "5c2a2c0a55181d0b53c4cd36267fb7192cf76a11dc125ea80efc68cb5702a40c"
        )
        assert feature_set.get_sample_uuids().tolist() == [
            "5c2a2c0a-5518-1d0b-53c4-000000000000",
            "5c2a2c0a-5518-1d0b-53c4-000000000001",
        ]

    def test_type_shape_missing_and_name_count(self):
        def fingerprint(key="x", **tags):
            with ExperimentContext.dont_register():
                data = {key: [1, 2]} | tags
                return FeatureSet.from_dict("d", data, key, tag_keys=list(tags)).fingerprint

        variants = [
            fingerprint(),
            fingerprint("z"),
            fingerprint(t=["", "a"]),
            fingerprint(t=[None, "a"]),
            fingerprint(t=[0.0, 1.0]),
            fingerprint(t=pd.to_datetime(["2024-01-01", "2024-01-02"])),
            fingerprint(t=pd.to_datetime(["2024-01-01", None])),
            fingerprint(t=[2**53, None]),
            fingerprint(t=[2**53 + 1, None]),
            fingerprint(t=[dt.date(2024, 1, 1), None]),
            fingerprint(t=[True, None]),
            fingerprint(t=[False, None]),
            fingerprint(t=[0, 1]),
            fingerprint(t=np.array([0, 1], np.int32)),
            fingerprint(t=[[0], [1]]),
        ]
        assert len(set(variants)) == len(variants)

    def test_label_and_splits_do_not_count(self, cells):
        before = cells.fingerprint
        cells.label = "other"
        cells.split_random({"a": 0.5, "b": 0.5})
        assert cells.fingerprint == before
        assert cells == cells.copy(label="copy")

    def test_equality_counts_transformed_columns_and_the_fingerprint_does_not(self, cells):
        copy = cells.copy(label="copy")
        copy.fit_transform("StandardScaler", domain="targets")
        assert copy != cells
        assert copy.fingerprint == cells.fingerprint
        assert hash(copy) == hash(cells)
        assert cells != "cells"

    def test_ids_stay_when_rows_are_taken(self, cells):
        ids = cells.get_sample_uuids()
        taken = cells.take([7, 2]).to_featureset("taken")
        assert taken.get_sample_uuids().tolist() == [ids[7], ids[2]]
        again = taken.take([1]).to_featureset("again")
        assert again.get_sample_uuids().tolist() == [ids[2]]
        stored = FeatureSet.from_pyarrow_table("stored", taken.to_arrow())
        assert stored.take([0]).to_featureset("z").get_sample_uuids().tolist() == [ids[7]]


class TestNode:
    def test_can_be_relabelled(self, cells, context):
        cells.label = "battery"
        assert context.available_featuresets == {"battery": cells}
        assert cells.reference().node_label == "battery"

    def test_says_what_it_is(self, cells):
        assert repr(cells) == "FeatureSet 'cells': 12 samples, 3 features, 1 targets, 1 tags"
        assert repr(cells.take([1], "one")) == (
            "FeatureSetView 'one' of 'cells': 1 samples, 5 columns"
        )
        assert len(cells) == cells.n_samples == len(cells.collection) == 12

    def test_summary_is_a_box_of_what_there_is(self, cells):
        cells.add_split(cells.take(range(9), "train"))
        cells.fit_transform("Negate", domain="targets", fit_to_split="train")
        top, *rows, bottom = cells.summary().splitlines()
        assert top.startswith("┌ FeatureSet 'cells' ─")
        assert bottom.endswith("─┘")
        assert len({len(line) for line in (top, *rows, bottom)}) == 1
        assert [row.strip("│ ") for row in rows] == [
            "samples   12",
            "features  voltage.raw (3,) float64, current.raw float64, cycle.raw int64",
            "targets   soh.raw float64, soh.transformed float64",
            "tags      cell.raw str",
            "splits    train (9)",
            "scalers   Negate of targets.soh, fitted to 'train'",
        ]
        narrow = cells["train"].select(tags=[], label="few").summary(max_width=40)
        assert "FeatureSetView 'few' of 'cells'" in narrow
        assert "tags" not in narrow
        assert len({len(line) for line in narrow.splitlines()}) == 1

    def test_visualize_shows_splits_and_what_they_share(self, cells):
        cells.add_split(cells.take([0, 1, 2], "train"))
        with pytest.warns(SplitOverlapWarning):
            cells.add_split(cells.take([2], 'a "test"'))
        text = cells.visualize(show_targets=False)
        columns = "features: voltage.raw (3,), current.raw, cycle.raw"
        assert text.splitlines() == [
            "flowchart LR",
            f'    root[("cells<br/>12 samples<br/>{columns}<br/>tags: cell.raw")]',
            f'    root --> s0["train<br/>3 samples<br/>{columns}"]',
            f'    root --> s1["a &quot;test&quot;<br/>1 samples<br/>{columns}"]',
            '    s0 -. "1 shared" .- s1',
        ]
        assert text._repr_markdown_().startswith("```mermaid\nflowchart")
        plain = cells.visualize(show_features=False, show_overlaps=False, show_tags=True)
        assert plain.count("tags: cell.raw") == 3
        assert "shared" not in plain
        assert "features" not in plain
        with pytest.raises(DataError, match="not 'everywhere'"):
            cells.visualize(show_tags="everywhere")


class TestCopy:
    def test_shares_the_raw_columns(self, cells, context):
        copy = cells.copy()
        assert copy.label == "cells_copy"
        assert list(context.available_nodes) == ["cells"]
        name = "features.voltage.raw"
        assert np.shares_memory(copy.collection.numpy(name), cells.collection.numpy(name))

    def test_or_has_its_own(self, cells):
        copy = cells.copy(share_raw_data_buffer=False)
        assert copy == cells
        name = "features.voltage.raw"
        assert not np.shares_memory(copy.collection.numpy(name), cells.collection.numpy(name))

    def test_takes_splits_and_scalings_along_if_asked(self, cells):
        cells.split_random({"train": 0.5, "test": 0.5})
        cells.fit_transform("StandardScaler", domain="features", keys="cycle", fit_to_split="train")
        bare = cells.copy()
        assert not bare.available_splits
        assert bare.get_feature_keys() == cells.take([0]).select(rep="raw").get_feature_keys()
        full = cells.copy(label="full", restore_splits=True, restore_scalers=True, register=True)
        assert full == cells
        assert (full["train"].indices == cells["train"].indices).all()
        full.undo_all_transforms()
        assert full != cells
        with pytest.raises(DataError, match="restore_splits"):
            cells.copy(restore_scalers=True)

    def test_keeps_the_ids(self, cells):
        assert (cells.copy().get_sample_uuids() == cells.get_sample_uuids()).all()


class TestState:
    def test_comes_back_whole(self, cells, context):
        cells.split_random({"train": 0.5, "test": 0.5})
        cells.fit_transform("StandardScaler", domain="features", keys="cycle", fit_to_split="train")
        cells.fit_transform("MinMaxScaler", domain="features", keys="voltage", merged_axes=(0, 2))
        with ExperimentContext.dont_register():
            back = FeatureSet.from_config(cells.get_config())
        back.set_state(cells.get_state())
        assert back == cells
        assert back.label == "cells"
        assert {name: view.indices.tolist() for name, view in back.splits.items()} == {
            name: view.indices.tolist() for name, view in cells.splits.items()
        }
        assert (back.get_sample_uuids() == cells.get_sample_uuids()).all()
        data = torch.rand(3, 3).numpy()
        for column in ("voltage", "cycle"):
            some = data if column == "voltage" else data[:, 0]
            assert np.array_equal(
                back.unscale_data_for_cols(data=some, domain="features", columns=column),
                cells.unscale_data_for_cols(data=some, domain="features", columns=column),
            )
        back.undo_all_transforms()
        assert back == cells.copy(label="raw")
