"""One face for every scaler: scikit-learn's, ours, and a user's own."""

import inspect
from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import preprocessing
from sklearn.base import BaseEstimator, clone

from engine.errors import DataError, NotInvertibleError, ScalerError, did_you_mean
from engine.saving import Savable, locate, location_of
from engine.scalers.elementwise import Absolute, Negate, as_floats
from engine.scalers.learned import learned_state, parameters_of, restore_learned
from engine.scalers.per_sample import PerSampleMinMaxScaler, PerSampleZeroStart

Values = NDArray[Any]


class Scaler(Savable):
    """A scaler by name, by class or as an instance; anything with `fit` and `transform` will do.

    It works on arrays of numbers of shape (n, k), and keeps the shape. A given instance is fitted
    itself, not a copy of it. Without `get_params`, its constructor's arguments are taken to be
    kept as attributes of the same names.
    """

    saved_as = "scaler"

    supported_scalers: ClassVar[dict[str, type]] = {
        "Absolute": Absolute,
        "MaxAbsScaler": preprocessing.MaxAbsScaler,
        "MinMaxScaler": preprocessing.MinMaxScaler,
        "Negate": Negate,
        "Normalizer": preprocessing.Normalizer,
        "PerSampleMinMaxScaler": PerSampleMinMaxScaler,
        "PerSampleZeroStart": PerSampleZeroStart,
        "PowerTransformer": preprocessing.PowerTransformer,
        "QuantileTransformer": preprocessing.QuantileTransformer,
        "RobustScaler": preprocessing.RobustScaler,
        "StandardScaler": preprocessing.StandardScaler,
    }

    def __init__(self, scaler: str | Any, scaler_kwargs: dict[str, Any] | None = None) -> None:
        inner: Any = scaler.scaler if isinstance(scaler, Scaler) else scaler
        self.scaler: Any = _instance(inner, scaler_kwargs or {}, self.supported_scalers)
        for method in ("fit", "transform"):
            if not callable(getattr(self.scaler, method, None)):
                raise TypeError(f"{scaler!r} is no scaler: it has no {method}().")
        # scikit-learn's own rule for what has been fitted.
        learned = getattr(self.scaler, "__dict__", ())
        self.is_fit = any(name.endswith("_") and not name.startswith("_") for name in learned)

    @classmethod
    def get_supported_scalers(cls) -> dict[str, Any]:
        return dict(cls.supported_scalers)

    @property
    def name(self) -> str:
        return type(self.scaler).__name__

    @property
    def is_invertible(self) -> bool:
        """Whether there is a way back from scaled values."""
        return callable(getattr(self.scaler, "inverse_transform", None))

    @property
    def undoes_columns_apart(self) -> bool:
        """Whether a column is known to be unscaled alike, whatever the other columns hold."""
        return self._is_known and bool(getattr(self.scaler, "undoes_columns_apart", True))

    def fit(self, data: Values) -> Self:
        """Learn from the data, anew if it had learned before; NaN is passed over."""
        block = _block(data)
        if not len(block):
            raise DataError(f"{self.name} has no sample to be fitted to.")
        self.scaler.fit(block)
        self.is_fit = True
        return self

    def transform(self, data: Values) -> Values:
        self._check_fitted()
        block = self._block(data)
        # scikit-learn refuses to look at nothing.
        scaled = np.asarray(self.scaler.transform(block)) if len(block) else as_floats(block)
        if scaled.shape != np.shape(data):
            raise DataError(
                f"{self.name} turns {np.shape(data)} into {scaled.shape}; a scaler keeps the "
                "shape. Use it as a node of the model graph instead."
            )
        return scaled

    def fit_transform(self, data: Values) -> Values:
        return self.fit(data).transform(data)

    def inverse_transform(self, data: Values) -> Values:
        """Back to the original scale."""
        self._check_fitted()
        if not self.is_invertible:
            raise NotInvertibleError(f"{self.name} has no way back from scaled values.")
        block = self._block(data)
        return np.asarray(self.scaler.inverse_transform(block)) if len(block) else as_floats(block)

    def clone_unfitted(self) -> "Scaler":
        """The same configuration, with nothing learned."""
        if hasattr(self.scaler, "get_params"):
            return Scaler(clone(self.scaler))
        return Scaler(type(self.scaler), deepcopy(parameters_of(self.scaler)))

    # Configuration and state

    def get_config(self) -> dict[str, Any]:
        """How to make it again: a known scaler by name, another one by its class."""
        return {
            "scaler": self.name if self._is_known else type(self.scaler),
            "scaler_kwargs": {
                name: value.scaler if isinstance(value, Scaler) else value
                for name, value in parameters_of(self.scaler).items()
            },
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(config["scaler"], config.get("scaler_kwargs"))

    def get_state(self) -> dict[str, Any]:
        """What it has learned, as plain values and arrays."""
        learned = learned_state(self.scaler, self.supported_scalers) if self.is_fit else {}
        return {"is_fit": self.is_fit, "learned": learned}

    def set_state(self, state: dict[str, Any]) -> None:
        restore_learned(self.scaler, state["learned"], Scaler)
        self.is_fit = bool(state["is_fit"])

    def saved_form(self) -> dict[str, Any]:
        """Scikit-learn's scalers as they are, ours as plain values, a user's by class."""
        if isinstance(self.scaler, BaseEstimator) and self._is_scikit:
            return {"estimator": self.scaler, "is_fit": self.is_fit}
        config = self.get_config()
        if not self._is_known:
            config["scaler"] = {"location": location_of(config["scaler"])}
        return {"config": config, "state": self.get_state()}

    @classmethod
    def from_saved_form(cls, saved: dict[str, Any]) -> Self:
        if "estimator" in saved:
            made = cls(saved["estimator"])
            made.is_fit = bool(saved["is_fit"])
            return made
        config = dict(saved["config"])
        if isinstance(config["scaler"], dict):
            config["scaler"] = locate(config["scaler"]["location"])
        made = cls(**config)
        made.set_state(saved["state"])
        return made

    @property
    def _is_known(self) -> bool:
        return self.supported_scalers.get(self.name) is type(self.scaler)

    @property
    def _is_scikit(self) -> bool:
        return type(self.scaler).__module__.partition(".")[0] == "sklearn"

    def __repr__(self) -> str:
        return f"Scaler({self.scaler!r}, {'fitted' if self.is_fit else 'not fitted'})"

    def _check_fitted(self) -> None:
        if not self.is_fit:
            raise ScalerError(f"{self.name} is not fitted yet; call fit() first.")

    def _block(self, data: Values) -> Values:
        block = _block(data)
        width = getattr(self.scaler, "n_features_in_", block.shape[1])
        if block.shape[1] != width:
            raise DataError(
                f"{self.name} was fitted to {width} columns, and this array has {block.shape[1]}."
            )
        return block


def _instance(scaler: Any, kwargs: dict[str, Any], known: dict[str, type]) -> Any:
    if isinstance(scaler, str):
        if scaler not in known:
            raise DataError(f"There is no scaler {scaler!r}.{did_you_mean(scaler, known)}")
        scaler = known[scaler]
    if inspect.isclass(scaler):
        return scaler(**_with_tuples(scaler, kwargs))
    if kwargs:
        raise DataError("scaler_kwargs go with a scaler's name or class, not with an instance.")
    return scaler


def _with_tuples(made: type, kwargs: dict[str, Any]) -> dict[str, Any]:
    """JSON and YAML have lists only, and scikit-learn insists on its tuples."""
    defaults = {name: one.default for name, one in inspect.signature(made).parameters.items()}
    return {
        name: tuple(value)
        if isinstance(value, list) and isinstance(defaults.get(name), tuple)
        else value
        for name, value in kwargs.items()
    }


def _block(data: Values) -> Values:
    block = np.asarray(data)
    if block.ndim != 2 or not block.shape[1]:
        raise DataError(f"A scaler takes an array of shape (n, k), and this has {block.shape}.")
    if block.dtype.kind not in "biuf":
        raise DataError(f"A scaler takes an array of numbers, and this is one of {block.dtype}.")
    return block
