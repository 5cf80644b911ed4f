"""Nested Python values as JSON, exactly: what JSON has no word for is tagged, arrays are put aside.

A tag is a mapping with one key that begins with `#`. A user's own mapping with such a key, or with
keys that are not texts, is written as a list of pairs under `#dict`.
"""

import base64
import binascii
import json
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from engine.errors import UnsavableError
from engine.saving.arrays import (
    FoundArray,
    StoredArray,
    little_endian,
    load_numpy,
    load_torch,
    numpy_carrier,
    parse_numpy_dtype,
    store_numpy,
    store_torch,
    torch_carrier,
    torch_dtype_name,
)
from engine.saving.errors import UnreadableError
from engine.saving.estimators import is_estimator
from engine.saving.tables import is_table
from engine.saving.tagged import TAGS, Tagged

MAX_DEPTH = 100
# Longer runs of bytes go beside the tensors, where they are not blown up by a third.
_MAX_INLINE_BYTES = 1024
_JSON_INTEGERS = range(-(2**63), 2**63)
_SHORT_KEYS = range(-(10**9), 10**9)
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_BIG_INTEGER = re.compile(r"-?0x[0-9a-f]+")


class Encoder:
    """Turns one value into JSON, and collects the arrays, estimators and tables it refers to."""

    def __init__(self) -> None:
        self.arrays: dict[str, StoredArray] = {}
        self.estimators: list[tuple[str, Any]] = []
        self.tables: list[tuple[str, Any]] = []
        self._path: list[str] = []
        # What was stored already, by where it lies in memory: tied weights are stored once. The
        # value that is being encoded keeps all its parts alive, so no place is used twice.
        self._seen: dict[tuple[Any, ...], str] = {}
        self._encoders: dict[type, Callable[[Any], Any]] = {
            type(None): _unchanged,
            bool: _unchanged,
            str: _unchanged,
            int: _encode_int,
            float: _encode_float,
            complex: lambda value: {"#complex": [value.real.hex(), value.imag.hex()]},
            bytes: self._encode_bytes,
            list: self._encode_items,
            tuple: lambda value: {"#tuple": self._encode_items(value)},
            set: lambda value: {"#set": self._encode_unordered(value)},
            frozenset: lambda value: {"#frozenset": self._encode_unordered(value)},
            dict: self._encode_mapping,
            OrderedDict: self._encode_mapping,
            np.ndarray: self._encode_numpy,
            torch.Tensor: self._encode_torch,
            torch.nn.Parameter: self._encode_torch,
            Tagged: lambda tagged: {tagged.tag: self._inside(tagged.tag, tagged.value)},
        }

    def encode(self, value: Any) -> Any:
        encoder = self._encoders.get(type(value)) or self._find_encoder(value)
        return encoder(value)

    def _find_encoder(self, value: Any) -> Callable[[Any], Any]:
        if isinstance(value, np.generic):
            return self._encode_scalar
        if isinstance(value, torch.Tensor):
            return self._encode_torch
        if is_estimator(value):
            return lambda estimator: self._refer("#estimator", estimator, self.estimators)
        if is_table(value):
            return lambda table: self._refer("#table", table, self.tables)
        raise self._refusal(value, "Save its numbers, texts and arrays instead.")

    def _refusal(self, value: Any, advice: str) -> UnsavableError:
        return UnsavableError(f"Cannot save {self._place()}, a {_type_name(value)}. {advice}")

    def _place(self) -> str:
        return "/".join(self._path) or "the value"

    def _inside(self, key: str, value: Any) -> Any:
        encoder = self._encoders.get(type(value))
        if encoder is _unchanged:
            return value
        if len(self._path) >= MAX_DEPTH:
            raise UnsavableError(
                f"Cannot save {'/'.join(self._path[:5])}/...: it is nested more than "
                f"{MAX_DEPTH} levels deep, or contains itself."
            )
        self._path.append(key)
        encoded = self.encode(value)
        self._path.pop()
        return encoded

    def _encode_items(self, values: Any) -> list[Any]:
        return [self._inside(str(place), value) for place, value in enumerate(values)]

    def _encode_unordered(self, values: Any) -> list[Any]:
        # Equal sets give equal bytes, whatever order this process iterates them in.
        return sorted(self._encode_items(values), key=json.dumps)

    def _encode_mapping(self, mapping: Mapping[Any, Any]) -> dict[str, Any]:
        if all(type(key) is str and not key.startswith("#") for key in mapping):
            return {key: self._inside(key, value) for key, value in mapping.items()}
        pairs = [
            [self._inside("key", key), self._inside(_key_name(key), value)]
            for key, value in mapping.items()
        ]
        return {"#dict": pairs}

    def _encode_bytes(self, value: bytes) -> dict[str, Any]:
        if len(value) <= _MAX_INLINE_BYTES:
            return {"#bytes": base64.b64encode(value).decode()}
        return {"#buffer": self._put_aside(StoredArray("U8", (len(value),), memoryview(value)))}

    def _encode_scalar(self, value: np.generic) -> dict[str, Any]:
        if numpy_carrier(value.dtype) is None:
            raise self._refusal(value, "Turn it into a plain number.")
        little = np.asarray(value).astype(little_endian(value.dtype))
        # numpy makes room for one character even where there is none.
        return {"#scalar": [value.dtype.str, little.tobytes()[: value.dtype.itemsize].hex()]}

    def _encode_numpy(self, array: np.ndarray) -> dict[str, Any]:
        carrier = numpy_carrier(array.dtype)
        if carrier is None:
            raise self._refusal(array, f"An array of {array.dtype} has no fixed form; cast it.")
        key = (
            "numpy",
            array.__array_interface__["data"][0],
            array.dtype.str,
            array.shape,
            array.strides,
        )
        name = self._once(key, lambda: store_numpy(array, carrier), empty=not array.size)
        return {"#array": [name, array.dtype.str]}

    def _encode_torch(self, tensor: torch.Tensor) -> dict[str, Any]:
        carrier = torch_carrier(tensor)
        if carrier is None:
            raise self._refusal(tensor, "Only dense tensors with data can be saved.")
        key = (
            tensor.device,
            tensor.data_ptr(),
            tensor.dtype,
            tensor.shape,
            tensor.stride(),
            tensor.is_conj(),
            tensor.is_neg(),
        )
        name = self._once(key, lambda: store_torch(tensor, carrier), empty=not tensor.numel())
        return {"#tensor": [name, torch_dtype_name(tensor)]}

    def _refer(self, tag: str, value: Any, kept: list[tuple[str, Any]]) -> dict[str, Any]:
        key = (tag, id(value))
        if key not in self._seen:
            self._seen[key] = str(len(kept))
            kept.append((self._place(), value))
        return {tag: int(self._seen[key])}

    def _once(self, key: tuple[Any, ...], store: Callable[[], StoredArray], *, empty: bool) -> str:
        if empty:  # All empty arrays lie nowhere.
            return self._put_aside(store())
        if key not in self._seen:
            self._seen[key] = self._put_aside(store())
        return self._seen[key]

    def _put_aside(self, array: StoredArray) -> str:
        name = base = self._place()[:200]
        number = 2
        while name in self.arrays or name == "__metadata__":
            name = f"{base}~{number}"
            number += 1
        self.arrays[name] = array
        return name


