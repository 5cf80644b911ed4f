"""One face for every scaler: scikit-learn's, ours, and a user's own."""

import inspect
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import preprocessing
from sklearn.base import clone

from engine.errors import DataError, NotInvertibleError, ScalerError, did_you_mean
from engine.scalers.elementwise import Absolute, Negate
from engine.scalers.learned import learned_state, restore_learned
from engine.scalers.per_sample import PerSampleMinMaxScaler, PerSampleZeroStart

Values = NDArray[Any]


class Scaler:
    """A scaler by name, by class or as an instance; anything with `fit` and `transform` will do.

    It works on arrays of shape (n, k). A given instance is fitted itself, not a copy of it.
    """

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
        self.is_fit = hasattr(self.scaler, "n_features_in_")

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

    def fit(self, data: Values) -> Self:
        self.scaler.fit(_block(data))
        self.is_fit = True
        return self

    def transform(self, data: Values) -> Values:
        self._check_fitted()
        scaled = np.asarray(self.scaler.transform(_block(data)))
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
        return np.asarray(self.scaler.inverse_transform(_block(data)))

    def clone_unfitted(self) -> "Scaler":
        """The same configuration, with nothing learned."""
        if hasattr(self.scaler, "get_params"):
            return Scaler(clone(self.scaler))
        return Scaler(type(self.scaler))

    # Configuration and state

    def get_config(self) -> dict[str, Any]:
        """How to make it again: a known scaler by name, another one by its class."""
        known = self.supported_scalers.get(self.name) is type(self.scaler)
        parameters = getattr(self.scaler, "get_params", None)
        return {
            "scaler": self.name if known else type(self.scaler),
            "scaler_kwargs": {} if parameters is None else parameters(deep=False),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Scaler":
        return cls(config["scaler"], config.get("scaler_kwargs"))

    def get_state(self) -> dict[str, Any]:
        """What it has learned, as plain values and arrays."""
        learned = learned_state(self.scaler, self.supported_scalers) if self.is_fit else {}
        return {"is_fit": self.is_fit, "learned": learned}

    def set_state(self, state: dict[str, Any]) -> None:
        restore_learned(self.scaler, state["learned"], Scaler)
        self.is_fit = bool(state["is_fit"])

    def __repr__(self) -> str:
        return f"Scaler({self.scaler!r}, {'fitted' if self.is_fit else 'not fitted'})"

    def _check_fitted(self) -> None:
        if not self.is_fit:
            raise ScalerError(f"{self.name} is not fitted yet; call fit() first.")


def _instance(scaler: Any, kwargs: dict[str, Any], known: dict[str, type]) -> Any:
    if isinstance(scaler, str):
        if scaler not in known:
            raise DataError(f"There is no scaler {scaler!r}.{did_you_mean(scaler, known)}")
        return known[scaler](**kwargs)
    if inspect.isclass(scaler):
        return scaler(**kwargs)
    if kwargs:
        raise DataError("scaler_kwargs go with a scaler's name or class, not with an instance.")
    return scaler


def _block(data: Values) -> Values:
    block = np.asarray(data)
    if block.ndim != 2:
        raise DataError(f"A scaler takes an array of shape (n, k), and this has {block.shape}.")
    return block
