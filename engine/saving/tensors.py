"""The safetensors layout: a JSON header that says where each array lies, then the bytes.

Written and read here rather than by the library because the library copies every tensor
into `bytes` first, twice the time of the whole budget; the tests read our files with it.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from engine.saving.arrays import ITEM_SIZES, FoundArray, StoredArray
from engine.saving.errors import UnreadableError
from engine.saving.region import Region

MAX_HEADER = 100_000_000  # As in the library.
_LENGTH = 8  # The header begins with its own length.
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}


def pack(arrays: Mapping[str, StoredArray]) -> list[bytes | memoryview]:
    """The pieces of the file, in order; the arrays' bytes are not copied."""
    # Wide elements first, so that everything is aligned to its own size, as the library does.
    ordered = sorted(arrays.items(), key=lambda item: -ITEM_SIZES[item[1].carrier])
    header: dict[str, Any] = {}
    position = 0
    for name, array in ordered:
        end = position + array.data.nbytes
        header[name] = {
            "dtype": array.carrier,
            "shape": array.shape,
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *(array.data for _, array in ordered)]


def unpack(region: Region) -> dict[str, FoundArray]:
    """Where each array lies, by name. Every claim of the header is checked."""
    header, body = _split(region)
    arrays = {
        name: _checked(name, entry, body)
        for name, entry in header.items()
        if name != "__metadata__"
    }
    _check_coverage([header[name]["data_offsets"] for name in arrays], body.size)
    return arrays


def _split(region: Region) -> tuple[dict[str, Any], Region]:
    if region.size < _LENGTH:
        raise UnreadableError("the header of the tensors is cut off")
    begin = _LENGTH + int.from_bytes(region.part(0, _LENGTH).read(), "little")
    if begin > min(region.size, MAX_HEADER):
        raise UnreadableError("the header of the tensors is cut off")
    try:
        header = json.loads(region.part(_LENGTH, begin).read())
    except (ValueError, RecursionError) as error:
        raise UnreadableError("the header of the tensors is not JSON") from error
    if not isinstance(header, dict):
        raise UnreadableError("the header of the tensors is not a mapping")
    return header, region.part(begin, region.size)


def _checked(name: str, entry: Any, body: Region) -> FoundArray:
    if not isinstance(entry, dict) or entry.keys() != _ENTRY_KEYS:
        raise UnreadableError(f"the tensor {name!r} is not described by type, shape and offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise UnreadableError(f"the tensor {name!r} has the unknown type {dtype!r}")
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2 or len(shape) > 64:
        raise UnreadableError(f"the tensor {name!r} has an impossible shape or place")
    begin, end = offsets
    if end > body.size or end - begin != math.prod(shape) * ITEM_SIZES[dtype]:
        raise UnreadableError(f"the tensor {name!r} does not fit the bytes it points to")
    return FoundArray(dtype, tuple(shape), body.part(begin, end))


def _counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(n) is int and 0 <= n < 2**63 for n in numbers)


def _check_coverage(spans: list[list[int]], size: int) -> None:
    """Each byte belongs to exactly one array: nothing overlaps, nothing is hidden between."""
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise UnreadableError("the tensors overlap or leave gaps")
        position = end
    if position != size:
        raise UnreadableError("there are bytes behind the last tensor")
