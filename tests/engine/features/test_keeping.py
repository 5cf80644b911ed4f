import re
import zipfile

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given

from engine.context import ExperimentContext
from engine.errors import DataError, FileFormatError, LabelTakenError, PackagedCodeError
from engine.features import FeatureSet
from engine.saving import write_file
from tests.engine.features.any_columns import COLUMNS, build


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


class Doubling:
    """A scaler of a user's own: fit, transform, and the way back."""

    def fit(self, x):
        self.factor_ = 2.0
        return self

    def transform(self, x):
        return x * self.factor_

    def inverse_transform(self, x):
        return x / self.factor_


def saved_and_loaded(feature_set, tmp_path, **options):
    path = feature_set.save(tmp_path / "any", overwrite=True)
    return FeatureSet.load(path, label="loaded", overwrite=True, **options)


class TestFiles:
    @given(COLUMNS)
    def test_come_back_with_content_ids_and_fingerprint(self, tmp_path_factory, rows):
        feature_set = build(rows)
        back = saved_and_loaded(feature_set, tmp_path_factory.mktemp("sets"))
        assert back == feature_set
        assert back.fingerprint == feature_set.fingerprint
        assert (back.get_sample_uuids() == feature_set.get_sample_uuids()).all()

    def test_come_back_with_splits_and_scalings(self, cells, tmp_path):
        cells.split_random({"train": 0.5, "test": 0.5})
        for scaler, key in (("StandardScaler", "cycle"), ("PerSampleZeroStart", "voltage")):
            cells.fit_transform(scaler, domain="features", keys=key, fit_to_split="train")
        back = saved_and_loaded(cells, tmp_path)
        assert back == cells
        for name in cells.splits:
            assert (back[name].indices == cells[name].indices).all()
        records = back.scaler_records
        assert [one.fit_split for one in records] == ["train", "train"]
        scaled = cells.column("cycle")
        raw = back.unscale_data_for_cols(data=scaled, domain="features", columns="cycle")
        assert raw == pytest.approx(cells.column("cycle.raw"))
        back.undo_all_transforms()
        assert back == cells.copy(label="raw")

    def test_samples_that_were_taken_keep_their_ids(self, cells, tmp_path):
        for part in (cells.take([7, 2]), cells.select(features="cycle", tags=[])):
            ids = part.get_sample_uuids().tolist()
            own = part.to_featureset("part")
            assert own.get_sample_uuids().tolist() == ids
            assert saved_and_loaded(own, tmp_path).get_sample_uuids().tolist() == ids
            stored = FeatureSet.from_pyarrow_table("stored", own.to_arrow())
            assert saved_and_loaded(stored, tmp_path).get_sample_uuids().tolist() == ids
            for label in ("part", "stored"):
                ExperimentContext.get_active().remove_node(label=label)

    def test_hold_equal_bytes_for_equal_sets(self, cells, tmp_path):
        one = cells.save(tmp_path / "one")
        other = cells.copy(label="cells", share_raw_data_buffer=False).save(tmp_path / "other")
        assert one.read_bytes() == other.read_bytes()

    def test_have_a_suffix_and_are_not_replaced_unasked(self, cells, tmp_path):
        path = cells.save(tmp_path / "cells.v1")
        assert path == tmp_path / "cells.v1.featureset"
        assert cells.save(path, overwrite=True) == path
        with pytest.raises(FileExistsError, match="overwrite=True"):
            cells.save(tmp_path / "cells.v1")
        assert FeatureSet.load(tmp_path / "cells.v1", label="again") == cells

    def test_hold_scikit_learns_scalers_as_skops_and_no_pickle(self, cells, tmp_path):
        cells.fit_transform("StandardScaler", domain="features", keys="cycle")
        with zipfile.ZipFile(cells.save(tmp_path / "cells")) as archive:
            assert archive.namelist() == [
                "content.json",
                "estimators/0.skops",
                "tables/0.arrow",
            ]

    def test_register_the_set_under_its_label(self, cells, tmp_path, context):
        path = cells.save(tmp_path / "cells")
        with pytest.raises(LabelTakenError, match="'cells'"):
            FeatureSet.load(path)
        assert context.get_node("cells") is cells
        back = FeatureSet.load(path, overwrite=True)
        assert context.get_node("cells") is back
        with ExperimentContext.dont_register():
            assert FeatureSet.load(path) == cells
        assert list(context.available_nodes) == ["cells"]

    def test_run_a_users_scaler_only_if_allowed(self, cells, tmp_path):
        cells.fit_transform(Doubling(), domain="targets")
        path = cells.save(tmp_path / "cells")
        with pytest.raises(PackagedCodeError, match=r"Doubling.*allow_packaged_code=True"):
            FeatureSet.load(path, label="back")
        back = FeatureSet.load(path, label="back", allow_packaged_code=True)
        assert back == cells
        data = back.unscale_data_for_cols(data=back.column("soh"), domain="targets", columns="soh")
        assert np.array_equal(data, cells.column("soh.raw"))

    def test_of_other_kinds_and_damaged_ones_are_named(self, cells, tmp_path):
        path = cells.save(tmp_path / "cells")
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + b"x")
        with pytest.raises(FileFormatError, match=re.escape(str(path))):
            FeatureSet.load(path, label="back")
        other = write_file(tmp_path / "other.featureset", "checkpoint", {}).path
        with pytest.raises(FileFormatError, match="holds a checkpoint, not a feature set"):
            FeatureSet.load(other, label="back")
        with pytest.raises(FileNotFoundError):
            FeatureSet.load(tmp_path / "none", label="back")

    @pytest.mark.parametrize(
        "change",
        [
            lambda state: state.pop("table"),
            lambda state: state["splits"].update(train=np.array([99])),
            lambda state: state["splits"].update(train=np.array([-2])),
            lambda state: state["scalers"].append({"order": 0}),
            lambda state: state.update(table=pa.table({"x": [1]})),
            lambda state: state.update(ids={"content": "?", "positions": None, "stored": 1}),
        ],
    )
    def test_whose_parts_do_not_fit_change_nothing(self, cells, tmp_path, change, context):
        state = cells.get_state()
        change(state)
        path = tmp_path / "bad.featureset"
        write_file(path, "feature set", {"config": {"label": "bad"}, "state": state})
        with pytest.raises(FileFormatError, match="its parts do not fit"):
            FeatureSet.load(path)
        assert list(context.available_nodes) == ["cells"]
