"""Which classes and functions of other libraries a file may name without being trusted."""

import inspect
import sys
from enum import Enum
from typing import Any

_ROOMS = ("engine", "sklearn", "torch.nn", "torch.optim")
_CLASSES = ("engine", "torch.nn.modules", "torch.optim")
_FUNCTIONS = ("sklearn.metrics", "torch.nn.functional")
# What modules keep as their activation. Others of torch read files.
_OF_TORCH = frozenset({"relu", "selu", "celu", "tanh", "sigmoid", "softmax", "log_softmax"})
_OF_TORCH |= {"abs", "exp", "log", "log1p", "sqrt", "square", "sin", "cos", "erf", "flatten"}


def is_trusted_room(module_name: str, name: str) -> bool:
    """Whether importing a module of this name runs nothing that a file could have chosen."""
    return _below(module_name, _ROOMS) or (module_name == "torch" and name in _OF_TORCH)


def is_trusted(thing: Any, module_name: str) -> bool:
    """Classes of ours, of torch's layers, losses and optimizers; estimators; known functions.

    Others of the same libraries could, called with arguments of a file's choosing, read files or
    reach the network. `module_name` is the one in which the thing was found.
    """
    if inspect.isbuiltin(thing):
        return module_name in ("torch", "torch.nn.functional")
    thing = type(thing) if isinstance(thing, Enum) else thing
    own = str(getattr(thing, "__module__", ""))
    if inspect.isclass(thing):
        return _below(own, _CLASSES) or _is_estimator(thing, own)
    return inspect.isfunction(thing) and _below(own, _FUNCTIONS)


def _is_estimator(thing: type, module_name: str) -> bool:
    base = sys.modules.get("sklearn.base")
    if base is None or not _below(module_name, ("sklearn",)):
        return False
    return issubclass(thing, base.BaseEstimator)


def _below(module_name: str, rooms: tuple[str, ...]) -> bool:
    return any(module_name == room or module_name.startswith(f"{room}.") for room in rooms)