class Decoder:
    """Builds the value again. What was one object when it was saved is one object again."""

    def __init__(
        self,
        arrays: Mapping[str, FoundArray],
        *,
        load_estimator: Callable[[int], Any],
        load_table: Callable[[int], Any],
    ) -> None:
        self._arrays = arrays
        self._built: dict[tuple[str, Any], Any] = {}
        self._decoders: dict[str, Callable[[Any], Any]] = {
            "#int": _decode_int,
            "#float": _decode_float,
            "#complex": _decode_complex,
            "#bytes": _decode_bytes,
            "#buffer": self._decode_buffer,
            "#tuple": lambda items: tuple(self._decode_items(items)),
            "#set": lambda items: _hashed(set, self._decode_items(items)),
            "#frozenset": lambda items: _hashed(frozenset, self._decode_items(items)),
            "#dict": self._decode_pairs,
            "#scalar": _decode_scalar,
            "#array": lambda reference: self._decode_array("#array", reference, load_numpy),
            "#tensor": lambda reference: self._decode_array("#tensor", reference, load_torch),
            "#estimator": lambda number: self._referred("#estimator", number, load_estimator),
            "#table": lambda number: self._referred("#table", number, load_table),
            **{tag: self._tagger(tag) for tag in TAGS},
        }

    def decode(self, value: Any) -> Any:
        kind = type(value)
        if kind is dict:
            return self._decode_mapping(value)
        if kind is list:
            return self._decode_items(value)
        return value

    def _decode_mapping(self, mapping: dict[str, Any]) -> Any:
        tags = [key for key in mapping if key.startswith("#")]
        if not tags:
            return {key: self.decode(value) for key, value in mapping.items()}
        decoder = self._decoders.get(tags[0])
        if decoder is None or len(mapping) != 1:
            raise UnreadableError(f"the tag {tags[0]!r} is unknown or not alone")
        return decoder(mapping[tags[0]])

    def _tagger(self, tag: str) -> Callable[[Any], Tagged]:
        return lambda value: Tagged(tag, self.decode(value))

    def _decode_items(self, items: Any) -> list[Any]:
        if type(items) is not list:
            raise UnreadableError("a list is missing where one must be")
        return [self.decode(item) for item in items]

    def _decode_pairs(self, pairs: Any) -> dict[Any, Any]:
        decoded = self._decode_items(pairs)
        if not all(type(pair) is list and len(pair) == 2 for pair in decoded):
            raise UnreadableError("a mapping is not made of pairs")
        mapping: dict[Any, Any] = _hashed(dict, decoded)
        return mapping

    def _decode_buffer(self, name: Any) -> bytes:
        found = self._find(name)
        if found.carrier != "U8" or len(found.shape) != 1:
            raise UnreadableError(f"{name!r} is not a run of bytes")
        return found.data.read()

    def _decode_array(
        self, tag: str, reference: Any, load: Callable[[FoundArray, str], Any]
    ) -> Any:
        name, dtype = _two_texts(reference)
        key = (tag, (name, dtype))
        if key not in self._built:
            self._built[key] = load(self._find(name), dtype)
        return self._built[key]

    def _referred(self, tag: str, number: Any, load: Callable[[int], Any]) -> Any:
        if type(number) is not int:
            raise UnreadableError(f"{tag} is not referred to by number")
        key = (tag, number)
        if key not in self._built:
            self._built[key] = load(number)
        return self._built[key]

    def _find(self, name: Any) -> FoundArray:
        if not isinstance(name, str) or name not in self._arrays:
            raise UnreadableError(f"the array {name!r} is missing")
        return self._arrays[name]


