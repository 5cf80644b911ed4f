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

    __slots__ = ("_bounds", "_first", "_largest", "_pieces", "_positions", "_store")

    def __init__(self, store: ColumnStore, order: BatchOrder, role: str) -> None:
        self._store = store
        self._bounds = order.bounds
        self._largest = int(order.sizes.max(initial=0))
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
        count = self._batches_at_once(block)
        # Always the same stretches, wherever an epoch is entered: a matrix product may round
        # differently where its input lies differently in memory, and a resumed run must not.
        first = batch - batch % count
        bounds = self._bounds[first : first + count + 1]
        rows = rows_of(block, self._span(bounds[0], bounds[-1]))
        sizes = [end - start for start, end in pairwise(bounds)]
        pieces: list[torch.Tensor | None] = list(rows.split(sizes))
        piece, pieces[batch - first] = pieces[batch - first], None
        self._first[columns], self._pieces[columns] = first, pieces
        return piece

    def _batches_at_once(self, block: torch.Tensor) -> int:
        return max(_BYTES_AT_ONCE // (block[:1].nbytes * self._largest or 1), 1)

    def _span(self, start: int, end: int) -> Index:
        return slice(start, end) if self._positions is None else self._positions[start:end]
