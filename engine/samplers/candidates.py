"""Where in an order of the samples the candidates of each anchor lie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.batches.order import Positions
from engine.samplers.comparing import Comparison
from engine.seeding import permutation


@dataclass(frozen=True)
class Candidates:
    """For each anchor two stretches of one order of samples; its partners are among them.

    `starts` and `ends` are of shape (n, 2), `groups` are the ends of the whole group of samples
    that may be compared with the anchor, `places` says where in the order the anchor itself is,
    -1 if it is nowhere.
    """

    order: Positions
    starts: Positions
    ends: Positions
    groups: Positions
    places: Positions

    @property
    def sizes(self) -> Positions:
        """How many candidates each anchor has."""
        sizes: Positions = (self.ends - self.starts).sum(axis=1)
        return sizes

    def at_random(self, anchors: Positions, draws: NDArray[np.float64]) -> Positions:
        """A candidate of each anchor, for draws from [0, 1); each must have one."""
        numbers = (draws * self.sizes[anchors]).astype(np.int64)
        return self._numbered(anchors, numbers)

    def all_of(self, anchors: Positions) -> tuple[Positions, Positions]:
        """Every candidate of these anchors, each beside its anchor."""
        sizes = self.sizes[anchors]
        owners = np.repeat(anchors, sizes)
        numbers = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return owners, self._numbered(owners, numbers)

    def nearest(self, count: int) -> "Candidates":
        """So many candidates on either side of each anchor."""
        low, high = self.groups.T
        here = self.places
        inside = here >= 0
        starts = np.where(inside, np.maximum(here - count, low), 0)
        ends = np.where(inside, np.minimum(here + count + 1, high), 0)
        return self._one_stretch(starts, ends)

    def farthest(self, count: int) -> "Candidates":
        """So many candidates, besides the anchor itself, from either end of its group."""
        low, high = self.groups.T
        first = np.minimum(low + count + 1, high)
        last = np.maximum(high - count - 1, first)
        return replace(
            self, starts=np.stack([low, last], axis=1), ends=np.stack([first, high], axis=1)
        )

    def _one_stretch(self, starts: Positions, ends: Positions) -> "Candidates":
        nothing = np.zeros_like(starts)
        return replace(
            self, starts=np.stack([starts, nothing], axis=1), ends=np.stack([ends, nothing], axis=1)
        )

    def _numbered(self, anchors: Positions, numbers: Positions) -> Positions:
        first = (self.ends - self.starts)[:, 0][anchors]
        places = np.where(
            numbers < first,
            self.starts[anchors, 0] + numbers,
            self.starts[anchors, 1] + numbers - first,
        )
        found: Positions = self.order[places]
        return found


def find_candidates(
    restricting: Sequence[Comparison], n: int, seed: int, *, sorted_by: Comparison | None = None
) -> Candidates:
    """The samples that each of n may be paired with, or somewhat more, by these conditions.

    Those that ask for equal values are used whole, of the others only the one that leaves the
    fewest, or `sorted_by`. Samples of equal value stand in an order that the seed decides.
    """
    rows, groups = pairable(restricting, n)
    rows = rows[permutation(len(rows), seed)]
    options = [one for one in restricting if not (one.is_equality or one.is_measured)]
    if sorted_by is not None:
        options = [sorted_by]
    layouts = [_Layout(rows, groups, one, narrows=one in restricting) for one in options]
    if not layouts:
        return _Layout(rows, groups, None, narrows=False).candidates()
    return min(layouts, key=lambda layout: layout.n_pairs).candidates()


def pairable(restricting: Sequence[Comparison], n: int) -> tuple[Positions, Positions]:
    """Which of n samples may be paired at all, and a number for each: only equal ones may be."""
    known = np.ones(n, dtype=bool)
    for one in restricting:
        known &= ~one.missing
    return np.flatnonzero(known), _grouped([one for one in restricting if one.is_equality], n)


class _Layout:
    """The samples sorted by group and by one column, and each one's candidates therein."""

    def __init__(
        self, rows: Positions, groups: Positions, column: Comparison | None, *, narrows: bool
    ) -> None:
        self._column = column
        self._n = len(groups)
        self._width = 1 if column is None else column.n_ranks
        self._first = groups * self._width
        keys = self._first if column is None else self._first + column.ranks
        order = np.argsort(keys[rows], kind="stable")
        self._rows = rows[order]
        self._keys = keys[self._rows]
        self._ends = self._stretches(narrows=narrows)

    @property
    def n_pairs(self) -> int:
        return sum(int((ends - starts)[self._rows].sum()) for starts, ends in self._ends)

    def candidates(self) -> Candidates:
        places = np.full(self._n, -1, dtype=np.int64)
        places[self._rows] = np.arange(len(self._rows))
        inside = (places >= 0)[:, None]
        starts, ends = (np.stack(both, axis=1) * inside for both in zip(*self._ends, strict=True))
        return Candidates(self._rows, starts, ends, np.stack(self._whole, axis=1) * inside, places)

    def _stretches(self, *, narrows: bool) -> list[tuple[Positions, Positions]]:
        low, high = self._whole
        nothing = np.zeros_like(low)
        if self._column is None or not narrows:
            return [(low, high), (nothing, nothing)]
        similar = self._column.condition.mode == "similar"
        first, last = self._column.near(surely=not similar)
        start, end = self._place(self._first + first), self._place(self._first + last)
        if similar:
            return [(start, end), (nothing, nothing)]
        return [(low, start), (end, high)]

    @property
    def _whole(self) -> tuple[Positions, Positions]:
        return self._place(self._first), self._place(self._first + self._width)

    def _place(self, keys: Positions) -> Positions:
        return np.searchsorted(self._keys, keys).astype(np.int64)


def _grouped(equalities: Sequence[Comparison], n: int) -> Positions:
    """A number for each sample, the same for those that are equal in all of these columns."""
    groups = np.zeros(n, dtype=np.int64)
    for one in equalities:
        _, groups = np.unique(groups * one.n_ranks + one.ranks, return_inverse=True)
    return groups.astype(np.int64, copy=False)
