"""Values whose arrays a file holds already, so that they need not be written again."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.saving import tensors
from engine.saving.container import CONTENT, TENSORS, look_into_container
from engine.saving.errors import UnreadableError
from engine.saving.estimators import dump_estimator, is_estimator, is_same_dump
from engine.saving.structure import Encoder

_LARGE = ("#tensor", "#array", "#buffer", "#estimator", "#table")
# Stands for what lies at this place in the other file.
_THERE = {"#there": True}


def holds_arrays(path: Path, key: str, value: Any) -> bool:
    """Whether the file holds every array, tensor and estimator of the value, to the bit.

    Each at its own place under `key` of the payload. They are compared where they lie, without a
    copy. No where it cannot be told.
    """
    encoder = Encoder()
    wanted = dict(_large_parts(encoder.encode({key: value})))
    if encoder.tables:
        return False
    try:
        with look_into_container(path) as entries:
            there = dict(_large_parts(json.loads(entries[CONTENT].read())["payload"]))
            if any(there.get(place) != part for place, part in wanted.items()):
                return False
            found = tensors.unpack(entries[TENSORS]) if TENSORS in entries else {}
            return all(
                (found[name].carrier, found[name].shape) == (array.carrier, tuple(array.shape))
                and found[name].data.equals(array.data)
                for name, array in encoder.arrays.items()
            ) and all(
                is_same_dump(
                    entries[f"estimators/{number}.skops"].read(), dump_estimator(estimator, place)
                )
                for number, (place, estimator) in enumerate(encoder.estimators)
            )
    except (OSError, UnreadableError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return False


def without_arrays(value: Any) -> Any:
    """The value without its arrays, tensors and estimators, for `with_arrays`."""
    if isinstance(value, torch.Tensor | np.ndarray) or is_estimator(value):
        return _THERE
    if isinstance(value, Mapping):
        return {key: without_arrays(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_arrays(part) for part in value)
    return value


def with_arrays(value: Any, other: Any) -> Any:
    """The value again, with the arrays that lie at the same places in the other one.

    KeyError where there is no such place.
    """
    if value == _THERE:
        if other is None:
            raise KeyError("an array is missing in the other value")
        return other
    if isinstance(value, dict):
        there = other if isinstance(other, dict) else {}
        return {key: with_arrays(part, there.get(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        there = dict(enumerate(other)) if isinstance(other, list | tuple) else {}
        return type(value)(with_arrays(part, there.get(at)) for at, part in enumerate(value))
    return value


def _large_parts(encoded: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """How a file refers to its arrays and the like, by their places in it."""
    if isinstance(encoded, dict):
        if any(tag in encoded for tag in _LARGE):
            yield place, encoded
        for key, part in encoded.items():
            yield from _large_parts(part, (*place, key))
    elif isinstance(encoded, list):
        for number, part in enumerate(encoded):
            yield from _large_parts(part, (*place, number))
