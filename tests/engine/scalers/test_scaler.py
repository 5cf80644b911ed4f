import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.decomposition import PCA
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    StandardScaler,
)

from engine.errors import DataError, NotInvertibleError, PackagedCodeError, ScalerError
from engine.scalers import Scaler, SegmentedScaler, supported_scalers

DATA = np.random.default_rng(0).normal(3, 2, size=(30, 5))


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

    def test_only_numbers(self):
        with pytest.raises(DataError, match="an array of numbers, and this is one of <U1"):
            Scaler("Negate").fit(np.array([["a"]]))

    def test_at_least_one_sample_and_one_column(self):
        with pytest.raises(DataError, match="StandardScaler has no sample to be fitted to"):
            Scaler("StandardScaler").fit(np.empty((0, 2)))
        with pytest.raises(DataError, match=r"of shape \(n, k\), and this has \(2, 0\)"):
            Scaler("StandardScaler").fit(np.empty((2, 0)))

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


class Clip:
    """A scaler with arguments and no `get_params`."""

    def __init__(self, low=0, high=4):
        self.low, self.high = low, high

    def fit(self, data):
        self.seen_ = len(data)

    def transform(self, data):
        return data.clip(self.low, self.high)


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

    def test_keep_their_arguments(self):
        scaler = Scaler(Clip(2, high=3))
        assert scaler.get_config()["scaler_kwargs"] == {"low": 2, "high": 3}
        for again in (scaler.clone_unfitted(), Scaler.from_config(scaler.get_config())):
            assert again.scaler is not scaler.scaler
            assert again.fit_transform(DATA).min() == 2
            assert again.transform(DATA).max() == 3
        assert Scaler(Clip, {"low": 1}).clone_unfitted().get_config()["scaler_kwargs"] == {
            "low": 1,
            "high": 4,
        }

    def test_that_hide_an_argument_cannot_be_made_again(self):
        class Hiding(self.Shift):
            def __init__(self, amount):
                self._amount = amount

        with pytest.raises(ScalerError, match=r"Hiding cannot be made again: .* 'amount'"):
            Scaler(Hiding(1)).clone_unfitted()

    def test_are_loaded_only_if_allowed(self, tmp_path):
        scaler = Scaler(Clip(2, high=3)).fit(DATA)
        path = scaler.save(tmp_path / "clip")
        with pytest.raises(PackagedCodeError, match=r"clip\.scaler.*Clip in it is not ours"):
            Scaler.load(path)
        back = Scaler.load(path, allow_packaged_code=True)
        assert np.array_equal(back.transform(DATA), scaler.transform(DATA))

    def test_of_scikit_learn_are_saved_too(self, tmp_path):
        scaler = Scaler(KBinsDiscretizer(3, encode="ordinal", quantile_method="linear")).fit(DATA)
        back = Scaler.load(scaler.save(tmp_path / "bins"))
        assert back.is_fit
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

    @pytest.mark.parametrize("inner", sorted(set(supported_scalers) - {"SegmentedScaler"}))
    def test_of_any_scaler_scale_and_come_back_as_it_does(self, inner):
        kwargs = {"n_quantiles": 5} if inner == "QuantileTransformer" else None
        segmented = Scaler(SegmentedScaler([2], inner, kwargs))
        alone = Scaler(inner, kwargs)
        scaled = segmented.fit_transform(DATA)
        assert np.array_equal(scaled[:, 2:], alone.fit_transform(DATA[:, 2:]))
        assert segmented.is_invertible == alone.is_invertible
        if alone.is_invertible:
            assert segmented.inverse_transform(scaled) == pytest.approx(DATA)
        else:
            with pytest.raises(NotInvertibleError, match="no way back"):
                segmented.inverse_transform(scaled)

    def test_given_an_instance_each_segment_has_its_own_copy(self):
        one = StandardScaler()
        scaler = SegmentedScaler([2], one).fit(DATA)
        assert not hasattr(one, "mean_")
        assert len({id(part.scaler) for part in scaler.scalers_}) == 2

    @pytest.mark.parametrize("inner", [PCA(2), Scaler("StandardScaler"), StandardScaler])
    def test_come_back_from_a_file_with_any_scaler_inside(self, tmp_path, inner):
        scaler = Scaler(SegmentedScaler([2], inner)).fit(DATA[:, :4])
        back = Scaler.load(scaler.save(tmp_path / "it"))
        assert back.transform(DATA[:, :4]) == pytest.approx(scaler.transform(DATA[:, :4]))

    @pytest.mark.parametrize(
        ("boundaries", "message"),
        [
            ([3, 2], "must ascend"),
            ([2, 2], "must ascend"),
            ([-1], "must ascend"),
            ([9], "ends at 9"),
            ([1.5], r"are whole numbers, and these are \[1\.5\]"),
            (["1"], "are whole numbers"),
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


@pytest.mark.parametrize("kind", ["uint8", "int8", "bool", "float32"])
def test_whole_numbers_do_not_wrap_around(kind):
    data = np.array([[1, 0, 1], [0, 1, 1]]).astype(kind)
    low = np.array([[-128]], dtype=np.int8)
    assert Scaler("Negate").fit_transform(data).tolist() == [[-1, 0, -1], [0, -1, -1]]
    assert Scaler("PerSampleZeroStart").fit_transform(data).tolist() == [[0, -1, 0], [0, 1, 1]]
    assert Scaler("PerSampleMinMaxScaler").fit_transform(data).tolist() == [[1, 0, 1], [0, 1, 1]]
    assert Scaler("Absolute").fit_transform(low).tolist() == [[128]]
    if kind == "float32":
        assert Scaler("Negate").fit_transform(data).dtype == np.float32


def test_absolute_and_negate():
    data = np.array([[-1.0, 2.0]])
    assert Scaler("Absolute").fit_transform(data).tolist() == [[1, 2]]
    assert Scaler("Negate").fit_transform(data).tolist() == [[1, -2]]
