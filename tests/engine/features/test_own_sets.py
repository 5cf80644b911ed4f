"""Sets made of views and tables that hold scaled columns: nothing is lost, nothing guessed."""

import numpy as np
import pytest
from pyarrow import ipc, parquet

from engine.context import ExperimentContext
from engine.errors import DataError
from engine.features import FeatureSet

A, B = [1.0, 2.0, 3.0], [4.0, 5.0, 7.0]


@pytest.fixture(autouse=True)
def _unregistered():
    with ExperimentContext.dont_register():
        yield


def two_columns(keys=("a", "b")):
    data = FeatureSet.from_dict("n", {"a": A, "b": B, "y": A}, ["a", "b"], "y")
    data.fit_transform("StandardScaler", domain="features", keys=keys)
    return data


def tables_of(data, folder):
    """The same data by each road on which scalers stay behind."""
    table = data.to_arrow()
    parquet.write_table(table, folder / "t.parquet")
    with ipc.new_file(folder / "t.arrow", table.schema) as file:
        file.write_table(table)
    return [
        FeatureSet.from_pyarrow_table("t", table),
        FeatureSet.from_parquet("t", folder / "t.parquet"),
        FeatureSet.from_arrow("t", folder / "t.arrow"),
    ]


class TestWithTheRawColumns:
    def test_the_scalings_come_along(self):
        data = two_columns()
        own = data.to_view().to_featureset("own")
        assert own == data
        assert [record.keys for record in own.scaler_records] == [("a", "b")]
        own.fit_transform("Negate", domain="features", keys="a")
        own.undo_last_transform("features", "a")
        assert own == data
        own.undo_all_transforms()
        assert own.get_all_keys() == ["features.a.raw", "features.b.raw", "targets.y.raw"]
        assert len(data.scaler_records) == 1

    def test_some_rows_are_unscaled_as_they_were_scaled(self):
        data = two_columns()
        part = data.take([2, 0]).to_featureset("part")
        back = part.unscale_data_for_cols(data=part.column("a"), domain="features", columns="a")
        assert back == pytest.approx([3, 1])

    def test_scalings_of_other_columns_stay_behind_with_what_builds_on_them(self):
        data = two_columns()
        data.fit_transform("Negate", domain="features", keys="a")
        data.fit_transform("MinMaxScaler", domain="targets")
        own = data.select(["a.raw", "a.transformed"], targets=["y.raw", "y"]).to_featureset("o")
        assert [(one.order, one.domain) for one in own.scaler_records] == [(0, "targets")]
        assert np.array_equal(own.column("a"), data.column("a"))


class TestWithoutTheRawColumns:
    def test_the_scaled_ones_are_raw(self):
        data = two_columns()
        own = data.select(features="a").to_featureset("s")
        assert own.get_feature_keys() == ["features.a.raw"]
        assert np.array_equal(own.column("a"), data.column("a"))
        assert own.copy() == own
        other = data.select(features="b").to_featureset("s")
        assert own.fingerprint != other.fingerprint
        own.undo_all_transforms()
        assert np.array_equal(own.column("a"), data.column("a"))
        assert own.get_sample_uuids().tolist() == data.get_sample_uuids().tolist()

    def test_also_in_a_table(self, tmp_path):
        data = two_columns().select(features="a")
        for own in tables_of(data, tmp_path):
            assert own.get_feature_keys() == ["features.a.raw"]
            assert np.array_equal(own.column("a"), data.column("a"))

    def test_also_in_numpy_arrays(self, tmp_path):
        np.savez(tmp_path / "t.npz", **{"features.a.transformed": A})
        own = FeatureSet.from_npz("n", tmp_path / "t.npz")
        assert own.get_feature_keys() == ["features.a.raw"]


class TestWithoutTheScalers:
    def test_a_table_comes_back_equal(self, tmp_path):
        data = two_columns()
        for own in tables_of(data, tmp_path):
            assert own == data
            assert not own.scaler_records

    def test_undoing_all_leaves_the_raw_columns(self, tmp_path):
        for keys, left in ((None, []), ("a", ["b.transformed"])):
            for own in tables_of(two_columns(), tmp_path):
                own.undo_all_transforms("features", keys)
                names = own.get_feature_keys(include_domain_prefix=False)
                assert names == ["a.raw", "b.raw", *left]

    def test_undoing_another_scaling_leaves_them_alone(self, tmp_path):
        for own in tables_of(two_columns("a"), tmp_path):
            scaled = own.column("a")
            own.fit_transform("Negate", domain="features", keys="b")
            own.undo_last_transform("features", "b")
            assert np.array_equal(own.column("a"), scaled)
            with pytest.raises(DataError, match=r"No scaling of a is left to undo. What came sca"):
                own.undo_last_transform("features", "a")

    def test_they_stay_in_another_split_of_the_set(self, tmp_path):
        for own in tables_of(two_columns("a"), tmp_path):
            own.fit_transform("Negate", domain="features", keys="b")
            again = own.resplit({"train": np.array([0, 1])})
            assert again == own
            assert len(again["train"]) == 2

    def test_scaling_them_further_is_refused(self, tmp_path):
        for own in tables_of(two_columns("a"), tmp_path):
            with pytest.raises(DataError, match=r"a came scaled.*select\(features='a'\)"):
                own.fit_transform("Negate", domain="features", keys=["a", "b"])
            assert not own.scaler_records

    def test_unscaling_them_warns(self, tmp_path):
        for own in tables_of(two_columns("a"), tmp_path):
            own.fit_transform("Negate", domain="features", keys="b")
            with pytest.warns(UserWarning, match="a came scaled, and by what is not known: it st"):
                back = own.unscale_data_for_cols(
                    data=own.get_features("np"), domain="features", columns=["a", "b"]
                )
            assert np.array_equal(back[:, 0], own.column("a"))
            assert back[:, 1].tolist() == B

    def test_representations_are_known_ones(self):
        table = two_columns().to_arrow().rename_columns({"features.a.raw": "features.a.log"})
        with pytest.raises(DataError, match=r"'features.a.log' is not .* raw or transformed"):
            FeatureSet.from_pyarrow_table("t", table)


class TestOfNothing:
    @pytest.mark.parametrize("values", [A, [[1.0], [2.0], [3.0]]])
    def test_a_set_needs_samples(self, values):
        data = FeatureSet.from_dict("n", {"x": values}, "x")
        assert data.take([]).to_arrow().num_rows == 0
        with pytest.raises(DataError, match="There are no rows"):
            data.take([]).to_featureset("e")

    def test_a_set_needs_features(self):
        with pytest.raises(DataError, match="at least one feature"):
            two_columns().select(features=[]).to_featureset("e")