def _unchanged(value: Any) -> Any:
    return value


def _key_name(key: Any) -> str:
    """How a key is shown in a place; a huge integer or a tuple has no short name."""
    # Only an int may ask a range: for a float, Python would walk through it.
    if isinstance(key, str) or (isinstance(key, int) and key in _SHORT_KEYS):
        return str(key)
    return type(key).__name__


def _encode_int(value: int) -> Any:
    # Other readers' integers end here; Python's own reader refuses more than 4300 digits.
    return value if value in _JSON_INTEGERS else {"#int": hex(value)}


def _encode_float(value: float) -> Any:
    return value if math.isfinite(value) else {"#float": repr(value)}


def _type_name(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _decode_int(text: Any) -> int:
    if not isinstance(text, str) or not _BIG_INTEGER.fullmatch(text):
        raise UnreadableError("a large integer is malformed")
    return int(text, 16)


def _decode_float(text: Any) -> float:
    if not isinstance(text, str) or text not in _FLOATS:
        raise UnreadableError("a non-finite number is malformed")
    return _FLOATS[text]


def _decode_complex(parts: Any) -> complex:
    real, imaginary = _two_texts(parts)
    try:
        return complex(float.fromhex(real), float.fromhex(imaginary))
    except (ValueError, OverflowError) as error:
        raise UnreadableError("a complex number is malformed") from error


def _decode_bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise UnreadableError("a run of bytes is malformed") from error


def _decode_scalar(parts: Any) -> Any:
    dtype_text, digits = _two_texts(parts)
    dtype = parse_numpy_dtype(dtype_text)
    try:
        data = bytes.fromhex(digits)
    except ValueError as error:
        raise UnreadableError("a numpy number is malformed") from error
    if len(data) != dtype.itemsize or (dtype.kind == "b" and data > b"\x01"):
        raise UnreadableError("a numpy number is malformed")
    if not data:
        return dtype.type()
    return np.frombuffer(data, little_endian(dtype)).astype(dtype)[0]


def _two_texts(parts: Any) -> tuple[str, str]:
    if type(parts) is not list or len(parts) != 2 or not all(isinstance(p, str) for p in parts):
        raise UnreadableError("two texts are missing where they must be")
    return parts[0], parts[1]


def _hashed(build: Callable[[list[Any]], Any], items: list[Any]) -> Any:
    try:
        return build(items)
    except TypeError as error:
        raise UnreadableError("a key is not one that can be a key") from error
