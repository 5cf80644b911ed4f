"""Back from the scale of the transformed columns to that of the raw ones."""

import numpy as np
import pytest
import torch
from hypothesis import given
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

from engine.errors import DataError
from engine.scalers import SegmentedScaler
from tests.engine.features.scaled_columns import STEPS, three_columns


class TestUnscaling:
    @given(STEPS.map(lambda steps: [step for step in steps if step[0] != "Absolute"]))
    def test_goes_back_through_every_scaling(self, steps):
        data = three_columns()
        for name, keys in steps:
            data.fit_transform(name, domain="features", keys=keys)
        for columns in (["a"], ["b", "a"]):
            scaled = data.get_features("np", features=columns)
            back = data.unscale_data_for_cols(data=scaled, domain="features", columns=columns)
            raw = data.get_features("np", features=columns, rep="raw")
            assert back == pytest.approx(raw, abs=1e-9)

    @pytest.mark.parametrize("shape", [(7,), (7, 1), (7, 1, 1)])
    def test_keeps_the_shape_of_a_models_output(self, shape):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="targets")
        back = data.unscale_data_for_cols(data=np.zeros(shape), domain="targets", columns="y")
        assert back.shape == shape
        assert back == pytest.approx(np.full(shape, data.column("y.raw").mean()))

    def test_without_a_way_back_warns_and_stops_there(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys="a")
        data.fit_transform("Absolute", domain="features", keys="a")
        data.fit_transform("Negate", domain="features", keys="a")
        with pytest.warns(UserWarning, match="Absolute has no way back: a stay scaled"):
            back = data.unscale_data_for_cols(data=data.column("a"), domain="features", columns="a")
        assert np.array_equal(back, -data.column("a"))

    def test_foreign_scalers_of_several_columns_need_them_all(self):
        class Swap(FunctionTransformer):
            pass

        data = three_columns()
        data.fit_transform(
            Swap(lambda x: x[:, ::-1], lambda x: x[:, ::-1]), domain="features", keys=["a", "b"]
        )
        both = data.get_features("np", features=["a", "b"])
        back = data.unscale_data_for_cols(data=both, domain="features", columns=["a", "b"])
        assert np.array_equal(back, data.get_features("np", features=["a", "b"], rep="raw"))
        with pytest.raises(DataError, match="needs the data of all of them, and b is missing"):
            data.unscale_data_for_cols(data=both[:, 0], domain="features", columns="a")

    def test_segments_mix_columns_if_their_scaler_does(self):
        apart, mixed = three_columns(), three_columns()
        apart.fit_transform(
            SegmentedScaler([1], "StandardScaler"), domain="features", keys=["a", "b"]
        )
        mixed.fit_transform(SegmentedScaler([], PCA(2)), domain="features", keys=["a", "b"])
        back = apart.unscale_data_for_cols(data=apart.column("b"), domain="features", columns="b")
        assert back == pytest.approx(apart.column("b.raw"))
        with pytest.raises(DataError, match="needs the data of all of them, and a is missing"):
            mixed.unscale_data_for_cols(data=mixed.column("b"), domain="features", columns="b")

    def test_a_tensor_with_a_gradient_leaves_it_behind(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="targets")
        predicted = torch.zeros(7, 1, requires_grad=True)
        back = data.unscale_data_for_cols(data=predicted, domain="targets", columns="y")
        assert back == pytest.approx(np.full((7, 1), data.column("y.raw").mean()))

    def test_of_nothing_is_nothing(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        data.fit_transform("StandardScaler", domain="features", keys="c")
        for columns, shape in ((["a", "b"], (0, 2)), ("a", (0,)), ("c", (0, 5))):
            back = data.unscale_data_for_cols(
                data=np.empty(shape), domain="features", columns=columns
            )
            assert back.shape == shape

    def test_of_what_is_no_data_is_refused(self):
        data = three_columns()
        data.fit_transform("MinMaxScaler", domain="targets")
        with pytest.raises(DataError, match="Only numbers can be unscaled"):
            data.unscale_data_for_cols(data=["a", "b"], domain="targets", columns="y")
        with pytest.raises(DataError, match=r"shape \(\) does not fit"):
            data.unscale_data_for_cols(data=np.array(1.0), domain="targets", columns="y")

    def test_data_that_does_not_fit_is_refused(self):
        data = three_columns()
        with pytest.raises(DataError, match=r"shape \(3, 3\) does not fit columns a, b"):
            data.unscale_data_for_cols(data=np.zeros((3, 3)), domain="features", columns=["a", "b"])
        with pytest.raises(DataError, match="differ in shape"):
            data.unscale_data_for_cols(data=np.zeros((3, 5)), domain="features", columns=["a", "c"])

    def test_scalings_are_listed_newest_first(self):
        data = three_columns()
        data.fit_transform("StandardScaler", domain="features", keys=["a", "b"])
        data.fit_transform("Negate", domain="features", keys="b")
        data.fit_transform("Absolute", domain="features", keys="a")
        names = [
            record.scaler_obj.name
            for record in data.iter_scalers_on_cols(domain="features", columns="a")
        ]
        assert names == ["Absolute", "StandardScaler"]
