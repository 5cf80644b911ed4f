"""Columns that lie in pieces, as those of a large file do: taking rows without joining them."""

import operator
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.features.columns import Array, as_objects, numpy_type, single_chunk, to_numpy

Rows = NDArray[np.int64]


class ColumnPieces:
    """One column, to take rows of; only the pieces that they lie in are read.

    `rows_of` says how rows of a flat piece are taken, and `let_go` is called after others were.
    """

    def __init__(
        self,
        column: pa.ChunkedArray,
        *,
        rows_of: Callable[[Array, Rows], Array] = operator.getitem,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        self._column = column
        self._rows_of = rows_of
        self._let_go = let_go
        self._pieces = [chunk for chunk in column.chunks if len(chunk)] or column.chunks[:1]
        self._ends = np.cumsum([len(piece) for piece in self._pieces], dtype=np.int64)
        self._flat: dict[int, Array] = {}

    def take(self, rows: Rows) -> Array:
        """The values at these rows, in memory of their own."""
        if len(self._pieces) == 1 or not len(rows):
            return self._from(0, rows).astype(self._kind, copy=False)
        piece_of_row = np.searchsorted(self._ends, rows, side="right")
        order = np.argsort(piece_of_row, kind="stable")
        pieces, starts = np.unique(piece_of_row[order], return_index=True)
        parts = [
            self._from(int(piece), rows[part] - (self._ends[piece] - len(self._pieces[piece])))
            for piece, part in zip(pieces, np.split(order, starts[1:]), strict=True)
        ]
        taken = np.concatenate(parts)
        values = np.empty_like(taken, dtype=self._kind)
        values[order] = taken
        return values

    def _from(self, place: int, rows: Rows) -> Array:
        piece = self._pieces[place]
        if is_flat(piece):
            if place not in self._flat:
                self._flat[place] = to_numpy(piece)
            return self._rows_of(self._flat[place], rows)
        taken = piece.take(pa.array(rows))
        if self._kind.kind == "O":
            values = as_objects(taken)
        else:
            values = np.array(to_numpy(taken), dtype=self._kind)
        self._let_go()
        return values

    @cached_property
    def _kind(self) -> np.dtype[Any]:
        return numpy_type(self._column)


def is_flat(piece: pa.Array) -> bool:
    """Whether the values lie as numpy's do, so that looking at them copies nothing."""
    if isinstance(piece, pa.FixedShapeTensorArray):
        return True
    kind = piece.type
    plain = pa.types.is_primitive(kind) and not pa.types.is_boolean(kind)
    # Days are 32 bits in Arrow and 64 in numpy.
    return bool(plain) and not pa.types.is_date32(kind) and not piece.null_count


def take(column: pa.ChunkedArray, rows: Rows) -> pa.Array:
    """An Arrow array of these rows of a column."""
    if not len(rows):
        return single_chunk(column.slice(0, 0))
    if isinstance(column.type, pa.FixedShapeTensorType):
        return pa.FixedShapeTensorArray.from_numpy_ndarray(ColumnPieces(column).take(rows))
    positions = pa.array(rows)
    if column.num_chunks == 1:
        return column.chunk(0).take(positions)
    taken = column.take(positions)
    return pa.concat_arrays(taken.chunks) if taken.num_chunks else pa.array([], column.type)
