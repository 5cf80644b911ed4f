"""Choosing partners for every sample: never all pairs at once, and few of them looked at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.batches.order import Positions
from engine.samplers.boxes import SMALLEST, Boxes
from engine.samplers.candidates import Candidates, find_candidates, pairable
from engine.samplers.comparing import Comparison, weighed_together
from engine.samplers.seeking import Partners, Seeker, Worth
from engine.samplers.similarity import BELOW_ONE, Floats, SimilarityCondition, Weighed
from engine.seeding import derive_seed

if TYPE_CHECKING:
    from engine.features import FeatureSetView

# So many pairs are held at once.
_AT_ONCE = 2**19
# Of so few candidates all are looked at; among more, some are drawn first.
_FEW = 32
# Of more candidates than this the best are sought in boxes.
_MANY = 256
# So often the best that can be is drawn for, before it is sought.
_MOST_DRAWN = 64
# What one anchor needs at a time on its way through the boxes, in pairs.
_AT_A_LEAF = 2 * SMALLEST

Accepts = Callable[[Weighed], NDArray[np.bool_]]


class PartnerSearch:
    """The search for the partners that one role's conditions ask for.

    A pair matches if all conditions do, and its score is the product of theirs; a pair that does
    not match scores below 1. No sample is its own partner.
    """

    def __init__(
        self, source: "FeatureSetView", conditions: Mapping[str, SimilarityCondition], seed: int
    ) -> None:
        self.comparisons = [Comparison(source, *condition) for condition in conditions.items()]
        self._n = source.n_samples
        self._seed = seed
        # numpy promises never to change what RandomState draws from a bit generator.
        self._random = np.random.RandomState(np.random.PCG64(derive_seed(seed, "draws")))

    def choose(self, count: int, *, best_only: bool) -> Partners:
        """Up to `count` partners of every sample.

        They are drawn from the matches, and where these are too few, from the fallback; or they
        are the best ones, equally good ones by chance.
        """
        chosen = _Chosen(self._n, count)
        if best_only and any(one.is_graded for one in self.comparisons):
            self._choose_best(chosen)
            return chosen.partners
        matching = self._matching()
        self._draw(chosen, matching, _matched, most=_enough(matching.sizes * count))
        self._complete(chosen, matching, self.comparisons, MATCHED, ranked=False)
        if self._falling_back:
            ranked = best_only and len(self._falling_back) > 1
            possible = self._possible()
            if not ranked:
                self._draw(chosen, possible, _unmatched, most=_enough(possible.sizes * count))
            self._complete(chosen, possible, self._strict, UNMATCHED, ranked=ranked)
        return chosen.partners

    def _choose_best(self, chosen: "_Chosen") -> None:
        shortlist = self._shortlist(chosen.width)
        if shortlist is not None:
            self._draw(chosen, self._matching(), self._is_unbeaten, most=shortlist.sizes // 4)
            self._look(chosen, shortlist, _whatever, ranked=True)
            return
        possible = self._possible()
        most = np.minimum(possible.sizes // 4, _MOST_DRAWN)
        self._draw(chosen, self._matching(), self._is_unbeaten, most=most)
        self._complete(chosen, possible, self._strict, WHATEVER, ranked=True)

    def weigh(self, a: Positions, b: Positions) -> Weighed:
        """What all conditions together say of each pair of positions."""
        return weighed_together((one.weigh(a, b) for one in self.comparisons), len(a))

    # Where to look

    @property
    def _falling_back(self) -> list[Comparison]:
        return [one for one in self.comparisons if one.condition.allow_fallback]

    @property
    def _strict(self) -> list[Comparison]:
        return [one for one in self.comparisons if not one.condition.allow_fallback]

    def _matching(self) -> Candidates:
        return find_candidates(self.comparisons, self._n, self._seed)

    def _possible(self, sorted_by: Comparison | None = None) -> Candidates:
        return find_candidates(self._strict, self._n, self._seed, sorted_by=sorted_by)

    def _shortlist(self, count: int) -> Candidates | None:
        """Few pairs that are sure to contain the best of each anchor, if that is known at once."""
        rest = [one for one in self.comparisons if not one.is_equality or one.is_graded]
        deciding = rest[0]
        strict = [one for one in self.comparisons if one is not deciding]
        sole = len(rest) == 1 and not any(one.condition.allow_fallback for one in strict)
        unordered = deciding.condition.allow_fallback and deciding.missing.any()
        if not sole or not deciding.is_numeric or unordered:
            return None
        # The score depends on one distance, and falls or grows with it all the way.
        candidates = self._possible(sorted_by=deciding)
        if deciding.condition.mode == "similar":
            return candidates.nearest(count)
        return candidates.farthest(count)

    # Looking

    def _draw(
        self, chosen: "_Chosen", candidates: Candidates, accepts: Accepts, *, most: Positions
    ) -> None:
        """Draw candidates at random, up to so many, while that is less work than to look at all."""
        drawn, width = 0, chosen.width + 1
        sizes = candidates.sizes
        while True:
            worthwhile = np.minimum(most, sizes // 4) >= max(drawn + width, _FEW // 4)
            open_ = chosen.unfinished(worthwhile)
            if not len(open_):
                return
            for anchors in _pieces(open_, np.full(len(open_), width)):
                owners = np.repeat(anchors, width)
                found = candidates.at_random(owners, self._random.random_sample(len(owners)))
                # The same one may have been drawn twice.
                _, first = np.unique(owners * self._n + found, return_index=True)
                first.sort()
                self._offer(chosen, owners[first], found[first], accepts, ranked=None)
            drawn += width
            width *= 2

    def _complete(
        self,
        chosen: "_Chosen",
        candidates: Candidates,
        restricting: Sequence[Comparison],
        wanted: "Wanted",
        *,
        ranked: bool,
    ) -> None:
        """Give the anchors that have too few partners the best there are, or any."""
        few = (candidates.sizes <= _MANY) & (candidates.sizes > 0)
        self._look(chosen, candidates, wanted.accepts, ranked=ranked, among=few)
        many = chosen.unfinished(candidates.sizes > _MANY)
        if not len(many):
            return
        rows, groups = pairable(restricting, self._n)
        boxes = Boxes(self.comparisons, rows, groups, self._seed)
        for anchors in np.array_split(many, -(-len(many) * _AT_A_LEAF // _AT_ONCE)):
            seeker = Seeker(boxes, anchors, self.weigh, self._random, ranked=ranked)
            seeker.start_with(chosen.of(anchors))
            seeker.seek(wanted.pairs, wanted.boxes)
            chosen.replace(anchors, seeker.partners)

    def _look(
        self,
        chosen: "_Chosen",
        candidates: Candidates,
        accepts: Accepts,
        *,
        ranked: bool,
        among: NDArray[np.bool_] | None = None,
    ) -> None:
        """Look at all candidates of the anchors that have too few partners so far."""
        open_ = chosen.unfinished(candidates.sizes > 0 if among is None else among)
        for anchors in _pieces(open_, candidates.sizes[open_]):
            self._offer(chosen, *candidates.all_of(anchors), accepts, ranked=ranked)

    def _offer(
        self,
        chosen: "_Chosen",
        owners: Positions,
        found: Positions,
        accepts: Accepts,
        *,
        ranked: bool | None,
    ) -> None:
        """Let each owner choose from what was found: the best, or at random, or in order (None)."""
        weighed = self.weigh(owners, found)
        wanted = accepts(weighed) & (weighed.scores > 0) & (owners != found)
        wanted &= ~chosen.has(owners, found)
        owners, found = owners[wanted], found[wanted]
        scores = weighed.scores[wanted]
        if ranked is not None:
            # Whatever matches scores more than what does not.
            keys = [self._random.random_sample(len(owners)), *([-scores] if ranked else [])]
            order = np.lexsort([*keys, owners])
            owners, found, scores = owners[order], found[order], scores[order]
        chosen.add(owners, found, scores)

    def _is_unbeaten(self, weighed: Weighed) -> NDArray[np.bool_]:
        best = np.prod([one.condition.best_score for one in self.comparisons])
        return weighed.matches & (weighed.scores >= best)


class _Chosen:
    """The partners chosen so far."""

    def __init__(self, n: int, width: int) -> None:
        self.width = width
        self.partners = Partners(
            np.full((n, width), -1), np.zeros((n, width)), np.zeros(n, dtype=np.int64)
        )

    def of(self, anchors: Positions) -> Partners:
        positions, scores, counts = self.partners
        return Partners(positions[anchors], scores[anchors], counts[anchors])

    def unfinished(self, among: NDArray[np.bool_]) -> Positions:
        return np.flatnonzero(among & (self.partners.counts < self.width))

    def has(self, owners: Positions, found: Positions) -> NDArray[np.bool_]:
        """Which of these pairs were chosen already."""
        chosen = np.zeros(len(owners), dtype=bool)
        for column in self.partners.positions.T:
            chosen |= column[owners] == found
        return chosen

    def add(self, owners: Positions, found: Positions, scores: Floats) -> None:
        """The first ones of each owner, as many as it has room for; owners lie side by side."""
        partners = self.partners
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        sizes = np.diff(starts, append=len(owners))
        places = np.arange(len(owners)) - np.repeat(starts, sizes) + partners.counts[owners]
        room = places < self.width
        owners, places = owners[room], places[room]
        partners.positions[owners, places] = found[room]
        partners.scores[owners, places] = scores[room]
        partners.counts[:] += np.bincount(owners, minlength=len(partners.counts))

    def replace(self, anchors: Positions, partners: Partners) -> None:
        """Let these be the partners of the anchors."""
        for kept, new in zip(self.partners, partners, strict=True):
            kept[anchors] = new


def _enough(pairs: Positions) -> Positions:
    """After so many draws without success, going through the boxes is less work."""
    return np.sqrt(pairs).astype(np.int64)


def _pieces(anchors: Positions, sizes: Positions) -> Iterator[Positions]:
    """The anchors in pieces whose pairs can be held at once; one anchor at least."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(anchors):
        before = int(ends[start] - sizes[start])
        end = max(int(np.searchsorted(ends, before + _AT_ONCE, side="right")), start + 1)
        yield anchors[start:end]
        start = end


def _matched(weighed: Weighed) -> NDArray[np.bool_]:
    return weighed.matches


def _unmatched(weighed: Weighed) -> NDArray[np.bool_]:
    return ~weighed.matches


def _whatever(weighed: Weighed) -> NDArray[np.bool_]:
    return np.ones(len(weighed.scores), dtype=bool)


class Wanted(NamedTuple):
    """Which pairs are accepted, and what pairs, and at most all pairs in a box, are worth then."""

    accepts: Accepts
    pairs: Worth
    boxes: Worth


WHATEVER = Wanted(_whatever, lambda pairs: pairs.scores, lambda best: best.scores)
MATCHED = Wanted(
    _matched,
    lambda pairs: np.where(pairs.matches, pairs.scores, 0.0),
    lambda best: np.where(best.matches, best.scores, 0.0),
)
UNMATCHED = Wanted(
    _unmatched,
    lambda pairs: np.where(pairs.matches, 0.0, pairs.scores),
    lambda best: np.minimum(best.scores, BELOW_ONE),
)
