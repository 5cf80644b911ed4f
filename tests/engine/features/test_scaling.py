import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

from engine.context import ExperimentContext
from engine.errors import DataError, NotInvertibleError, UnknownLabelError
from engine.features import FeatureSet
from engine.scalers import Scaler
from tests.engine.features.scaled_columns import STEPS, three_columns


class TestFitTransform:
    def test_is_what_scikit_learn_does_with_a_frame(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        raw = data.get_features("pandas", features=["a", "b"], rep="raw")
        expected = StandardScaler().fit_transform(raw)
        assert np.array_equal(data.get_features("np", features=["a", "b"]), expected)

    def test_fits_to_one_split_and_scales_everything(self):
        data = three_columns()
        data.add_split(data.take(range(5, 15), "train"))
        data.fit_transform("MinMaxScaler", domain="targets", fit_to_split="train")
        raw = data.column("y.raw")
        low, high = raw[5:15].min(), raw[5:15].max()
        assert data.column("y") == pytest.approx((raw - low) / (high - low))
        record = data.scaler_records[0]
        assert (record.fit_split, record.keys, record.rep_in) == ("train", ("y",), "raw")

    @pytest.mark.parametrize(
        "scaler", ["StandardScaler", StandardScaler, StandardScaler(), Scaler("StandardScaler")]
    )
    def test_takes_a_name_a_class_or_an_instance(self, scaler):
        data = three_columns()
        data.fit_transform(scaler, domain="features", keys="a")
        assert abs(data.column("a").mean()) < 1e-12

    def test_the_raw_columns_stay(self):
        data = three_columns()
        before = data.fingerprint
        data.fit_transform("StandardScaler", domain="features", keys="a")
        assert data.get_feature_keys(include_domain_prefix=False) == [
            "a.raw",
            "b.raw",
            "c.raw",
            "n.raw",
            "a.transformed",
        ]
        assert data.fingerprint == before

    def test_one_instance_may_scale_several_columns_one_after_the_other(self):
        data, scaler = three_columns(), StandardScaler()
        for key in ("a", "b"):
            data.fit_transform(scaler, domain="features", keys=key)
        assert scaler.mean_ == pytest.approx([data.column("b.raw").mean()])
        for key in ("a", "b"):
            scaled = data.column(key)
            raw = data.unscale_data_for_cols(data=scaled, domain="features", columns=key)
            assert raw == pytest.approx(data.column(f"{key}.raw"))

    def test_a_scaler_that_reuses_what_it_returns_changes_no_column(self):
        class Reusing(FunctionTransformer):
            def transform(self, x):
                self.buffer_ = getattr(self, "buffer_", np.empty_like(x))
                self.buffer_[:] = x
                return self.buffer_

        data, scaler = three_columns(), Reusing()
        data.fit_transform(scaler, domain="features", keys="a")
        data.scaler_records[0].scaler_obj.transform(np.zeros((20, 1)))
        assert np.array_equal(data.column("a"), data.column("a.raw"))

    def test_a_librarys_own_refusal_names_scaler_and_columns(self):
        data = three_columns()
        with pytest.raises(DataError, match=r"PowerTransformer cannot scale a, b: .*positive"):
            data.fit_transform(
                PowerTransformer(method="box-cox"), domain="features", keys=["a", "b"]
            )
        assert data == three_columns()
        assert not data.scaler_records

    def test_again_scales_what_was_scaled(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys="a")
        once = data.column("a")
        data.fit_transform("Negate", domain="features", keys="a")
        assert np.array_equal(data.column("a"), -once)
        assert [record.rep_in for record in data.scaler_records] == ["raw", "transformed"]
        assert [record.order for record in data.scaler_records] == [0, 1]

    def test_nan_is_left_out_and_stays(self):
        data = FeatureSet.from_dict("d", {"x": [1.0, float("nan"), 3.0]}, "x")
        data.fit_transform("StandardScaler", domain="features")
        assert data.column("x") == pytest.approx([-1, float("nan"), 1], nan_ok=True)

    def test_what_fails_changes_nothing(self):
        data = three_columns()
        with pytest.raises(UnknownLabelError, match=r"no split of .* called 'train'"):
            data.fit_transform("Negate", domain="features", keys="a", fit_to_split="train")
        with pytest.raises(DataError, match="a scaler keeps the shape"):
            data.fit_transform(
                FunctionTransformer(lambda x: x[:, :1]), domain="features", keys=["a", "b"]
            )
        assert not data.scaler_records
        assert data == three_columns()

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"domain": "feature"}, UnknownLabelError, "Did you mean 'features'"),
            ({"domain": "tags"}, DataError, "no tags to be scaled"),
            ({"domain": "features", "keys": "z"}, UnknownLabelError, "no feature column 'z'"),
            ({"domain": "features"}, DataError, r"one shape.*a \(\), b \(\), c \(4,\)"),
            ({"domain": "features", "keys": "c", "merged_axes": 5}, DataError, "Axis 5"),
            ({"domain": "features", "keys": "a", "scaler": "Negat"}, DataError, "mean 'Negate'"),
            ({"domain": "features", "keys": "a", "scaler": 3}, TypeError, "no fit"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments, error, message):
        with pytest.raises(error, match=message):
            three_columns().fit_transform(**{"scaler": "Negate", **arguments})

    def test_text_cannot_be_scaled(self):
        data = FeatureSet.from_dict("d", {"x": [1], "t": ["a"]}, "x", tag_keys="t")
        with pytest.raises(DataError, match="'t' does not hold numbers"):
            data.fit_transform("Negate", domain="tags")

    def test_scikit_learn_is_loaded_when_it_is_first_needed(self):
        program = (
            "import sys; from engine.features import FeatureSet\n"
            "data = FeatureSet.from_dict('d', {'x': [1.0, 2.0]}, 'x')\n"
            "assert 'sklearn' not in sys.modules\n"
            "data.fit_transform('StandardScaler', domain='features')\n"
            "print(data.column('x').tolist())"
        )
        output = subprocess.check_output([sys.executable, "-c", program], text=True)
        assert output == "[-1.0, 1.0]\n"


