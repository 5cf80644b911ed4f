import datetime as dt
import math

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.features import FeatureSet
from tests.engine.features.any_columns import COLUMNS, build


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

    def test_ids_stay_when_columns_are_left_out(self, cells):
        fewer = cells.collection.take(None, ["features.cycle.raw"])
        assert fewer.fingerprint != cells.fingerprint
        rows = np.arange(len(cells))
        assert fewer.ids.at(rows).tolist() == cells.get_sample_uuids().tolist()

    def test_neither_the_bits_of_nan_nor_the_unit_of_times_count(self):
        def fingerprint(x, t):
            with ExperimentContext.dont_register():
                return FeatureSet.from_dict("d", {"x": x, "t": t}, "x", tag_keys="t").fingerprint

        times = np.array(["2024-01-01", "NaT"], dtype="M8[s]")
        one = fingerprint(np.array([1, np.nan]), times)
        assert fingerprint(np.array([1, -np.nan]), times.astype("M8[us]")) == one
        far = times - np.timedelta64(400 * 365, "D")
        assert fingerprint(np.array([1, np.nan]), far) != one
