"""What a set of samples is known by: a fingerprint of its content, and an id for each sample."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.features.chunks import ColumnPieces
from engine.features.columns import Array, to_numpy


def fingerprint(
    columns: Iterable[tuple[str, pa.ChunkedArray]], let_go: Callable[[], None] = lambda: None
) -> str:
    """SHA-256 over the names, types and values of columns; `let_go` is called after each piece.

    Their order does not count, nor how the values lie in memory, nor which bits say NaN, nor the
    unit in which times are counted.
    """
    whole = hashlib.sha256()
    for name, column in sorted(columns, key=lambda named: named[0]):
        values = _in_nanoseconds(column)
        whole.update(f"{name}\0{values.type}\0{len(values)}\0".encode())
        whole.update(_digest(values, let_go))
    return whole.hexdigest()


def _in_nanoseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_timestamp(kind):
        finest = pa.timestamp("ns", kind.tz)
    elif pa.types.is_duration(kind):
        finest = pa.duration("ns")
    else:
        return column
    try:
        return column.cast(finest)
    except pa.ArrowInvalid:  # Beyond the years 1677 to 2262, which nanoseconds cannot count.
        return column


def _digest(column: pa.ChunkedArray, let_go: Callable[[], None]) -> bytes:
    digest = hashlib.sha256()
    if column.null_count:
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        # What stands at a missing value's place is anybody's guess.
        column = column.fill_null(_nothing(column.type))
    if pa.types.is_string(column.type):
        for piece in column.chunks:
            digest.update(to_numpy(pc.binary_length(piece)).data)
        for piece in column.chunks:
            digest.update(_text_bytes(piece))
            let_go()
        return digest.digest()
    for piece in column.chunks:
        digest.update(_bytes(np.ascontiguousarray(to_numpy(piece))))
        let_go()
    return digest.digest()


def _bytes(values: Array) -> bytes | memoryview:
    if values.dtype.kind == "f" and (nan := np.isnan(values)).any():
        values = np.where(nan, np.full((), np.nan, values.dtype), values)
    # Times have no buffer of their own; a byte view is the same for every type.
    return values.view(np.uint8).data if values.size else b""


def _nothing(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_string(kind):
        return pa.scalar("")
    # All bits zero, in whatever type.
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(bytes(8))])[0]


def _text_bytes(text: pa.Array) -> memoryview:
    _, offsets, data = text.buffers()
    if not len(text):
        return memoryview(b"")
    ends = np.frombuffer(offsets, dtype=np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(data or b"")[int(ends[0]) : int(ends[-1])]


class SampleIds:
    """An id for each sample, made when asked for: from the content's fingerprint and the position.

    The ids of rows that were taken from a set are those they had there.
    """

    def __init__(
        self, content: str | Callable[[], str], positions: NDArray[np.int64] | None = None
    ) -> None:
        self._content = content
        self._positions = positions

    @property
    def content(self) -> str:
        """The fingerprint that the ids begin with."""
        return self._content if isinstance(self._content, str) else self._content()

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """The ids of these rows."""
        positions = rows if self._positions is None else self._positions[rows]
        start = _uuid_start(self.content)
        ids = np.empty(len(positions), dtype=object)
        ids[:] = [f"{start}-{position:012x}" for position in positions.tolist()]
        return ids

    def take(self, rows: NDArray[np.int64] | None) -> "SampleIds":
        """Those of some rows of the set, or of all, in a set whose content may be another."""
        positions = self._positions if rows is None else rows
        if rows is not None and self._positions is not None:
            positions = self._positions[rows]
        return SampleIds(self.content, positions)

    def get_state(self) -> dict[str, Any]:
        """As plain values and arrays; nothing for ids that follow from the set's own content."""
        if not isinstance(self._content, str):
            return {}
        return {"content": self._content, "positions": self._positions}


class StoredIds(SampleIds):
    """Ids that came along with the data."""

    def __init__(self, ids: pa.ChunkedArray) -> None:
        self._ids = ids

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        return ColumnPieces(self._ids).take(rows)

    def take(self, rows: NDArray[np.int64] | None) -> "StoredIds":
        if rows is None:
            return self
        return StoredIds(pa.chunked_array([pa.array(self.at(rows), type=pa.string())]))

    def get_state(self) -> dict[str, Any]:
        return {"stored": pa.table({"ids": self._ids})}


def restored_ids(state: Mapping[str, Any]) -> SampleIds | None:
    """What `get_state` described; None for ids that follow from the content alone."""
    if "stored" in state:
        return StoredIds(state["stored"]["ids"])
    if not state:
        return None
    return SampleIds(str(state["content"]), state["positions"])


def _uuid_start(content: str) -> str:
    return f"{content[:8]}-{content[8:12]}-{content[12:16]}-{content[16:20]}"
