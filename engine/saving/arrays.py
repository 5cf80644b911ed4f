"""Arrays and tensors as plain bytes, and back, bit for bit.

What safetensors has no type for (complex numbers, dates, texts, other byte orders) is stored
under a type it has; the structure keeps the true type beside the name.
"""

import math
import re
from typing import NamedTuple

import numpy as np
import torch

from engine.saving.errors import UnreadableError
from engine.saving.region import Region

# Bytes per element of the types that safetensors names.
ITEM_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


_MOST_ELEMENTS = 2**55
_LAST_CHARACTER = 0x10FFFF


class StoredArray(NamedTuple):
    """The bytes of an array, little-endian and in C order, as safetensors describes them."""

    carrier: str
    shape: tuple[int, ...]
    data: memoryview


class FoundArray(NamedTuple):
    """The same, still in the file."""

    carrier: str
    shape: tuple[int, ...]
    data: Region


class Carrier(NamedTuple):
    """The safetensors type that carries a dtype, and the dimensions it needs at the end."""

    name: str
    tail: tuple[int, ...] = ()


_TORCH_CARRIERS = {
    torch.bool: Carrier("BOOL"),
    torch.uint8: Carrier("U8"),
    torch.int8: Carrier("I8"),
    torch.uint16: Carrier("U16"),
    torch.int16: Carrier("I16"),
    torch.uint32: Carrier("U32"),
    torch.int32: Carrier("I32"),
    torch.uint64: Carrier("U64"),
    torch.int64: Carrier("I64"),
    torch.float8_e4m3fn: Carrier("F8_E4M3"),
    torch.float8_e5m2: Carrier("F8_E5M2"),
    torch.float16: Carrier("F16"),
    torch.bfloat16: Carrier("BF16"),
    torch.float32: Carrier("F32"),
    torch.float64: Carrier("F64"),
    torch.complex64: Carrier("F32", (2,)),
    torch.complex128: Carrier("F64", (2,)),
}
_TORCH_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in _TORCH_CARRIERS}

_NUMPY_CARRIERS = {
    "b1": Carrier("BOOL"),
    "u1": Carrier("U8"),
    "i1": Carrier("I8"),
    "u2": Carrier("U16"),
    "i2": Carrier("I16"),
    "u4": Carrier("U32"),
    "i4": Carrier("I32"),
    "u8": Carrier("U64"),
    "i8": Carrier("I64"),
    "f2": Carrier("F16"),
    "f4": Carrier("F32"),
    "f8": Carrier("F64"),
    "c8": Carrier("F32", (2,)),
    "c16": Carrier("F64", (2,)),
}
_NUMPY_DTYPE = re.compile(
    r"[<>|][biufc]\d{1,2}|[<>][Mm]8(\[\d{0,9}[a-zA-Zμ]{1,7}\])?|[<>|][SU]\d{1,9}"
)


def numpy_carrier(dtype: np.dtype) -> Carrier | None:
    """What carries this dtype; None if it holds objects, records or platform-bound numbers."""
    if dtype.kind in "Mm":
        return Carrier("I64")
    if dtype.kind == "U":
        return Carrier("U32", (dtype.itemsize // 4,))
    if dtype.kind == "S":
        return Carrier("U8", (dtype.itemsize,))
    return _NUMPY_CARRIERS.get(f"{dtype.kind}{dtype.itemsize}")


def little_endian(dtype: np.dtype) -> np.dtype:
    """The dtype in the byte order of the file; itself, if that is its own."""
    swapped = dtype.newbyteorder("<")
    return dtype if swapped == dtype else swapped


def store_numpy(array: np.ndarray, carrier: Carrier) -> StoredArray:
    """The array's bytes; not a copy if they lie in order already."""
    little = np.ascontiguousarray(array, dtype=little_endian(array.dtype))
    data = little.reshape(-1).view(np.uint8).data if little.nbytes else memoryview(b"")
    return StoredArray(carrier.name, array.shape + carrier.tail, data)


def load_numpy(found: FoundArray, dtype_text: str) -> np.ndarray:
    """A fresh, writable array of the dtype that was saved, byte order included."""
    dtype = parse_numpy_dtype(dtype_text)
    shape = _logical_shape(found, numpy_carrier(dtype), dtype_text)
    little = np.zeros(shape, little_endian(dtype))
    if found.data.size:
        raw = little.reshape(-1).view(np.uint8)
        found.data.read_into(raw.data)
        _check_values(found.carrier, raw)
        if dtype.kind == "U" and raw.view("<u4").max() > _LAST_CHARACTER:
            raise UnreadableError("a text holds characters that do not exist")
    return little.astype(dtype, copy=False)


def parse_numpy_dtype(text: str) -> np.dtype:
    """The dtype that a file names, if it is one that a file can hold."""
    if not _NUMPY_DTYPE.fullmatch(text):
        raise UnreadableError(f"the numpy type {text!r} is not one that is ever saved")
    try:
        return np.dtype(text)
    except (TypeError, ValueError) as error:
        raise UnreadableError(f"the numpy type {text!r} does not exist") from error


def torch_carrier(tensor: torch.Tensor) -> Carrier | None:
    """What carries this tensor; None if it is sparse, quantized, nested or without data."""
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_meta:
        return None
    return _TORCH_CARRIERS.get(tensor.dtype)


def store_torch(tensor: torch.Tensor, carrier: Carrier) -> StoredArray:
    """The tensor's bytes; not a copy if it is contiguous and on the CPU already."""
    shape = tuple(tensor.shape) + carrier.tail
    if not tensor.numel():
        return StoredArray(carrier.name, shape, memoryview(b""))
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy().data
    return StoredArray(carrier.name, shape, data)


def load_torch(found: FoundArray, dtype_text: str) -> torch.Tensor:
    """A fresh tensor on the CPU, in memory of its own.

    Not a view into one large buffer: kernels may round differently on memory aligned
    differently, and a small tensor would keep the whole file in memory.
    """
    dtype = _TORCH_DTYPES.get(dtype_text)
    if dtype is None:
        raise UnreadableError(f"the torch type {dtype_text!r} is not one that is ever saved")
    shape = _logical_shape(found, _TORCH_CARRIERS[dtype], dtype_text)
    tensor = torch.empty(shape, dtype=dtype)
    if found.data.size:
        raw = tensor.view(-1).view(torch.uint8).numpy()
        found.data.read_into(raw.data)
        _check_values(found.carrier, raw)
    return tensor


def torch_dtype_name(tensor: torch.Tensor) -> str:
    """`float32`, without the library's name."""
    return str(tensor.dtype).removeprefix("torch.")


def _logical_shape(found: FoundArray, carrier: Carrier | None, dtype_text: str) -> tuple[int, ...]:
    """The array's own shape, once its bytes are known to be of the type that is claimed."""
    if carrier is None or found.carrier != carrier.name:
        raise UnreadableError(f"an array of type {dtype_text} is stored as {found.carrier}")
    cut = len(found.shape) - len(carrier.tail)
    if cut < 0 or found.shape[cut:] != carrier.tail:
        raise UnreadableError(f"an array of type {dtype_text} is stored in shape {found.shape}")
    # An empty array may claim any dimensions beside its zero; no library can count so far.
    if math.prod(max(length, 1) for length in found.shape) > _MOST_ELEMENTS:
        raise UnreadableError(f"an array is stored in shape {found.shape}")
    return found.shape[:cut]


def _check_values(carrier: str, raw: np.ndarray) -> None:
    if carrier == "BOOL" and raw.max() > 1:
        raise UnreadableError("a truth value is stored as something other than 0 or 1")
