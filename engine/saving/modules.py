"""A torch module as its attributes and weights, and a module made of them."""

from collections.abc import Mapping
from typing import Any

import torch

from engine.errors import UnsavableError

# What every module has; all but the first five are hooks, and empty.
_STANDARD = dict(vars(torch.nn.Module()))
_HELD = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training")


def module_parts(module: torch.nn.Module) -> dict[str, Any]:
    """The module's attributes, with its parameters, buffers and modules among them.

    Shares memory with the module. Raises UnsavableError for one with hooks, or whose weights are
    not there yet.
    """
    state = _state_of(module)
    for name, parameter in state["_parameters"].items():
        if torch.nn.parameter.is_lazy(parameter):
            raise UnsavableError(_refusal(module, f"its {name} is not there before its first use"))
    for name, empty in _STANDARD.items():
        if name not in _HELD and state.get(name, empty) != empty:
            raise UnsavableError(_refusal(module, f"it has hooks ({name})"))
    kept = {name: value for name, value in state.items() if name not in _STANDARD}
    return {
        **kept,
        **{name: _plain(state[name]) for name in _HELD},
    }


def _state_of(module: torch.nn.Module) -> dict[str, Any]:
    try:
        state = module.__getstate__()  # type: ignore[no-untyped-call]  # Python's own
    except Exception as error:  # a module may have a way of its own, and raise what it likes
        raise UnsavableError(_refusal(module, str(error).partition("\n")[0])) from error
    if not isinstance(state, dict) or not state.keys() >= set(_HELD):
        raise UnsavableError(_refusal(module, "it has a way of its own to be copied"))
    return state


def rebuild_module(module: torch.nn.Module, parts: Mapping[str, Any]) -> None:
    """Give a module, made without its constructor, the attributes that `module_parts` gave."""
    hooks = {name: type(empty)() for name, empty in _STANDARD.items() if empty is not None}
    if not parts.keys() >= set(_HELD):
        raise ValueError("a module in it lacks its weights")
    for name in parts:
        if name in _STANDARD and name not in _HELD:
            raise ValueError(f"a module in it has an attribute {name!r}")
    _check(parts)
    state = {**dict.fromkeys(_STANDARD), **hooks, **parts}
    state["_non_persistent_buffers_set"] = set(parts["_non_persistent_buffers_set"])
    module.__setstate__(state)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def parameter_parts(parameter: torch.nn.Parameter) -> list[Any]:
    """The values of a parameter, and whether it is trained. Shares memory with it."""
    return [parameter.detach(), parameter.requires_grad]


def rebuild_parameter(parts: list[Any]) -> torch.nn.Parameter:
    """A parameter in memory of its own."""
    values, trained = parts
    return torch.nn.Parameter(values.clone(), requires_grad=bool(trained))


def _plain(value: Any) -> Any:
    if isinstance(value, set):
        return sorted(value)
    return dict(value) if isinstance(value, Mapping) else value


def _check(parts: Mapping[str, Any]) -> None:
    kinds = {
        "_parameters": torch.nn.Parameter,
        "_buffers": torch.Tensor,
        "_modules": torch.nn.Module,
    }
    for name, kind in kinds.items():
        if not all(isinstance(one, kind | None) for one in parts[name].values()):
            raise ValueError(f"a module in it has other things than tensors or modules in {name}")
    if type(parts["training"]) is not bool:
        raise ValueError("a module in it neither trains nor not")


def _refusal(module: torch.nn.Module, why: str) -> str:
    return (
        f"The {type(module).__name__} that was made beforehand cannot be saved: {why}. Give "
        "`model_class` and `model_kwargs` to a TorchModelWrapper instead."
    )
