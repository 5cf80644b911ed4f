"""The best partners of each sample, found by branch and bound among boxes of samples."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.batches.order import Positions
from engine.samplers.boxes import Boxes
from engine.samplers.similarity import Floats, Weighed

Worth = Callable[[Weighed], Floats]


class Partners(NamedTuple):
    """Each anchor's partners: `positions[i, :counts[i]]`, and what these pairs count."""

    positions: Positions
    scores: Floats
    counts: Positions


class Seeker:
    """Some anchors on their way through the boxes, each with the best partners it has met.

    The box that promises most is entered first; boxes that cannot hold anything better than what
    an anchor has are passed over. Unless it is `ranked`, all that is worth anything is worth the
    same, and chance decides among all of it.
    """

    def __init__(
        self,
        boxes: Boxes,
        anchors: Positions,
        weigh: Callable[[Positions, Positions], Weighed],
        random: np.random.RandomState,
        *,
        ranked: bool,
    ) -> None:
        self._boxes = boxes
        self._anchors = anchors
        self._weigh = weigh
        self._random = random
        self._ranked = ranked
        # The boxes that an anchor is still to enter, the next one on top.
        shape = (len(anchors), boxes.depth + 1)
        self._stack = np.zeros(shape, dtype=np.int64)
        self._promises = np.zeros(shape)
        self._tops = np.full(len(anchors), -1)

    def start_with(self, partners: Partners) -> None:
        """What each anchor has already, which nothing that is found may replace."""
        self.positions, self.scores = partners.positions.copy(), partners.scores.copy()
        has = np.arange(self.positions.shape[1]) < partners.counts[:, None]
        self.worth = np.where(has, np.inf, 0.0)
        self._luck = np.zeros(self.positions.shape)

    def seek(self, pairs: Worth, boxes: Worth) -> None:
        """Go on until no anchor can do better; `pairs` and `boxes` say what one is worth."""
        everyone = np.arange(len(self._anchors))
        self._push(everyone, self._boxes.roots[self._anchors], np.full(len(everyone), np.inf))
        active = everyone
        while len(active):
            tops = self._tops[active]
            entered, promised = self._stack[active, tops], self._promises[active, tops]
            self._tops[active] -= 1
            still = promised > self._limit(active)
            here, entered = active[still], entered[still]
            inner = self._boxes.children[entered] >= 0
            self._enter(here[inner], self._boxes.children[entered[inner]], boxes)
            self._meet(here[~inner], entered[~inner], pairs)
            active = active[self._tops[active] >= 0]

    def _limit(self, who: Positions) -> Floats:
        """What a box must promise to be entered."""
        return self.worth[who, -1] if self._ranked else np.zeros(len(who))

    def _enter(self, who: Positions, first: Positions, worth: Worth) -> None:
        """Put both halves of a box on the stack, the more promising one on top."""
        if not len(who):
            return
        halves = np.concatenate([first, first + 1])
        anchors = self._anchors[np.concatenate([who, who])]
        promises = self._valued(worth, self._boxes.bound(anchors, halves)).reshape(2, -1)
        draw = self._random.random_sample(len(who)) < 0.5
        second = (promises[1] > promises[0]) | ((promises[1] == promises[0]) & draw)
        limit = self._limit(who)
        for later in (True, False):
            half = (second != later).astype(np.int64)
            promise = np.where(half == 1, promises[1], promises[0])
            wanted = promise > limit
            self._push(who[wanted], (first + half)[wanted], promise[wanted])

    def _push(self, who: Positions, boxes: Positions, promises: Floats) -> None:
        self._tops[who] += 1
        self._stack[who, self._tops[who]] = boxes
        self._promises[who, self._tops[who]] = promises

    def _meet(self, who: Positions, boxes: Positions, worth: Worth) -> None:
        """Look at all samples of a box, and keep the best of them and of those before."""
        if not len(who):
            return
        found, filled = self._boxes.members(boxes)
        anchors = self._anchors[who][:, None]
        filled &= found != anchors
        for column in self.positions[who].T:
            filled &= found != column[:, None]
        rows, places = np.nonzero(filled)
        weighed = self._weigh(self._anchors[who][rows], found[rows, places])
        scores, values = np.zeros(found.shape), np.zeros(found.shape)
        scores[rows, places] = weighed.scores
        values[rows, places] = self._valued(worth, weighed)
        better = (values > 0) & (values >= self._limit(who)[:, None])
        some = better.any(axis=1)
        self._keep(who[some], found[some], scores[some], np.where(better, values, 0.0)[some])

    def _keep(self, who: Positions, found: Positions, scores: Floats, values: Floats) -> None:
        luck = self._random.random_sample(values.shape)
        values = np.concatenate([self.worth[who], values], axis=1)
        luck = np.concatenate([self._luck[who], luck], axis=1)
        best = np.lexsort((luck, -values), axis=-1)[:, : self.worth.shape[1]]
        for kept, new in (
            (self.positions, np.concatenate([self.positions[who], found], axis=1)),
            (self.scores, np.concatenate([self.scores[who], scores], axis=1)),
            (self.worth, values),
            (self._luck, luck),
        ):
            kept[who] = np.take_along_axis(new, best, axis=1)

    def _valued(self, worth: Worth, weighed: Weighed) -> Floats:
        values = worth(weighed)
        # A score that is no number, infinity by zero, is no pair.
        values = np.where(np.isnan(values), 0.0, values)
        return values if self._ranked else (values > 0).astype(np.float64)

    @property
    def partners(self) -> Partners:
        """What each anchor has now."""
        filled = self.worth > 0
        return Partners(
            np.where(filled, self.positions, -1),
            np.where(filled, self.scores, 0.0),
            filled.sum(axis=1),
        )
