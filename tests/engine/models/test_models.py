import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDRegressor
from sklearn.preprocessing import FunctionTransformer

from engine.errors import BackendMismatchError, CheckpointError, ModelError, PackagedCodeError
from engine.models import (
    Backend,
    BaseModel,
    ScikitModelWrapper,
    SequentialCNN,
    SequentialMLP,
    TorchBaseModel,
    TorchModelWrapper,
    wrap_model,
)
from engine.models.scikit_wrapper import ScikitTrainingMode

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [2.0], [3.0]], dtype=np.float32)


class TestBackend:
    @pytest.mark.parametrize("name", ["torch", "TORCH", Backend.TORCH])
    def test_by_name(self, name):
        assert Backend.from_value(name) is Backend.TORCH

    def test_the_unsupported_and_the_unknown_are_refused(self):
        with pytest.raises(BackendMismatchError, match="not supported"):
            Backend.from_value("tensorflow")
        with pytest.raises(BackendMismatchError, match="Did you mean 'torch'"):
            Backend.from_value("toch")


class TestWrapping:
    def test_takes_modules_classes_and_estimators(self):
        assert isinstance(wrap_model(torch.nn.Linear(1, 1)), TorchModelWrapper)
        assert isinstance(wrap_model(torch.nn.Identity), TorchModelWrapper)
        assert isinstance(wrap_model(LinearRegression()), ScikitModelWrapper)
        assert isinstance(wrap_model(LinearRegression), ScikitModelWrapper)
        assert isinstance(wrap_model(SequentialMLP), SequentialMLP)
        mlp = SequentialMLP()
        assert wrap_model(mlp) is mlp

    def test_refuses_all_else(self):
        with pytest.raises(ModelError, match="neither a torch module nor"):
            wrap_model("mlp")


class TestSequential:
    @pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3)])
    def test_mlp_flattens_any_input(self, shape):
        mlp = SequentialMLP(input_shape=shape, output_shape=(4,), n_layers=3, hidden_dim=5)

        assert mlp(torch.zeros(2, *shape)).shape == (2, 4)
        assert sum(isinstance(one, torch.nn.Linear) for one in mlp.modules()) == 3

    def test_mlp_gives_any_output(self):
        mlp = SequentialMLP(input_shape=(3,), output_shape=(2, 5), dropout=0.2, activation="tanh")
        assert mlp(torch.zeros(7, 3)).shape == (7, 2, 5)

    @pytest.mark.parametrize("shape", [(16,), (2, 16), (1, 8, 8), (1, 6, 6, 6)])
    def test_cnn_takes_series_images_and_volumes(self, shape):
        cnn = SequentialCNN(input_shape=shape, output_shape=(3,), pooling=2, dropout=0.1)
        assert cnn(torch.zeros(2, *shape)).shape == (2, 3)

    def test_cnn_without_a_last_linear_layer(self):
        cnn = SequentialCNN(input_shape=(1, 8, 8), output_shape=(4, 8, 8), flatten_output=False)
        assert cnn(torch.zeros(2, 1, 8, 8)).shape == (2, 4, 8, 8)

    def test_waits_for_its_shapes(self):
        mlp = SequentialMLP(output_shape=(2,))
        assert not mlp.is_built
        mlp.build(input_shape=(3,))
        assert mlp.is_built
        assert (mlp.input_shape, mlp.output_shape) == ((3,), (2,))

    @pytest.mark.parametrize(
        ("make", "match"),
        [
            (lambda: SequentialMLP(activation="rleu"), "Did you mean 'relu'"),
            (lambda: SequentialMLP(input_shape=(0,)), "positive whole numbers"),
            (lambda: SequentialMLP().build((3,)), "without output_shape"),
            (lambda: SequentialMLP(input_shape=(4,)).build((3,), (1,)), r"\(4,\).*\(3,\)"),
            (
                lambda: SequentialCNN(input_shape=(1, 4, 4), output_shape=(1,), pooling=8),
                r"\(1, 4, 4\) are too small",
            ),
        ],
    )
    def test_says_what_is_wrong(self, make, match):
        with pytest.raises(ModelError, match=match):
            make()

    def test_is_equal_to_one_with_the_same_weights(self):
        one = SequentialMLP(input_shape=(3,), output_shape=(2,))
        other = SequentialMLP(input_shape=(3,), output_shape=(2,))
        assert one != other
        other.set_state(one.get_state())
        assert one == other
        assert one != SequentialMLP(input_shape=(3,), output_shape=(2,), hidden_dim=8)
        assert len({one, other}) == 2  # torch keeps modules in sets, by identity

    def test_is_made_again_from_configuration_and_state(self):
        model = SequentialCNN(output_shape=(2,), n_layers=1)
        model.build((1, 4, 4))
        again = BaseModel.from_config(model.get_config())
        again.set_state(model.get_state())
        assert again == model

    def test_refuses_weights_that_do_not_fit(self):
        model = SequentialMLP(input_shape=(3,), output_shape=(2,))
        with pytest.raises(CheckpointError, match=r"layers\.1\.weight"):
            model.set_weights(SequentialMLP(input_shape=(4,), output_shape=(2,)).get_weights())


