"""Classes of torch by their names, and what they may be given."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from engine.errors import OptimizerError, did_you_mean


def by_name(module: Any, name: str, base: type) -> Any:
    """The class of this name, in any case and with or without underscores."""
    known = {
        text.lower(): value
        for text, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    plain = name.lower().replace("_", "").replace("-", "")
    if plain not in known:
        kind = "scheduler" if module is torch.optim.lr_scheduler else "optimizer"
        raise OptimizerError(f"torch has no {kind} {name!r}.{did_you_mean(plain, known)}")
    return known[plain]


def check_arguments(make: Callable[..., Any], kwargs: Mapping[str, Any], *, given: int) -> None:
    """Refuse arguments that `make` does not take, and miss those it cannot do without."""
    name = getattr(make, "__name__", repr(make))
    try:
        parameters = inspect.signature(make).parameters
        inspect.signature(make).bind(*[None] * given, **kwargs)
    except TypeError as error:
        unknown = [argument for argument in kwargs if argument not in parameters]
        hint = did_you_mean(unknown[0], list(parameters)[given:]) if unknown else ""
        raise OptimizerError(f"{name}: {error}.{hint}") from error
