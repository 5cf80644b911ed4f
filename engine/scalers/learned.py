"""What a scikit-learn-like estimator has learned, as plain values and arrays."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.errors import PackagedCodeError, ScalerError

Registry = Mapping[str, type]


def learned_state(estimator: Any, registry: Registry) -> dict[str, Any]:
    """Its attributes other than constructor arguments; nested estimators as dicts."""
    own = getattr(estimator, "get_state", None)
    if callable(own):
        return {"own": own()}
    parameters = parameters_of(estimator)
    return {
        name: _plain(value, f"{type(estimator).__name__}.{name}", registry)
        for name, value in vars(estimator).items()
        # The form of scikit-learn's output is a setting, and no scaler here depends on it.
        if name not in parameters and not name.startswith("_sklearn")
    }


def parameters_of(estimator: Any) -> dict[str, Any]:
    """The arguments that make an equal one, nothing learned."""
    if hasattr(estimator, "get_params"):
        parameters: dict[str, Any] = estimator.get_params(deep=False)
        return parameters
    found = {}
    for name, one in inspect.signature(type(estimator)).parameters.items():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            continue
        if hasattr(estimator, name):
            found[name] = getattr(estimator, name)
        elif one.default is one.empty:
            raise ScalerError(
                f"{type(estimator).__name__} cannot be made again: it has neither get_params() nor "
                f"an attribute {name!r} that keeps the argument of this name."
            )
    return found


def restore_learned(estimator: Any, state: Mapping[str, Any], build: Callable[..., Any]) -> None:
    """Give an estimator back what it had learned; `build` makes nested ones by name."""
    if "own" in state and callable(getattr(estimator, "set_state", None)):
        estimator.set_state(state["own"])
        return
    for name, value in state.items():
        setattr(estimator, name, _live(value, build))


def _plain(value: Any, where: str, registry: Registry) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufUM":
        return value.copy()
    if isinstance(value, list | tuple):
        return [_plain(item, where, registry) for item in value]
    if hasattr(value, "clone_unfitted"):
        return {"scaler": value.get_config(), "state": value.get_state()}
    name = type(value).__name__
    parameters = getattr(value, "get_params", None)
    if parameters is not None and registry.get(name) is type(value):
        return {
            "scaler": {"scaler": name, "scaler_kwargs": parameters(deep=False)},
            "learned": learned_state(value, registry),
        }
    raise PackagedCodeError(
        f"{where} is a {name}, which has no plain form; give the scaler get_state() and "
        "set_state() to say how it is saved."
    )


def _live(value: Any, build: Callable[..., Any]) -> Any:
    if isinstance(value, list):
        return [_live(item, build) for item in value]
    if isinstance(value, dict) and "scaler" in value:
        scaler = build(**value["scaler"])
        if "state" in value:
            scaler.set_state(value["state"])
            return scaler
        restore_learned(scaler.scaler, value["learned"], build)
        return scaler.scaler
    return value.copy() if isinstance(value, np.ndarray) else value
