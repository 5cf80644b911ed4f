"""What a configuration may hold beside plain values, as values that a file can hold, and back.

Classes and functions become their locations. Torch modules, which nothing else describes once they
are made, become their class, their attributes and their weights. What is one module in several
places is one module again. Nothing here is run before `from_form` is asked to.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import torch

from engine.errors import CheckpointError
from engine.saving.generators import generator_parts, rebuild_generator
from engine.saving.locations import locate, location_of
from engine.saving.modules import module_parts, parameter_parts, rebuild_module, rebuild_parameter
from engine.saving.tagged import Tagged

_CODE = (type, FunctionType, BuiltinFunctionType, MethodType)


def as_form(value: Any) -> Any:
    """The value with classes, functions and modules in it described. Shares memory with it.

    Raises PackagedCodeError for code that no other process could import, and UnsavableError for
    modules that are more than their attributes.
    """
    return _Forming().form(value)


def from_form(form: Any) -> Any:
    """What `as_form` described; imports what it names, as far as `foreign_code` allows."""
    return _Making().make(form)


class _Forming:
    def __init__(self) -> None:
        # The objects themselves stay here, so that no other gets the id of one.
        self._seen: dict[int, tuple[int, Any]] = {}

    def form(self, value: Any) -> Any:
        kind = type(value)
        if kind in (dict, OrderedDict):
            return {key: self.form(one) for key, one in value.items()}
        if kind in (list, tuple):
            return kind(map(self.form, value))
        if isinstance(value, torch.nn.Module):
            return self._once("#module", value, self._module)
        if isinstance(value, torch.nn.Parameter):
            return self._once("#parameter", value, parameter_parts)
        if _is_users_estimator(value):
            return self._once("#object", value, self._object)
        return self._small(value)

    def _small(self, value: Any) -> Any:
        if isinstance(value, _CODE):
            return Tagged("#code", location_of(value))
        if isinstance(value, Enum):
            return Tagged("#code", f"{location_of(type(value))}.{value.name}")
        if isinstance(value, torch.dtype | torch.device):
            tag = "#dtype" if isinstance(value, torch.dtype) else "#device"
            return Tagged(tag, str(value).removeprefix("torch."))
        if isinstance(value, torch.Size):
            return Tagged("#size", list(value))
        parts = generator_parts(value)
        return value if parts is None else Tagged("#generator", parts)

    def _once(self, tag: str, value: Any, parts: Callable[[Any], Any]) -> Tagged:
        if id(value) in self._seen:
            return Tagged("#again", self._seen[id(value)][0])
        self._seen[id(value)] = (len(self._seen), value)
        return Tagged(tag, parts(value))

    def _module(self, module: torch.nn.Module) -> dict[str, Any]:
        parts = module_parts(module)
        return {"class": location_of(type(module)), "parts": self.form(parts)}

    def _object(self, estimator: Any) -> dict[str, Any]:
        return {"class": location_of(type(estimator)), "parts": self.form(dict(vars(estimator)))}


class _Making:
    def __init__(self) -> None:
        self._made: list[Any] = []
        self._makers: dict[str, Callable[[Any], Any]] = {
            "#code": locate,
            "#module": lambda described: self._kept(described, torch.nn.Module, rebuild_module),
            "#object": lambda described: self._kept(described, _estimators(), _with_attributes),
            "#parameter": self._parameter,
            "#generator": rebuild_generator,
            "#again": lambda number: self._made[number],
            "#dtype": dtype_named,
            "#device": torch.device,
            "#size": torch.Size,
        }

    def make(self, form: Any) -> Any:
        kind = type(form)
        if kind is dict:
            return {key: self.make(one) for key, one in form.items()}
        if kind in (list, tuple):
            return kind(map(self.make, form))
        if kind is Tagged:
            return self._makers[form.tag](form.value)
        return form

    def _kept(self, described: Any, kind: type, fill: Callable[[Any, Any], None]) -> Any:
        found = locate(described["class"])
        if not (isinstance(found, type) and issubclass(found, kind)):
            raise TypeError(f"{described['class']} is no {kind.__name__}")
        # Not by its constructor, whose arguments nobody knows.
        thing = found.__new__(found)
        # Before its parts, which may refer to it by number.
        self._made.append(thing)
        fill(thing, self.make(described["parts"]))
        return thing

    def _parameter(self, described: Any) -> torch.nn.Parameter:
        self._made.append(rebuild_parameter(described))
        parameter: torch.nn.Parameter = self._made[-1]
        return parameter


def _is_users_estimator(value: Any) -> bool:
    """Whether it is an estimator that skops would look for in the module of somebody else."""
    base = sys.modules.get("sklearn.base")
    if base is None or not isinstance(value, base.BaseEstimator):
        return False
    return type(value).__module__.partition(".")[0] != "sklearn"


def _estimators() -> type:
    from sklearn.base import BaseEstimator  # noqa: PLC0415 - only for files that hold one

    kind: type = BaseEstimator
    return kind


def _with_attributes(thing: Any, attributes: dict[str, Any]) -> None:
    vars(thing).update(attributes)


def dtype_named(name: str) -> torch.dtype:
    """The type that torch has under this name; CheckpointError where there is none."""
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise CheckpointError(f"torch has no type {name!r}")
    return found