class TestArrays:
    def test_each_position_by_itself_or_the_column_as_a_whole(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys="c")
        assert data.column("c").std(axis=0) == pytest.approx(np.ones(4))
        data.undo_all_transforms()
        data.fit_transform("StandardScaler", domain="features", keys="c", merged_axes=(0, 2))
        assert data.column("c").std() == pytest.approx(1)
        assert data.column("c").std(axis=0)[0] < 0.1

    @given(st.sampled_from([(1, 2, 3), (0, 2, 3), (0, 1, 2, 3), (-4, -1, -2)]), st.data())
    def test_every_way_of_merging_keeps_each_number_at_its_place(self, axes, data):
        n, shape = data.draw(st.integers(1, 4)), (2, 3)
        blocks = {key: np.random.default_rng(1).normal(size=(n, *shape)) for key in "pq"}
        with ExperimentContext.dont_register():
            pictures = FeatureSet.from_dict("pictures", blocks, ["p", "q"])
        pictures.fit_transform("Negate", domain="features", merged_axes=axes)
        for key, block in blocks.items():
            assert np.array_equal(pictures.column(key), -block)
        back = pictures.unscale_data_for_cols(
            data=pictures.column("p"), domain="features", columns="p"
        )
        assert np.array_equal(back, blocks["p"])

    def test_a_column_of_samples_and_channels_is_fitted_per_channel(self):
        rng = np.random.default_rng(0)
        images = rng.normal(size=(50, 3, 8)) * np.array([1, 10, 100])[:, None]
        data = FeatureSet.from_dict("images", {"x": images}, "x")
        data.fit_transform("StandardScaler", domain="features", merged_axes=(0, 3))
        assert data.column("x").std(axis=(0, 2)) == pytest.approx(np.ones(3))

    def test_an_axis_left_beside_the_merged_ones_is_too_many(self):
        data = FeatureSet.from_dict("d", {key: np.ones((2, 3, 4)) for key in "pq"}, ["p", "q"])
        with pytest.raises(DataError, match=r"shape \(samples, 2, 3, 4\)"):
            data.fit_transform("Negate", domain="features", merged_axes=(1, 2))

    def test_too_many_dimensions_say_what_can_be_merged(self):
        blocks = {key: np.ones((2, 3)) for key in "pq"}
        data = FeatureSet.from_dict("d", blocks, ["p", "q"])
        with pytest.raises(DataError, match=r"merged_axes=\(1, 2\).*merged_axes=\(0, 2\)"):
            data.fit_transform("Negate", domain="features")


