"""Which classes and functions of other libraries a file may name without being trusted."""

import inspect
import sys
from typing import Any

_ROOMS = ("engine", "sklearn", "torch.nn", "torch.optim")
_CLASSES = ("engine", "torch.nn.modules", "torch.optim")
_FUNCTIONS = ("sklearn.metrics", "torch.nn.functional")


def is_trusted_room(module_name: str) -> bool:
    """Whether importing a module of this name runs nothing that a file could have chosen."""
    return _below(module_name, _ROOMS)


def is_trusted(thing: Any) -> bool:
    """Classes of ours, of torch's layers, losses and optimizers; estimators; known functions.

    Others of the same libraries could, called with arguments of a file's choosing, read files or
    reach the network.
    """
    module_name = str(getattr(thing, "__module__", ""))
    if inspect.isclass(thing):
        return _below(module_name, _CLASSES) or _is_estimator(thing, module_name)
    return inspect.isfunction(thing) and _below(module_name, _FUNCTIONS)


def _is_estimator(thing: type, module_name: str) -> bool:
    base = sys.modules.get("sklearn.base")
    if base is None or not _below(module_name, ("sklearn",)):
        return False
    return issubclass(thing, base.BaseEstimator)


def _below(module_name: str, rooms: tuple[str, ...]) -> bool:
    return any(module_name == room or module_name.startswith(f"{room}.") for room in rooms)
