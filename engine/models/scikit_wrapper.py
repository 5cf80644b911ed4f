"""Any scikit-learn estimator as a model."""

import copy
from enum import Enum
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from engine.errors import ModelError, did_you_mean
from engine.models.backend import Backend
from engine.models.base import BaseModel, Shape
from engine.saving import locate, location_of

OutputMethod = Literal["auto", "predict", "predict_proba", "decision_function", "transform"]
_METHODS = ("auto", "predict", "predict_proba", "decision_function", "transform")


class ScikitTrainingMode(Enum):
    """How an estimator learns: batch by batch, or from everything at once."""

    AUTO = "auto"
    PARTIAL_FIT = "partial_fit"
    BATCH_FIT = "batch_fit"


class ScikitModelWrapper(BaseModel):
    """A scikit-learn estimator.

    `output_method="auto"` is `predict`, or `transform` for what only transforms. Outputs have one
    row per sample: a single number per sample comes as (n, 1). `training_mode="auto"` is
    `partial_fit` where the estimator has it; a FitPhase fits it at once all the same.
    `partial_fit_kwargs` go to each `partial_fit` (a classifier needs `classes` there).
    """

    def __init__(
        self,
        model: BaseEstimator,
        *,
        training_mode: str | ScikitTrainingMode = ScikitTrainingMode.AUTO,
        output_method: OutputMethod = "auto",
        partial_fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(model, BaseEstimator):
            raise ModelError(f"{model!r} is not a scikit-learn estimator.")
        super().__init__(Backend.SCIKIT)
        self._estimator = model
        self._mode = _training_mode(training_mode)
        self._method = _output_method(model, output_method)
        self._asked_method = output_method
        self._partial_fit_kwargs = dict(partial_fit_kwargs or {})
        self._input_shape: Shape | None = None
        self._output_shape: Shape | None = None
        if self._mode is ScikitTrainingMode.PARTIAL_FIT and not self.supports_partial_fit:
            raise ModelError(
                f"{type(model).__name__} has no partial_fit; use training_mode='batch_fit' "
                "and a FitPhase."
            )

    @property
    def estimator(self) -> BaseEstimator:
        return self._estimator

    @property
    def training_mode(self) -> ScikitTrainingMode:
        return self._mode

    @property
    def supports_partial_fit(self) -> bool:
        return hasattr(self._estimator, "partial_fit")

    @property
    def resolved_training_mode(self) -> ScikitTrainingMode:
        """What `auto` comes to."""
        if self._mode is not ScikitTrainingMode.AUTO:
            return self._mode
        partial = self.supports_partial_fit
        return ScikitTrainingMode.PARTIAL_FIT if partial else ScikitTrainingMode.BATCH_FIT

    @property
    def output_method(self) -> str:
        """The estimator's method that makes the outputs."""
        return self._method

    @property
    def is_fitted(self) -> bool:
        try:
            check_is_fitted(self._estimator)
        except NotFittedError:
            return False
        except TypeError:  # what needs no fitting
            return True
        return True

    @property
    def is_built(self) -> bool:
        """Always: estimators learn their shapes when they are fitted."""
        return True

    @property
    def input_shape(self) -> Shape | None:
        return self._input_shape

    @property
    def output_shape(self) -> Shape | None:
        return self._output_shape

    def build(
        self,
        input_shape: Shape | None = None,
        output_shape: Shape | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Note the shapes; with `force`, forget what was fitted."""
        self._input_shape = input_shape or self._input_shape
        self._output_shape = output_shape or self._output_shape
        if force:
            self._estimator = clone(self._estimator)

    def fit(self, x: Any, y: Any = None) -> None:
        """Fit from everything at once, forgetting what was learned before."""
        self._estimator.fit(_rows(x), _targets(y))

    def partial_fit(self, x: Any, y: Any = None) -> None:
        """Learn from one more batch."""
        if not self.supports_partial_fit:
            raise ModelError(f"{type(self._estimator).__name__} has no partial_fit.")
        self._estimator.partial_fit(_rows(x), _targets(y), **self._partial_fit_kwargs)

    def forward(self, x: Any) -> np.ndarray:
        if not self.is_fitted:
            raise ModelError(
                f"{type(self._estimator).__name__} is not fitted yet; run a FitPhase first."
            )
        outputs = np.asarray(getattr(self._estimator, self._method)(_rows(x)))
        return outputs[:, np.newaxis] if outputs.ndim == 1 else outputs

    def get_weights(self) -> dict[str, Any]:
        return {"estimator": self._estimator}

    def set_weights(self, weights: dict[str, Any]) -> None:
        # A copy, so that further fitting leaves the caller's state as it is.
        self._estimator = copy.deepcopy(weights["estimator"])

    def set_state(self, state: dict[str, Any]) -> None:
        self.build(state["input_shape"], state["output_shape"])
        super().set_state(state)

    def get_init_args(self) -> dict[str, Any]:
        return {
            "model": location_of(type(self._estimator)),
            "model_kwargs": clone(self._estimator).get_params(deep=False),
            "training_mode": self._mode.value,
            "output_method": self._asked_method,
            "partial_fit_kwargs": dict(self._partial_fit_kwargs),
        }

    @classmethod
    def _from_init_args(cls, init_args: dict[str, Any]) -> Self:
        arguments = dict(init_args)
        found = locate(arguments.pop("model"))
        if not (isinstance(found, type) and issubclass(found, BaseEstimator)):
            raise ModelError(f"{init_args['model']} is not a scikit-learn estimator.")
        return cls(found(**arguments.pop("model_kwargs")), **arguments)

    @property
    def class_name(self) -> str:
        return type(self._estimator).__name__

    def __repr__(self) -> str:
        return f"ScikitModelWrapper({self.class_name})"


def _training_mode(mode: str | ScikitTrainingMode) -> ScikitTrainingMode:
    if isinstance(mode, ScikitTrainingMode):
        return mode
    known = {one.value: one for one in ScikitTrainingMode}
    if mode not in known:
        raise ModelError(f"There is no training mode {mode!r}.{did_you_mean(mode, known)}")
    return known[mode]


def _output_method(estimator: BaseEstimator, method: str) -> str:
    if method not in _METHODS:
        raise ModelError(f"There is no output method {method!r}.{did_you_mean(method, _METHODS)}")
    if method == "auto":
        method = "predict" if hasattr(estimator, "predict") else "transform"
    if not hasattr(estimator, method):
        raise ModelError(f"{type(estimator).__name__} has no method {method!r}.")
    return method


def _rows(x: Any) -> np.ndarray:
    """One row of numbers per sample, which is all that estimators take."""
    array = np.asarray(x)
    return array.reshape(len(array), -1)


def _targets(y: Any) -> np.ndarray | None:
    if y is None:
        return None
    array = np.asarray(y)
    # A single target as a flat array, the form that classifiers and regressors expect.
    return array.reshape(len(array)) if array.size == len(array) else array
