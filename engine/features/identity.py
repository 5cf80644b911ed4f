"""What a set of samples is known by: a fingerprint of its content, and an id for each sample."""

import hashlib
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.features.columns import to_numpy


def fingerprint(columns: Iterable[tuple[str, pa.Array]]) -> str:
    """SHA-256 over the names, types and values of columns; their order does not count."""
    whole = hashlib.sha256()
    for name, array in sorted(columns, key=lambda column: column[0]):
        whole.update(f"{name}\0{array.type}\0{len(array)}\0".encode())
        whole.update(_digest(array))
    return whole.hexdigest()


def _digest(array: pa.Array) -> bytes:
    column = hashlib.sha256()
    if array.null_count:
        column.update(np.packbits(to_numpy(array.is_null())).tobytes())
        # What stands at a missing value's place is anybody's guess.
        array = array.fill_null(_nothing(array.type))
    if pa.types.is_string(array.type):
        column.update(to_numpy(pc.binary_length(array)).data)
        column.update(_text_bytes(array))
    else:
        values = np.ascontiguousarray(to_numpy(array))
        # Times have no buffer of their own; a byte view is the same for every type.
        column.update(values.view(np.uint8).data if values.size else b"")
    return column.digest()


def _nothing(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_string(kind):
        return pa.scalar("")
    # All bits zero, in whatever type.
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(8))])[0]


def _text_bytes(text: pa.Array) -> memoryview:
    _, offsets, data = text.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(data or b"")[int(ends[0]) : int(ends[-1])]


class SampleIds:
    """An id for each sample, made when asked for: from the content's fingerprint and the position.

    The ids of rows that were taken from a set are those they had there.
    """

    def __init__(self, content: Callable[[], str], positions: NDArray[np.int64] | None) -> None:
        self._content = content
        self._positions = positions

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """The ids of these rows."""
        positions = rows if self._positions is None else self._positions[rows]
        start = _uuid_start(self._content())
        ids = np.empty(len(positions), dtype=object)
        ids[:] = [f"{start}-{position:012x}" for position in positions.tolist()]
        return ids

    def take(self, rows: NDArray[np.int64]) -> "SampleIds":
        content = self._content()
        positions = rows if self._positions is None else self._positions[rows]
        return SampleIds(lambda: content, positions)


class StoredIds(SampleIds):
    """Ids that came along with the data."""

    def __init__(self, ids: NDArray[np.object_]) -> None:
        self._ids = ids

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        return self._ids[rows]

    def take(self, rows: NDArray[np.int64]) -> "StoredIds":
        return StoredIds(self._ids[rows])


def _uuid_start(content: str) -> str:
    return f"{content[:8]}-{content[8:12]}-{content[12:16]}-{content[16:20]}"