class Scale(TorchBaseModel):
    """A model that says no more than it must."""

    _shape = None

    @property
    def input_shape(self):
        return self._shape

    output_shape = input_shape

    def build(self, input_shape=None, output_shape=None, *, force=False):
        self._shape = input_shape
        self.factor = torch.nn.Parameter(torch.ones(input_shape))

    def forward(self, x):
        return x * self.factor


class TestOwnModel:
    def test_is_built_once_build_has_returned(self):
        model = Scale()
        assert not model.is_built
        with pytest.raises(TypeError):
            model.build(None)
        assert not model.is_built
        model.build((3,), (3,))
        assert model.is_built

    def test_gets_its_state_without_being_built_before(self):
        model = Scale()
        model.build((3,), (3,))
        model.factor.data *= 2
        again = Scale()
        again.set_state(model.get_state())
        assert again == model


class TestTorchWrapper:
    def test_a_given_module_is_kept(self):
        module = torch.nn.Linear(3, 1)
        model = wrap_model(module)
        model.build((3,), (1,), force=True)
        assert model.module is module
        assert torch.equal(model(torch.ones(1, 3)), module(torch.ones(1, 3)))

    def test_shapes_are_injected_under_chosen_names(self):
        class Net(torch.nn.Module):
            def __init__(self, size, classes, depth=1):
                super().__init__()
                self.made = (size, classes, depth)

        model = TorchModelWrapper(
            model_class=Net,
            model_kwargs={"depth": 4},
            inject_input_shape_as="size",
            inject_output_shape_as="classes",
        )
        model.build((3,), (2,))
        assert model.module.made == ((3,), (2,), 4)

    def test_either_a_module_or_a_class(self):
        with pytest.raises(ModelError, match="either"):
            TorchModelWrapper()
        with pytest.raises(ModelError, match="not a class of torch modules"):
            TorchModelWrapper(model_class=int)
        with pytest.raises(ModelError, match="not a torch module"):
            TorchModelWrapper(model=5)

    def test_is_not_there_before_it_is_built(self):
        with pytest.raises(ModelError, match="not built yet"):
            _ = TorchModelWrapper(model_class=torch.nn.Identity).module

    def test_only_models_are_made_from_configurations(self):
        with pytest.raises(ModelError, match="not a model"):
            BaseModel.from_config({"class": "os:PathLike", "init_args": {}})
        with pytest.raises(PackagedCodeError, match="Cannot find"):
            BaseModel.from_config({"class": "engine.models:Nothing", "init_args": {}})


