"""Several batches gathered at once: one big gather costs less than many small ones."""

from bisect import bisect_right
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

    __slots__ = ("_bounds", "_first", "_pieces", "_positions", "_store")

    def __init__(self, store: ColumnStore, order: BatchOrder, role: str) -> None:
        self._store = store
        self._bounds = order.bounds
        self._positions = order.positions(role)
        if store.fmt is DataFormat.TORCH and isinstance(self._positions, torch.Tensor):
            self._positions = self._positions.to(store.device)
        # Of which batches each block's rows are at hand, and what is left of them.
        self._first: dict[tuple[str, ...], int] = {}
        self._pieces: dict[tuple[str, ...], list[torch.Tensor | None]] = {}

    def index(self, batch: int) -> Index:
        return self._span(self._bounds[batch], self._bounds[batch + 1])

    def take(self, columns: tuple[str, ...], batch: int) -> Any:
        """These columns of the batch's samples."""
        pieces = self._pieces.get(columns)
        if pieces is not None:
            place = batch - self._first[columns]
            if 0 <= place < len(pieces):
                piece, pieces[place] = pieces[place], None
                return self._store.take(columns, self.index(batch)) if piece is None else piece
        return self._gather(columns, batch)

    def _gather(self, columns: tuple[str, ...], batch: int) -> Any:
        block = self._store.block(columns)
        if not isinstance(block, torch.Tensor):
            return rows_of(block, self.index(batch))
        last = self._last_at_once(block, batch)
        bounds = self._bounds[batch : last + 1]
        rows = rows_of(block, self._span(bounds[0], bounds[-1]))
        sizes = [end - start for start, end in pairwise(bounds)]
        pieces: list[torch.Tensor | None] = list(rows.split(sizes))
        piece, pieces[0] = pieces[0], None
        self._first[columns], self._pieces[columns] = batch, pieces
        return piece

    def _last_at_once(self, block: torch.Tensor, batch: int) -> int:
        row_bytes = block[:1].nbytes or 1
        limit = self._bounds[batch] + _BYTES_AT_ONCE // row_bytes
        return max(bisect_right(self._bounds, limit) - 1, batch + 1)

    def _span(self, start: int, end: int) -> Index:
        return slice(start, end) if self._positions is None else self._positions[start:end]
