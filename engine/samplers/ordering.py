"""How one epoch's samples are put in order and cut into batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.batches.order import Positions
from engine.errors import DataError
from engine.seeding import derive_seed, permutation


@dataclass(frozen=True)
class Samples:
    """What can be drawn: entry i takes position `roles[r][i]` of the source for each role r.

    -1 is a padded row. `identity` promises that every role's positions are 0, 1, 2, ...
    """

    roles: Mapping[str, Positions]
    weights: Mapping[str, NDArray[np.float32]] | None = None
    identity: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.roles.values())))

    def check(self, stream: str, sizes: Sequence[int], number: int) -> None:
        """Refuse what cannot be drawn from sources of these sizes."""
        if not 0 <= number < len(sizes):
            raise DataError(
                f"The stream {stream!r} draws from source {number}, and there are {len(sizes)}."
            )
        if not self.roles:
            raise DataError(f"The stream {stream!r} has no role.")
        lengths = {role: len(positions) for role, positions in self.roles.items()}
        lengths |= {f"weights of {role}": len(one) for role, one in (self.weights or {}).items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"The roles of the stream {stream!r} differ in length: {lengths}.")
        for role, positions in self.roles.items():
            low, high = positions.min(initial=-1), positions.max(initial=-1)
            if low < -1 or high >= sizes[number]:
                raise DataError(
                    f"The role {role!r} of the stream {stream!r} has position "
                    f"{low if low < -1 else high}, and its source has {sizes[number]} samples."
                )


@dataclass(frozen=True)
class Cut:
    """Entries in an order; batch i is `bounds[i]:bounds[i + 1]` of them."""

    entries: Positions
    bounds: Positions
    sequential: bool = False


def in_order(n: int, batch_size: int, *, drop_last: bool, seed: int | None) -> Cut:
    """All entries, shuffled if there is a seed; only the last batch may be shorter."""
    entries = np.arange(n) if seed is None else permutation(n, seed)
    return Cut(entries, _bounds(n, batch_size, drop_last=drop_last), sequential=seed is None)


def by_group(groups: Positions, batch_size: int, *, drop_last: bool, seed: int | None) -> Cut:
    """Batches of one group each; a group's last batch may be shorter, or is dropped."""
    entries = _within(groups, seed)
    pieces = []
    start = 0
    for size in np.bincount(groups).tolist():
        ends = start + _bounds(size, batch_size, drop_last=drop_last)
        pieces += [entries[a:b] for a, b in pairwise(ends)]
        start += size
    if seed is not None:
        order = permutation(len(pieces), derive_seed(seed, "batches"))
        pieces = [pieces[place] for place in order]
    bounds = np.cumsum([0, *(len(piece) for piece in pieces)])
    return Cut(np.concatenate([*pieces, np.empty(0, np.int64)]).astype(np.int64), bounds)


def by_proportion(strata: Positions, batch_size: int, *, drop_last: bool, seed: int | None) -> Cut:
    """Batches that mirror the proportions of the strata as nearly as whole samples can."""
    entries = _within(strata, seed)
    sizes = np.bincount(strata)
    starts = np.cumsum(sizes) - sizes
    codes = np.repeat(np.arange(len(sizes)), sizes)
    # Each stratum is spread evenly over the epoch, so every stretch has its share of it.
    places = (np.arange(len(strata)) - starts[codes] + 0.5) / sizes[codes]
    spread = entries[np.argsort(places, kind="stable")]
    return Cut(spread, _bounds(len(strata), batch_size, drop_last=drop_last))


def by_equal_shares(
    strata: Positions, batch_size: int, *, drop_last: bool, seed: int | None
) -> Cut:
    """Batches with the same number of every stratum; the epoch ends with the rarest one."""
    if not len(strata):
        return in_order(0, batch_size, drop_last=drop_last, seed=None)
    sizes = np.bincount(strata)
    share, rest = divmod(batch_size, len(sizes))
    if rest or not share:
        raise DataError(
            f"batch_size={batch_size} cannot be shared equally by {len(sizes)} values: take a "
            f"multiple of {len(sizes)}, or strict_stratification=False."
        )
    entries = _within(strata, seed)
    starts = np.cumsum(sizes) - sizes
    used = int(sizes.min()) // share * share if drop_last else int(sizes.min())
    # One row per draw from each stratum: `share` rows are a batch.
    drawn = np.stack([entries[start : start + used] for start in starts.tolist()], axis=1)
    bounds = _bounds(used, share, drop_last=drop_last) * len(sizes)
    return Cut(drawn.reshape(-1), bounds)


def _within(codes: Positions, seed: int | None) -> Positions:
    """The entries of one code after those of another, shuffled within each if there is a seed."""
    entries = np.arange(len(codes)) if seed is None else permutation(len(codes), seed)
    return entries[np.argsort(codes[entries], kind="stable")]


def _bounds(n: int, batch_size: int, *, drop_last: bool) -> Positions:
    ends = np.arange(0, n + 1, batch_size)
    return ends if drop_last or not n % batch_size else np.append(ends, n)
