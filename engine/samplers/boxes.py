"""Samples in boxes within boxes, so that a search can pass over those that hold nothing better."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.batches.order import Positions
from engine.samplers.comparing import Comparison, weighed_together
from engine.samplers.similarity import Weighed
from engine.seeding import permutation

# A box of so few samples is not divided any further.
SMALLEST = 16


class Extent(NamedTuple):
    """From which rank up to which the values in each box go, and whether some are missing."""

    lows: Positions
    highs: Positions
    lacking: NDArray[np.bool_]


class Boxes:
    """A k-d tree over the samples that may be paired, one for each group of samples.

    Every box is halved along the column in which it is widest, so that its samples lie close
    together in all columns (Bentley 1975, "Multidimensional binary search trees used for
    associative searching"). Samples of equal values stand in an order that the seed decides.
    """

    def __init__(
        self, comparisons: Sequence[Comparison], rows: Positions, groups: Positions, seed: int
    ) -> None:
        """`rows` are the samples that may be paired; `groups` says of all which belong together."""
        self._comparisons = comparisons
        self._ordered = [one for one in comparisons if not one.is_measured]
        rows = rows[permutation(len(rows), seed)]
        self.order = rows[np.argsort(groups[rows], kind="stable")]
        sorted_groups = groups[self.order]
        starts = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
        ends = np.append(starts[1:], len(rows)).astype(np.int64)
        self.roots = np.full(len(groups), -1, dtype=np.int64)
        self.roots[self.order] = np.repeat(np.arange(len(starts)), ends - starts)
        self._divide(starts, ends)

    def _divide(self, starts: Positions, ends: Positions) -> None:
        levels: list[tuple[Positions, Positions, Positions, list[Extent]]] = []
        first_child = len(starts)
        while len(starts):
            extents = [self._extent(one, starts, ends) for one in self._ordered]
            inner = np.flatnonzero(ends - starts > SMALLEST)
            children = np.full(len(starts), -1, dtype=np.int64)
            children[inner] = first_child + 2 * np.arange(len(inner))
            first_child += 2 * len(inner)
            levels.append((starts, ends, children, extents))
            starts, ends = self._halved(starts[inner], ends[inner], inner, extents)
        self.starts, self.ends, self.children = (
            np.concatenate([level[part] for level in levels]) for part in range(3)
        )
        self._extents = [
            Extent(*map(np.concatenate, zip(*(level[3][number] for level in levels), strict=True)))
            for number in range(len(self._ordered))
        ]
        self.depth = len(levels)

    def _halved(
        self, starts: Positions, ends: Positions, inner: Positions, extents: list[Extent]
    ) -> tuple[Positions, Positions]:
        """Sort each of these boxes along its widest column, and cut it in the middle."""
        if not len(starts):
            return starts, ends
        sizes = ends - starts
        number = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = np.repeat(starts, sizes) + number
        if extents:
            widths = [
                (extent.highs[inner] - extent.lows[inner]) / one.n_ranks
                for one, extent in zip(self._ordered, extents, strict=True)
            ]
            widest = np.repeat(np.argmax(widths, axis=0), sizes)
            rows = self.order[places]
            ranks = np.stack([one.ranks[rows] for one in self._ordered])[
                widest, np.arange(len(rows))
            ]
            self.order[places] = rows[np.lexsort((ranks, np.repeat(starts, sizes)))]
        middles = starts + sizes // 2
        return np.stack([starts, middles], 1).ravel(), np.stack([middles, ends], 1).ravel()

    def _extent(self, one: Comparison, starts: Positions, ends: Positions) -> Extent:
        # The boxes of one level leave gaps, where others were not divided any further.
        bounds = np.stack([starts, ends], axis=1).ravel()
        ranks, missing = one.ranks[self.order], one.missing[self.order]
        known = np.where(missing, -1, ranks)
        lows, highs, lacking = (
            ufunc.reduceat(np.append(values, values[-1]), bounds)[::2]
            for ufunc, values in (
                (np.minimum, ranks),
                (np.maximum, known),
                (np.logical_or, missing),
            )
        )
        return Extent(lows, highs, lacking)

    def bound(self, anchors: Positions, boxes: Positions) -> Weighed:
        """What no pair of the anchor with a sample of the box beside it can exceed."""
        extents = iter(self._extents)
        parts = []
        for one in self._comparisons:
            if one.is_measured:
                parts.append(one.best(len(anchors)))
                continue
            extent = next(extents)
            parts.append(
                one.best_within(
                    anchors, extent.lows[boxes], extent.highs[boxes], extent.lacking[boxes]
                )
            )
        return weighed_together(parts, len(anchors))

    def members(self, boxes: Positions) -> tuple[Positions, NDArray[np.bool_]]:
        """The samples in each of these smallest boxes, and which of the places are filled."""
        places = self.starts[boxes, None] + np.arange(SMALLEST)
        filled = places < self.ends[boxes, None]
        return self.order[np.where(filled, places, 0)], filled
