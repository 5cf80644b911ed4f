"""What holds for every known scaler."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import scalers
from engine.errors import DataError, NotInvertibleError, ScalerError
from engine.scalers import Scaler, supported_scalers

ARGUMENTS = {
    "SegmentedScaler": {"boundaries": [0, 2], "scaler": "RobustScaler"},
    "QuantileTransformer": {"n_quantiles": 5},
}
DATA = np.random.default_rng(0).normal(3, 2, size=(30, 5))


def make(name):
    return Scaler(name, ARGUMENTS.get(name))


@pytest.mark.parametrize("name", supported_scalers)
class TestEveryKnownScaler:
    def test_keeps_the_shape(self, name):
        assert make(name).fit_transform(DATA).shape == DATA.shape

    def test_goes_back_if_it_says_so(self, name):
        scaler = make(name)
        scaled = scaler.fit_transform(DATA)
        if scaler.is_invertible:
            assert scaler.inverse_transform(scaled) == pytest.approx(DATA)
        else:
            with pytest.raises(NotInvertibleError, match=f"{name} has no way back"):
                scaler.inverse_transform(scaled)

    def test_comes_back_from_configuration_and_state(self, name):
        scaler = make(name).fit(DATA)
        back = Scaler.from_config(scaler.get_config())
        assert not back.is_fit
        back.set_state(scaler.get_state())
        assert back.is_fit
        assert np.array_equal(back.transform(DATA), scaler.transform(DATA))
        if scaler.is_invertible:
            assert np.array_equal(back.inverse_transform(DATA), scaler.inverse_transform(DATA))

    def test_its_state_is_plain(self, name):
        def check(value):
            if isinstance(value, dict):
                assert all(isinstance(key, str) for key in value)
                for item in value.values():
                    check(item)
            elif isinstance(value, list | tuple):
                for item in value:
                    check(item)
            else:
                assert value is None or isinstance(value, bool | int | float | str | np.ndarray)
                assert not (isinstance(value, np.ndarray) and value.dtype == object)

        scaler = make(name).fit(DATA)
        check(scaler.get_state())
        check(scaler.get_config())

    def test_its_state_is_a_copy(self, name):
        scaler = make(name).fit(DATA)
        expected = scaler.transform(DATA)
        state = scaler.get_state()
        scaler.fit(DATA * 7)
        scaler.set_state(state)
        assert np.array_equal(scaler.transform(DATA), expected)

    def test_its_clone_has_learned_nothing(self, name):
        clone = make(name).fit(DATA).clone_unfitted()
        assert not clone.is_fit
        assert clone.get_config() == make(name).get_config()
        with pytest.raises(ScalerError, match=f"{name} is not fitted yet"):
            clone.transform(DATA)

    def test_is_exported(self, name):
        assert name in Scaler.get_supported_scalers()
        if supported_scalers[name].__module__.startswith("engine"):
            assert getattr(scalers, name) is supported_scalers[name]

    def test_comes_back_from_its_file(self, name, tmp_path):
        for scaler in (make(name), make(name).fit(DATA)):
            path = scaler.save(tmp_path / name, overwrite=True)
            assert path == tmp_path / f"{name}.scaler"
            back = Scaler.load(path)
            assert back.is_fit == scaler.is_fit
            assert back.get_config() == scaler.get_config()
            if back.is_fit:
                assert np.array_equal(back.transform(DATA), scaler.transform(DATA))

    def test_its_configuration_is_json(self, name):
        config = make(name).get_config()
        back = Scaler.from_config(json.loads(json.dumps(config)))
        assert np.array_equal(back.fit_transform(DATA), make(name).fit_transform(DATA))

    def test_fitted_again_it_has_forgotten_what_it_had_learned(self, name):
        again = make(name).fit(DATA * 9 + 1).fit(DATA)
        assert np.array_equal(again.transform(DATA), make(name).fit_transform(DATA))

    def test_leaves_its_input_alone(self, name):
        data = DATA.copy()
        scaler = make(name)
        scaled = scaler.fit_transform(data)
        if scaler.is_invertible:
            scaler.inverse_transform(scaled)
        assert np.array_equal(data, DATA)

    def test_refuses_other_numbers_of_columns(self, name):
        scaler = make(name).fit(DATA)
        for turn in (scaler.transform, scaler.inverse_transform):
            if turn == scaler.inverse_transform and not scaler.is_invertible:
                continue
            with pytest.raises(DataError, match=f"{name} was fitted to 5 columns, .* has 4"):
                turn(DATA[:, :4])

    def test_takes_a_single_sample_and_a_single_column(self, name):
        assert make(name).fit(DATA).transform(DATA[:1]).shape == (1, 5)
        if name != "SegmentedScaler":
            assert make(name).fit_transform(DATA[:, :1]).shape == (30, 1)

    def test_of_no_samples_makes_none(self, name):
        scaler = make(name).fit(DATA)
        nothing = DATA[:0]
        assert scaler.transform(nothing).shape == nothing.shape
        if scaler.is_invertible:
            assert scaler.inverse_transform(nothing).shape == nothing.shape

    def test_passes_nan_through(self, name):
        if name == "Normalizer":
            pytest.skip("scikit-learn's Normalizer refuses NaN")
        data = DATA.copy()
        data[3, 1] = data[7, 4] = np.nan
        scaled = make(name).fit_transform(data)
        assert np.argwhere(np.isnan(scaled)).tolist() == [[3, 1], [7, 4]]


INVERTIBLE = ["MaxAbsScaler", "MinMaxScaler", "Negate", "RobustScaler", "StandardScaler"]


@pytest.mark.parametrize("name", INVERTIBLE)
@settings(max_examples=30)
@given(
    st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3), min_size=1, max_size=12
    )
)
@example([[0.0, 1.0, 5.0]])
@example([[0.0, 1.0, 5.0], [0.0, 1.0, 6.0]])
def test_there_and_back_is_where_it_was(name, rows):
    data = np.array(rows)
    scaler = make(name)
    assert scaler.inverse_transform(scaler.fit_transform(data)) == pytest.approx(data, abs=1e-3)