class TestScikitWrapper:
    def test_fits_and_predicts_a_row_for_each_sample(self):
        model = wrap_model(LinearRegression())
        assert not model.is_fitted
        model.fit(X, Y)
        assert model.is_fitted
        assert model(X).shape == (20, 1)
        assert np.allclose(model(X), Y, atol=1e-5)

    def test_flattens_samples_of_any_shape(self):
        model = wrap_model(LinearRegression())
        model.fit(X.reshape(20, 1, 3), Y)
        assert model(X.reshape(20, 3, 1)).shape == (20, 1)

    def test_several_targets_stay_several(self):
        model = wrap_model(LinearRegression())
        model.fit(X, np.hstack([Y, -Y]))
        assert model(X).shape == (20, 2)

    @pytest.mark.parametrize(
        ("estimator", "method", "expected"),
        [
            (LogisticRegression(), "auto", "predict"),
            (LogisticRegression(), "predict_proba", "predict_proba"),
            (PCA(2), "auto", "transform"),
            (KMeans(2), "auto", "predict"),
        ],
    )
    def test_outputs_by_the_chosen_method(self, estimator, method, expected):
        assert ScikitModelWrapper(estimator, output_method=method).output_method == expected

    def test_probabilities_have_a_column_for_each_class(self):
        model = ScikitModelWrapper(LogisticRegression(), output_method="predict_proba")
        model.fit(X, np.arange(20)[:, None] % 3)
        assert model(X).shape == (20, 3)

    def test_methods_that_are_not_there_are_refused(self):
        with pytest.raises(ModelError, match="Did you mean 'predict_proba'"):
            ScikitModelWrapper(LogisticRegression(), output_method="predict_prob")
        with pytest.raises(ModelError, match="no method 'predict_proba'"):
            ScikitModelWrapper(LinearRegression(), output_method="predict_proba")

    def test_training_mode_follows_from_the_estimator(self):
        assert wrap_model(LinearRegression()).resolved_training_mode is ScikitTrainingMode.BATCH_FIT
        assert wrap_model(SGDRegressor()).resolved_training_mode is ScikitTrainingMode.PARTIAL_FIT
        forced = ScikitModelWrapper(SGDRegressor(), training_mode="batch_fit")
        assert forced.resolved_training_mode is ScikitTrainingMode.BATCH_FIT
        with pytest.raises(ModelError, match="no partial_fit"):
            ScikitModelWrapper(LinearRegression(), training_mode="partial_fit")
        with pytest.raises(ModelError, match="Did you mean 'batch_fit'"):
            ScikitModelWrapper(LinearRegression(), training_mode="batchfit")
        with pytest.raises(ModelError, match="no partial_fit"):
            wrap_model(LinearRegression()).partial_fit(X, Y)

    def test_what_needs_no_fitting_is_fitted(self):
        assert wrap_model(FunctionTransformer()).is_fitted

    def test_building_again_by_force_forgets(self):
        model = wrap_model(LinearRegression())
        model.fit(X, Y)
        model.build((3,), (1,))
        assert model.is_fitted
        assert (model.input_shape, model.output_shape) == ((3,), (1,))
        model.build(force=True)
        assert not model.is_fitted

    def test_is_made_again_from_its_configuration(self):
        model = ScikitModelWrapper(
            SGDRegressor(alpha=0.5),
            training_mode="batch_fit",
            partial_fit_kwargs={"sample_weight": None},
        )
        again = BaseModel.from_config(model.get_config())
        assert again.get_config() == model.get_config()
        assert again.estimator.alpha == 0.5

    def test_equal_when_fitted_alike(self):
        one, other = wrap_model(LinearRegression()), wrap_model(LinearRegression())
        one.fit(X, Y)
        assert one != other
        other.fit(X, Y)
        assert one == other


def test_torch_graphs_do_not_import_scikit_learn():
    program = (
        "import sys, torch, engine.saving; from engine.models import wrap_model;"
        "wrap_model(torch.nn.Linear(1, 1)); print('sklearn' in sys.modules, 'skops' in sys.modules)"
    )
    shown = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert shown.split() == ["False", "False"]
