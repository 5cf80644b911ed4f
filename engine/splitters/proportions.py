"""Whole numbers that come as near to ratios as whole numbers can."""

from collections import deque
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from engine.splitters.grouping import Codes


def exact_shares(ratios: Mapping[str, float]) -> list[Fraction]:
    """The ratios as they are written, as parts of exactly one."""
    written = [Fraction(str(ratio)) for ratio in ratios.values()]
    return [ratio / sum(written) for ratio in written]


def apportioned(n: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers that add up to n: its shares, the largest fractions rounded up."""
    ideal = [share * n for share in shares]
    counts = [int(one) for one in ideal]
    by_fraction = sorted(range(len(shares)), key=lambda part: counts[part] - ideal[part])
    for part in by_fraction[: n - sum(counts)]:
        counts[part] += 1
    return counts


def apportioned_by_stratum(
    strata: Codes, shares: Sequence[Fraction], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many of each stratum go to each part, of shape (strata, parts).

    Each number is the stratum's share rounded up or down, and the parts are as large as
    `apportioned` makes them, where the two agree. `order` is a permutation of the strata; it
    decides whose share is rounded up.
    """
    sizes = np.bincount(strata)
    rounding = _Rounding(sizes, shares)
    extra = rounding.extra_by_size(apportioned(len(strata), shares))
    counts = rounding.floors[rounding.kind]
    kinds = rounding.kind[order]
    by_kind = order[np.argsort(kinds, kind="stable")]
    starts = np.searchsorted(np.sort(kinds), np.arange(len(extra) + 1))
    for number, row in enumerate(extra):
        alike = by_kind[starts[number] : starts[number + 1]]
        # One part's units go to different strata, since there are no more of them than strata.
        units = np.repeat(np.arange(len(shares)), row)
        counts[alike[np.arange(len(units)) % len(alike)], units] += 1
    return counts


class _Rounding:
    """What is left when all shares are rounded down, for strata of each size together."""

    def __init__(self, sizes: NDArray[np.int64], shares: Sequence[Fraction]) -> None:
        different, self.kind, self._times = np.unique(
            sizes, return_inverse=True, return_counts=True
        )
        ideal = [[share * int(size) for share in shares] for size in different]
        self.floors = np.array([[int(one) for one in row] for row in ideal], dtype=np.int64)
        self._fractions = [[one - int(one) for one in row] for row in ideal]
        self._open = np.array([[one > 0 for one in row] for row in self._fractions])

    def extra_by_size(self, totals: Sequence[int]) -> NDArray[np.int64]:
        """How many strata of each size have their share rounded up, by part."""
        extra = self._one_size_after_another()
        wanted = np.array(totals) - self._times @ self.floors
        while True:
            surplus = extra.sum(axis=0) - wanted
            path = self._path(extra, surplus)
            if path is None:
                return extra
            for size, giving, taking in path:
                extra[size, giving] -= 1
                extra[size, taking] += 1

    def _one_size_after_another(self) -> NDArray[np.int64]:
        """Rounded up where the parts are furthest behind what is theirs so far."""
        extra = np.zeros_like(self.floors)
        behind = [Fraction(0)] * self.floors.shape[1]
        for size, (times, fractions) in enumerate(zip(self._times, self._fractions, strict=True)):
            due = [fraction * int(times) for fraction in fractions]
            extra[size] = [int(one) for one in due]
            behind = [one + more for one, more in zip(behind, due, strict=True)]
            left = int(sum(due)) - int(extra[size].sum())
            uneven = [part for part, one in enumerate(due) if one != int(one)]
            uneven.sort(key=lambda part: int(extra[size, part]) - behind[part])
            extra[size, uneven[:left]] += 1
            behind = [one - int(given) for one, given in zip(behind, extra[size], strict=True)]
        return extra

    def _path(
        self, extra: NDArray[np.int64], surplus: NDArray[np.int64]
    ) -> list[tuple[int, int, int]] | None:
        """The fewest exchanges that take one from a part with too many to one with too few.

        Each is among strata of one size; None if there are no such exchanges.
        """
        came_by: dict[int, tuple[int, int, int] | None] = {
            int(part): None for part in np.flatnonzero(surplus > 0)
        }
        queue = deque(came_by)
        while queue:
            giving = queue.popleft()
            if surplus[giving] < 0:
                return _back(came_by, giving)
            room = self._open & (extra < self._times[:, None]) & (extra[:, [giving]] > 0)
            for taking in np.flatnonzero(room.any(axis=0)).tolist():
                if taking not in came_by:
                    came_by[taking] = (int(np.argmax(room[:, taking])), giving, taking)
                    queue.append(taking)
        return None


def _back(
    came_by: Mapping[int, tuple[int, int, int] | None], part: int
) -> list[tuple[int, int, int]]:
    path = []
    step = came_by[part]
    while step is not None:
        path.append(step)
        step = came_by[step[1]]
    return path
