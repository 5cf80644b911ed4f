import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from engine import scalers
from engine.errors import DataError, NotInvertibleError, PackagedCodeError, ScalerError
from engine.scalers import Scaler, SegmentedScaler, supported_scalers

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


class TestWhatItTakes:
    def test_a_name_a_class_or_an_instance(self):
        expected = MinMaxScaler(feature_range=(0, 2)).fit_transform(DATA)
        for scaler in (
            Scaler("MinMaxScaler", {"feature_range": (0, 2)}),
            Scaler(MinMaxScaler, {"feature_range": (0, 2)}),
            Scaler(MinMaxScaler(feature_range=(0, 2))),
            Scaler(Scaler(MinMaxScaler(feature_range=(0, 2)))),
        ):
            assert np.array_equal(scaler.fit_transform(DATA), expected)

    def test_a_fitted_instance_stays_fitted(self):
        fitted = StandardScaler().fit(DATA)
        assert Scaler(fitted).is_fit
        assert Scaler(fitted).scaler is fitted

    def test_an_unknown_name_is_a_value_error_with_the_nearest(self):
        with pytest.raises(ValueError, match=r"no scaler 'StandrdScaler'\. Did you mean 'Standard"):
            Scaler("StandrdScaler")

    def test_what_cannot_scale_is_a_type_error(self):
        with pytest.raises(TypeError, match="it has no fit"):
            Scaler(3)

    def test_arguments_do_not_go_with_an_instance(self):
        with pytest.raises(DataError, match="not with an instance"):
            Scaler(StandardScaler(), {"with_mean": False})

    @pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
    def test_only_tables(self, shape):
        with pytest.raises(DataError, match=r"of shape \(n, k\)"):
            Scaler("Negate").fit(np.ones(shape))

    def test_other_numbers_of_columns_are_refused(self):
        with pytest.raises(DataError, match="a scaler keeps the shape"):
            Scaler(PCA(1)).fit(DATA).transform(DATA)

    def test_it_is_a_runtime_error_not_to_be_fitted(self):
        with pytest.raises(RuntimeError):
            Scaler("StandardScaler").transform(DATA)
        assert issubclass(NotInvertibleError, NotImplementedError)


def test_a_state_and_its_scaler_share_nothing():
    scaler = Scaler("StandardScaler").fit(DATA)
    expected = scaler.transform(DATA)
    state = scaler.get_state()
    back = Scaler("StandardScaler")
    back.set_state(state)
    state["learned"]["mean_"][:] = 99
    assert np.array_equal(scaler.transform(DATA), expected)
    assert np.array_equal(back.transform(DATA), expected)


class TestForeignScalers:
    class Shift:
        """The least that a scaler is."""

        def fit(self, data):
            self.by = data.min(axis=0)

        def transform(self, data):
            return data - self.by

    def test_need_only_fit_and_transform(self):
        scaler = Scaler(self.Shift())
        assert scaler.fit_transform(DATA).min() == 0
        assert not scaler.is_invertible
        assert not scaler.clone_unfitted().is_fit
        back = Scaler.from_config(scaler.get_config())
        back.set_state(scaler.get_state())
        assert np.array_equal(back.transform(DATA), scaler.transform(DATA))

    def test_may_say_themselves_what_their_state_is(self):
        class Own(self.Shift):
            def get_state(self):
                return {"by": self.by.tolist()}

            def set_state(self, state):
                self.by = np.array(state["by"])

        scaler = Scaler(Own()).fit(DATA)
        back = Scaler(Own())
        back.set_state(scaler.get_state())
        assert np.array_equal(back.transform(DATA), scaler.transform(DATA))

    def test_with_a_state_that_is_not_plain_say_where(self):
        class Odd(self.Shift):
            def fit(self, data):
                super().fit(data)
                self.rule = lambda value: value

        with pytest.raises(PackagedCodeError, match=r"Odd\.rule is a function"):
            Scaler(Odd()).fit(DATA).get_state()

    def test_functions_of_a_configuration_are_not_hidden(self):
        config = Scaler(FunctionTransformer(np.sqrt)).get_config()
        assert config["scaler"] is FunctionTransformer
        assert config["scaler_kwargs"]["func"] is np.sqrt


class TestSegments:
    def test_each_segment_has_a_scaler_of_its_own(self):
        data = DATA * [1, 1, 100, 100, 100]
        scaled = SegmentedScaler([2], "MinMaxScaler").fit_transform(data)
        assert np.array_equal(scaled[:, :2], MinMaxScaler().fit_transform(data[:, :2]))
        assert np.array_equal(scaled[:, 2:], MinMaxScaler().fit_transform(data[:, 2:]))

    def test_the_ends_may_be_given_or_left_out(self):
        bare, full = SegmentedScaler([2, 3], "Negate"), SegmentedScaler([0, 2, 3, 5], "Negate")
        assert bare.fit(DATA).segments_ == full.fit(DATA).segments_ == [[0, 2], [2, 3], [3, 5]]

    def test_per_sample_scalers_see_one_segment(self):
        scaled = SegmentedScaler([2], "PerSampleZeroStart").fit_transform(DATA)
        assert (scaled[:, [0, 2]] == 0).all()

    def test_given_an_instance_each_segment_has_its_own_copy(self):
        one = StandardScaler()
        scaler = SegmentedScaler([2], one).fit(DATA)
        assert not hasattr(one, "mean_")
        assert len({id(part.scaler) for part in scaler.scalers_}) == 2

    @pytest.mark.parametrize(
        ("boundaries", "message"),
        [
            ([3, 2], "must ascend"),
            ([2, 2], "must ascend"),
            ([-1], "must ascend"),
            ([9], "ends at 9"),
        ],
    )
    def test_boundaries_are_checked(self, boundaries, message):
        with pytest.raises(DataError, match=message):
            SegmentedScaler(boundaries, "Negate").fit(DATA)


class TestPerSample:
    @given(
        npst.arrays(
            np.float64,
            npst.array_shapes(min_dims=2, max_dims=2),
            elements=st.floats(-1e6, 1e6) | st.just(float("nan")),
        )
    )
    def test_min_max_spans_the_range(self, data):
        scaled = Scaler("PerSampleMinMaxScaler", {"feature_range": (-1, 3)}).fit_transform(data)
        assert np.array_equal(np.isnan(scaled), np.isnan(data))
        for row, raw in zip(scaled, data, strict=True):
            numbers, before = row[~np.isnan(row)], raw[~np.isnan(raw)]
            if not len(numbers):
                continue
            assert numbers.min() == pytest.approx(-1)
            assert numbers.max() == pytest.approx(3 if before.min() < before.max() else -1)
            assert (np.diff(numbers[np.argsort(before)]) >= 0).all()

    def test_min_max_needs_an_ascending_range(self):
        with pytest.raises(DataError, match="must ascend"):
            Scaler("PerSampleMinMaxScaler", {"feature_range": (1, 1)}).fit(DATA)

    def test_zero_start(self):
        scaled = Scaler("PerSampleZeroStart").fit_transform(DATA)
        assert (scaled[:, 0] == 0).all()
        assert scaled + DATA[:, :1] == pytest.approx(DATA)


def test_absolute_and_negate():
    data = np.array([[-1.0, 2.0]])
    assert Scaler("Absolute").fit_transform(data).tolist() == [[1, 2]]
    assert Scaler("Negate").fit_transform(data).tolist() == [[1, -2]]