class TestUndo:
    @given(STEPS)
    def test_restores_every_stage_exactly(self, steps):
        data = three_columns()
        stages = []
        for name, keys in steps:
            stages.append((data.copy(label="c", restore_splits=True, restore_scalers=True), keys))
            data.fit_transform(name, domain="features", keys=keys)
        for before, keys in reversed(stages):
            data.undo_last_transform("features", keys)
            assert data == before
            assert len(data.scaler_records) == len(before.scaler_records)
        assert data == three_columns()

    @given(STEPS)
    def test_all_at_once_restores_the_raw_set(self, steps):
        data = three_columns()
        data.fit_transform("Negate", domain="targets")
        for name, keys in steps:
            data.fit_transform(name, domain="features", keys=keys)
        data.undo_all_transforms("features")
        assert [record.domain for record in data.scaler_records] == ["targets"]
        data.undo_all_transforms()
        assert data == three_columns()
        assert not data.scaler_records

    def test_of_a_joint_scaling_needs_all_of_its_columns(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        with pytest.raises(DataError, match="exactly a, b, by StandardScaler"):
            data.undo_last_transform("features", "a")
        with pytest.raises(DataError, match="a, b were scaled together by StandardScaler"):
            data.undo_all_transforms("features", "a")
        data.undo_last_transform("features", ["b", "a"])
        assert data == three_columns()

    def test_of_an_earlier_scaling_waits_for_the_later_one(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        data.fit_transform("Negate", domain="features", keys="a")
        with pytest.raises(DataError, match="exactly a, by Negate"):
            data.undo_last_transform("features", ["a", "b"])

    def test_by_key_leaves_the_other_columns_scaled(self):
        data = three_columns()
        data.fit_transform("Negate", domain="features", keys="a")
        data.fit_transform("MinMaxScaler", domain="features", keys="b")
        data.fit_transform("Absolute", domain="features", keys="a")
        scaled = data.column("b")
        data.undo_all_transforms("features", "a")
        assert np.array_equal(data.column("a"), three_columns().column("a"))
        assert np.array_equal(data.column("b"), scaled)
        assert [record.order for record in data.scaler_records] == [0]

    def test_all_of_a_key_in_whatever_domain_it_is(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        data.fit_transform("StandardScaler", domain="targets")
        data.undo_all_transforms(keys=["a", "b"])
        assert [record.domain for record in data.scaler_records] == ["targets"]
        data.undo_all_transforms(keys="y")
        assert data == three_columns()

    @pytest.mark.parametrize(
        ("domain", "keys", "message"),
        [
            ("feature", None, "no domain 'feature'.* Did you mean 'features'"),
            ("feature", "a", "no domain 'feature'"),
            (None, ["y", "q"], "no column 'q'"),
            (None, ["y", "a"], "a, b were scaled together"),
            ("targets", "a", "no target column 'a'"),
        ],
    )
    def test_all_of_what_cannot_be_undoes_nothing(self, domain, keys, message):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        data.fit_transform("StandardScaler", domain="targets")
        before = data.copy(restore_splits=True, restore_scalers=True)
        with pytest.raises((DataError, UnknownLabelError), match=message):
            data.undo_all_transforms(domain, keys)
        assert data == before
        assert len(data.scaler_records) == 2

    def test_without_anything_to_undo_says_so(self):
        with pytest.raises(DataError, match="No scaling of a, b, c, n is left"):
            three_columns().undo_last_transform("features")


class TestNaming:
    def test_a_representation_that_would_not_be_scaled_is_refused(self):
        data = three_columns()
        data.fit_transform("Negate", domain="features", keys="a.raw")
        with pytest.raises(DataError, match=r"features\.a\.raw is scaled already.* name 'a'"):
            data.fit_transform("Absolute", domain="features", keys=["b", "a.raw"])
        assert len(data.scaler_records) == 1
        data.fit_transform("Absolute", domain="features", keys="a.transformed")
        assert np.array_equal(data.column("a"), np.abs(data.column("a.raw")))


class TestRepeating:
    def test_fits_fresh_scalers_to_the_splits_of_now(self):
        data = three_columns()
        data.add_split(data.take(range(10), "train"))
        data.fit_transform("StandardScaler", domain="features", keys="a", fit_to_split="train")
        data.fit_transform("Negate", domain="features", keys="a")
        other = data.copy(label="other")
        other.add_split(other.take(range(10, 20), "train"))
        other.apply_scalers(data.scaler_records)
        assert abs(other.column("a")[10:].mean()) < 1e-12
        assert abs(data.column("a")[:10].mean()) < 1e-12
        assert len(other.scaler_records) == 2
        back = data.unscale_data_for_cols(data=data.column("a"), domain="features", columns="a")
        assert back == pytest.approx(data.column("a.raw"))

    def test_an_inverse_that_is_missing_is_an_error_of_its_own(self):
        scaler = Scaler("Absolute").fit(np.ones((2, 1)))
        with pytest.raises(NotInvertibleError, match="Absolute has no way back"):
            scaler.inverse_transform(np.ones((2, 1)))
