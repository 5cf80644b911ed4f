"""Blocks of several columns as the flat tables that scalers work on, and back.

A block has the shape (samples, columns, *shape of one value).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError

Block = NDArray[Any]
Axes = int | Sequence[int] | None


@dataclass(frozen=True)
class FlattenMeta:
    """How a block becomes a table: the axes of its rows, those of its columns, their sizes.

    The number of samples is left open.
    """

    row_axes: tuple[int, ...]
    column_axes: tuple[int, ...]
    shape: tuple[int, ...]

    def flatten(self, block: Block) -> Block:
        """The block as a table of rows and columns; not a copy if it can be had without one."""
        ordered = np.transpose(block, self.row_axes + self.column_axes)
        n_columns = int(np.prod([self.shape[axis - 1] for axis in self.column_axes]))
        return ordered.reshape(-1, n_columns)

    def unflatten(self, table: Block, n_samples: int) -> Block:
        """The block that the table was made of."""
        sizes = (n_samples, *self.shape)
        order = self.row_axes + self.column_axes
        ordered = table.reshape([sizes[axis] for axis in order])
        return np.transpose(ordered, np.argsort(order))


def block_of(columns: Sequence[Block]) -> Block:
    """Columns of one shape as a block. Each keeps its values together in memory.

    That is the order in which scalers find the mean of a column soonest and most exactly.
    """
    return np.moveaxis(np.stack(columns), 0, 1)


def plan_flattening(shape: tuple[int, ...], merged_axes: Axes, names: Sequence[str]) -> FlattenMeta:
    """How to flatten blocks of this shape, the samples' axis 0 left out of `shape`.

    The merged axes become one: the table's rows if the samples are among them, else its columns.
    Axes of length 1 do not count. What is not two-dimensional then is refused.
    """
    n_axes = len(shape) + 1
    merged = _checked_axes(merged_axes, n_axes, names)
    rows = merged if 0 in merged else (0,)
    rest = [axis for axis in range(n_axes) if axis not in rows and axis not in merged]
    wide = [axis for axis in rest if shape[axis - 1] > 1]
    columns = () if 0 in merged else merged
    if len(wide) + bool(columns) > 1:
        sizes = ", ".join(map(str, shape))
        raise DataError(
            f"Columns {', '.join(names)} make a block of shape (samples, {sizes}), and a scaler "
            f"takes two dimensions. Merge axes: merged_axes={tuple(range(1, n_axes))} scales each "
            f"position by itself, merged_axes={(0, *range(2, n_axes))} each column as a whole."
        )
    # Axes of length 1 may stand anywhere; with the columns they disturb no row order.
    return FlattenMeta(tuple(rows), tuple(sorted({*columns, *rest})), shape)


def _checked_axes(axes: Axes, n_axes: int, names: Sequence[str]) -> tuple[int, ...]:
    given = () if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    for axis in given:
        if not -n_axes <= axis < n_axes:
            raise DataError(f"Axis {axis} is out of range: {', '.join(names)} have {n_axes} axes.")
    return tuple(sorted({axis % n_axes for axis in given}))
