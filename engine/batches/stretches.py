"""Several batches gathered at once: one big gather costs less than many small ones."""

from itertools import pairwise
from typing import Any

import torch

from engine.batches.columns import ColumnStore, rows_of
from engine.batches.order import BatchOrder, Index
from engine.features.formats import DataFormat

# Small enough for the processor's cache, and for holding it beside the batch at work.
_BYTES_AT_ONCE = 2**20


class RoleRows:
    """One role's rows of a store, batch by batch of an order.

    Each batch's rows are handed out once from what was gathered, and gathered anew if asked for
    again, so that whoever takes them may change them.
    """

    __slots__ = ("_bounds", "_first", "_largest", "_padding", "_pieces", "_positions", "_store")

    def __init__(self, store: ColumnStore, order: BatchOrder, role: str) -> None:
        self._store = store
        self._bounds = order.bounds
        self._largest = int(order.sizes.max(initial=0))
        self._positions = order.positions(role)
        if store.fmt is DataFormat.TORCH and isinstance(self._positions, torch.Tensor):
            self._positions = self._positions.to(store.device)
        self._padding: torch.Tensor | None = None
        if order.is_padded and self._positions is not None:
            self._padding = self._positions < 0
        # Of which batches each block's rows are at hand, and what is left of them.
        self._first: dict[tuple[str, ...], int] = {}
        self._pieces: dict[tuple[str, ...], list[torch.Tensor | None]] = {}

    def index(self, batch: int) -> Index:
        """The positions of the batch's samples, -1 for a padded row."""
        return self._span(self._bounds[batch], self._bounds[batch + 1])

    def take(self, columns: tuple[str, ...], batch: int) -> Any:
        """These columns of the batch's samples; a padded row is all zeros."""
        if self._store.is_streamed:
            return self._batch_rows(columns, batch)
        pieces = self._pieces.get(columns)
        if pieces is not None:
            place = batch - self._first[columns]
            if 0 <= place < len(pieces):
                piece, pieces[place] = pieces[place], None
                return self._batch_rows(columns, batch) if piece is None else piece
        return self._gather(columns, batch)

    def _batch_rows(self, columns: tuple[str, ...], batch: int) -> Any:
        start, end = self._bounds[batch : batch + 2]
        return self._emptied(self._store.take(columns, self._readable(start, end)), start, end)

    def _readable(self, start: int, end: int) -> Index:
        """The span with any row in place of the padded ones."""
        index = self._span(start, end)
        return index if self._padding is None else index.clamp(min=0)  # type: ignore[union-attr]  # slices have no padding

    def _emptied(self, rows: Any, start: int, end: int) -> Any:
        """The span's rows, all zeros where they are padded."""
        if self._padding is not None:
            padding = self._padding[start:end]
            rows[padding if isinstance(rows, torch.Tensor) else padding.numpy()] = 0
        return rows

    def _gather(self, columns: tuple[str, ...], batch: int) -> Any:
        block = self._store.block(columns)
        if not isinstance(block, torch.Tensor):
            return self._batch_rows(columns, batch)
        count = self._batches_at_once(block)
        # Always the same stretches, wherever an epoch is entered: a matrix product may round
        # differently where its input lies differently in memory, and a resumed run must not.
        first = batch - batch % count
        bounds = self._bounds[first : first + count + 1]
        start, end = bounds[0], bounds[-1]
        rows = self._emptied(rows_of(block, self._readable(start, end)), start, end)
        sizes = [end - start for start, end in pairwise(bounds)]
        pieces: list[torch.Tensor | None] = list(rows.split(sizes))
        piece, pieces[batch - first] = pieces[batch - first], None
        self._first[columns], self._pieces[columns] = first, pieces
        return piece

    def _batches_at_once(self, block: torch.Tensor) -> int:
        return max(_BYTES_AT_ONCE // (block[:1].nbytes * self._largest or 1), 1)

    def _span(self, start: int, end: int) -> Index:
        return slice(start, end) if self._positions is None else self._positions[start:end]
