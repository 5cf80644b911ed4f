"""Random generators as the plain state that they are in, and generators made of it."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch


class _Kind(NamedTuple):
    type: type
    state: Callable[[Any], Any]
    make: Callable[[Any], Any]


def generator_parts(generator: Any) -> dict[str, Any] | None:
    """The kind and the state of a generator of numpy, torch or Python; None for anything else."""
    for name, kind in _KINDS.items():
        if type(generator) is kind.type:
            return {"kind": name, "state": kind.state(generator)}
    return None


def rebuild_generator(parts: dict[str, Any]) -> Any:
    """A generator in the state that `generator_parts` gave."""
    return _KINDS[parts["kind"]].make(parts["state"])


def _numpy_generator(state: Any) -> np.random.Generator:
    generator = np.random.Generator(_bit_generator(state["bit_generator"]))
    generator.bit_generator.state = state
    return generator


def _legacy_generator(state: Any) -> np.random.RandomState:
    generator = np.random.RandomState(_bit_generator(state["bit_generator"]))
    generator.set_state(state)
    return generator


def _bit_generator(name: str) -> np.random.BitGenerator:
    known = {one.__name__: one for one in np.random.BitGenerator.__subclasses__()}
    made: np.random.BitGenerator = known[name](0)
    return made


def _torch_generator(state: torch.Tensor) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(state)
    return generator


def _python_generator(state: Any) -> random.Random:
    generator = random.Random()  # noqa: S311 - set at once to the state of another
    version, internal, gauss = state
    generator.setstate((version, tuple(internal), gauss))
    return generator


_KINDS = {
    "numpy": _Kind(np.random.Generator, lambda one: one.bit_generator.state, _numpy_generator),
    "numpy legacy": _Kind(
        np.random.RandomState, lambda one: one.get_state(legacy=False), _legacy_generator
    ),
    "torch": _Kind(torch.Generator, lambda one: one.get_state(), _torch_generator),
    "python": _Kind(random.Random, lambda one: list(one.getstate()), _python_generator),
}
