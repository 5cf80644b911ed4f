"""Losses by name, and what is known about torch's own."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional
from torch.nn.modules.loss import _Loss

from engine.errors import LossError, did_you_mean

_ALIASES = {"mae": "l1", "ce": "crossentropy", "logloss": "bce"}
# Losses whose targets are numbers of classes, one dimension fewer than the outputs.
_CLASS_LOSSES = (torch.nn.CrossEntropyLoss, torch.nn.NLLLoss, torch.nn.MultiMarginLoss)
_CLASS_FUNCTIONS = (functional.cross_entropy, functional.nll_loss, functional.multi_margin_loss)


def find_loss_class(name: str) -> type:
    """The class of `torch.nn` with this name: in any case, with or without `Loss` at the end."""
    known = {
        _simple(text): value
        for text, value in vars(torch.nn).items()
        if text.endswith("Loss") and isinstance(value, type)
    }
    simple = _simple(name)
    simple = _ALIASES.get(simple, simple)
    if simple not in known:
        raise LossError(f"torch has no loss {name!r}.{did_you_mean(simple, [*known, *_ALIASES])}")
    return known[simple]


def simple_name(thing: Any) -> str:
    """`mse` for `torch.nn.MSELoss`, the function's own name for a function."""
    if isinstance(thing, torch.nn.Module):
        thing = type(thing)
    name = getattr(thing, "__name__", type(thing).__name__)
    if isinstance(thing, type):
        return _simple(name) or name.lower()
    return "loss" if name == "<lambda>" else name


def takes_classes(fn: Callable[..., Any]) -> bool:
    """Whether targets may be numbers of classes."""
    return isinstance(fn, _CLASS_LOSSES) or fn in _CLASS_FUNCTIONS


def is_torch_loss(fn: Callable[..., Any]) -> bool:
    """Whether it is one of torch's own, whose errors and demands are known."""
    module = type(fn).__module__ if isinstance(fn, _Loss) else getattr(fn, "__module__", "")
    return str(module).startswith("torch.nn")


def check_arguments(make: Callable[..., Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that a loss's class does not take."""
    name = getattr(make, "__name__", repr(make))
    signature = inspect.signature(make)
    try:
        signature.bind(**kwargs)
    except TypeError as error:
        unknown = [argument for argument in kwargs if argument not in signature.parameters]
        hint = did_you_mean(unknown[0], signature.parameters) if unknown else ""
        raise LossError(f"{name}: {error}.{hint}") from error


def _simple(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "").removesuffix("loss")
