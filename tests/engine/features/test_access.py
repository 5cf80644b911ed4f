import numpy as np
import pandas as pd
import pytest
import torch

from engine.errors import DataError, UnknownLabelError
from engine.features import DataFormat, FeatureSet


class TestFormats:
    def test_dicts(self, cells):
        features = cells.get_features(features=["cycle", "voltage"])
        assert list(features) == ["cycle", "voltage"]
        assert features["voltage"].shape == (12, 3)
        assert cells.get_features("dict_list", features="cycle") == {"cycle": list(range(12))}
        tensors = cells.get_features(DataFormat.DICT_TORCH)
        assert tensors["cycle"].dtype == torch.int64
        assert tensors["voltage"].dtype == torch.float32

    def test_blocks_stack_columns(self, cells):
        block = cells.get_features("np", features=["cycle", "current"])
        assert block.shape == (12, 2)
        assert block[3].tolist() == [3, 1.5]
        assert cells.get_features("numpy", features="voltage").shape == (12, 1, 3)
        assert cells.get_targets("torch").shape == (12, 1)
        assert cells.get_targets("torch").dtype == torch.float32
        assert cells.get_features("torch", features="cycle").dtype == torch.int64
        assert cells.take([1]).get_features("list", features=["cycle", "current"]) == [[1, 0.5]]

    def test_frames(self, cells):
        for alias in ("pandas", "pd", "df"):
            frame = cells.take([2]).get_data(fmt=alias)
            assert isinstance(frame, pd.DataFrame)
            assert frame["features.voltage.raw"][0].tolist() == [6, 7, 8]
            assert frame["tags.cell.raw"][0] == "c2"

    def test_frames_give_times_their_zone_back(self):
        times = pd.date_range("2024-03-31", periods=3, freq="h", tz="Europe/Berlin")
        zoned = FeatureSet.from_dict("zoned", {"x": [1, 2, 3], "t": times}, "x", tag_keys="t")
        assert zoned.to_pandas()["tags.t.raw"].tolist() == times.tolist()
        assert zoned.get_tags("pandas")["t"].dt.tz == times.tz
        assert (
            zoned.column("t").tolist()
            == times.tz_convert("UTC").tz_localize(None).to_numpy().tolist()
        )

    def test_text_stays_text_in_a_block(self, cells):
        assert cells.get_tags("np")[4].tolist() == ["c1"]
        mixed = cells.get_data(columns=["cell", "cycle"], fmt="np")
        assert mixed[4].tolist() == [4, "c1"]

    @pytest.mark.parametrize("fmt", ["tf", "tensorflow", "dict_tensorflow", "tensorflow.tensor"])
    def test_tensorflow_is_named_but_not_there(self, cells, fmt):
        with pytest.raises(DataError, match="TensorFlow"):
            cells.get_features(fmt)

    def test_an_unknown_format_suggests_the_nearest(self, cells):
        with pytest.raises(DataError, match="Did you mean 'numpy'"):
            cells.get_features("nunpy")

    def test_columns_of_different_shapes_are_named(self, cells):
        with pytest.raises(DataError, match=r"voltage \(3,\), current \(\)"):
            cells.get_features("np")

    def test_text_does_not_become_a_tensor(self, cells):
        with pytest.raises(DataError, match="'cell' holds text"):
            cells.get_tags("torch")

    def test_nothing_selected_makes_no_block(self, cells):
        with pytest.raises(DataError, match="No column is selected"):
            cells.get_features("np", features=[])
        assert cells.get_features(features=[]) == {}


class TestOwnership:
    def test_what_comes_out_belongs_to_the_caller(self, cells):
        for values in (
            cells.get_features()["voltage"],
            cells.to_pandas()["features.cycle.raw"].to_numpy().copy(),
            cells.get_features("np", features="cycle"),
            cells.get_features("torch", features="voltage"),
            cells.take([0]).get_features()["voltage"],
        ):
            values[0] = 99
        assert cells.column("voltage")[0].tolist() == [0, 1, 2]
        assert cells.column("cycle")[0] == 0


class TestSelection:
    def test_get_data_takes_what_is_selected_or_everything(self, cells):
        assert list(cells.get_data(features="cycle", targets="soh")) == [
            "features.cycle.raw",
            "targets.soh.raw",
        ]
        assert list(cells.get_data()) == list(cells.index.names)
        short = cells.get_data(tags="cell", include_domain_prefix=False, include_rep_suffix=False)
        assert list(short) == ["cell"]

    def test_the_newest_representation_unless_said_otherwise(self, cells):
        cells.fit_transform("Negate", domain="features", keys="cycle")
        assert cells.get_features()["cycle"][3] == -3
        assert cells.get_features(rep="raw")["cycle"][3] == 3
        both = cells.get_features(features=["cycle", "cycle.raw"], include_rep_suffix=True)
        assert [both[key][3] for key in ("cycle.transformed", "cycle.raw")] == [-3, 3]

    def test_names_that_collide_are_refused(self, cells):
        cells.fit_transform("Negate", domain="features", keys="cycle")
        with pytest.raises(DataError, match="'cycle' is selected more than once"):
            cells.get_features(features=["cycle", "cycle.raw"])

    def test_column_needs_one(self, cells):
        assert cells.column("cell").tolist()[:2] == ["c0", "c1"]
        with pytest.raises(DataError, match="several columns"):
            cells.column("c*")
        with pytest.raises(UnknownLabelError, match="no column 'x'"):
            cells.column("x")


class TestWhatThereIs:
    def test_keys(self, cells):
        assert cells.get_feature_keys() == [
            "features.voltage.raw",
            "features.current.raw",
            "features.cycle.raw",
        ]
        assert cells.get_target_keys(include_domain_prefix=False) == ["soh.raw"]
        assert cells.get_tag_keys(include_rep_suffix=False) == ["tags.cell"]
        cells.fit_transform("Negate", domain="targets")
        assert cells.get_all_keys(include_rep_suffix=False, include_domain_prefix=False) == [
            "voltage",
            "current",
            "cycle",
            "soh",
            "cell",
        ]

    def test_shapes_and_types(self, cells):
        bare = {"include_rep_suffix": False, "include_domain_prefix": False}
        assert cells.get_feature_shapes(**bare) == {"voltage": (3,), "current": (), "cycle": ()}
        assert cells.get_target_shapes() == {"targets.soh.raw": ()}
        assert cells.get_tag_shapes(**bare) == {"cell": ()}
        assert cells.get_feature_dtypes(**bare) == {
            "voltage": "float64",
            "current": "float64",
            "cycle": "int64",
        }
        assert cells.get_target_dtypes(**bare) == {"soh": "float64"}
        assert cells.get_tag_dtypes() == {"tags.cell.raw": "str"}

    def test_ids_are_unique_and_stay(self, cells):
        ids = cells.get_sample_uuids()
        assert len(set(ids.tolist())) == 12
        assert cells.take([3]).get_sample_uuids("list") == [ids[3]]
        assert cells.take([3]).get_sample_uuids("pandas")["sample_uuids"].tolist() == [ids[3]]
        assert cells.sample_mask.tolist() == [1] * 12


class TestWhole:
    def test_to_arrow_has_the_ids(self, cells):
        table = cells.take([5]).to_arrow()
        assert table.column_names == [*cells.index.names, "sample_uuids"]
        assert table["sample_uuids"].to_pylist() == [cells.get_sample_uuids()[5]]

    def test_to_featureset_is_a_set_of_its_own(self, cells, context):
        own = cells.take([1, 2]).select(features="cycle").to_featureset("own")
        assert context.available_featuresets["own"] is own
        assert isinstance(own, FeatureSet)
        assert own.get_feature_keys() == ["features.cycle.raw"]
        assert own.column("cycle").tolist() == [1, 2]

    def test_to_sample_data_has_a_block_per_domain(self, cells):
        view = cells.take([3, 1]).select(features=["cycle", "current"])
        sample = view.to_sample_data()
        assert sample.features.tolist() == [[3, 1.5], [1, 0.5]]
        assert sample.targets.shape == (2, 1)
        assert sample.tags.tolist() == [["c0"], ["c1"]]
        assert sample.sample_uuids.tolist() == cells.get_sample_uuids()[[3, 1]].tolist()
        assert view.to_sample_data("torch").features.dtype == torch.float32
        assert view.select(tags=[]).to_sample_data("torch").tags is None

    def test_to_sample_collection(self, cells):
        collection = cells.take([1]).to_sample_collection()
        assert len(collection) == 1
        assert np.array_equal(collection.numpy("features.voltage.raw"), [[3, 4, 5]])
