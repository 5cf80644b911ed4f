"""Splits by chance and ratio; groups stay whole, strata are spread evenly."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.seeding import checked_seed, derive_seed, permutation
from engine.splitters.base import BaseSplitter
from engine.splitters.grouping import as_selectors, codes
from engine.splitters.proportions import apportioned, apportioned_by_stratum, exact_shares

if TYPE_CHECKING:
    from engine.splitters.base import Rows

Positions = NDArray[np.int64]


class RandomSplitter(BaseSplitter):
    """Divides all samples at random, so that each split gets its ratio of them, rounded.

    `group_by` keeps samples of equal values together: the sizes are then as near to the ratios
    as whole groups allow. `stratify_by` gives every split its ratio of each value, rounded up or
    down; `strict_stratification` refuses values too rare to be in every split. What is missing is
    a value like others. Which samples it chooses depends on their number, order and values in
    these columns, and on the seed, which must be a whole number from 0 on.
    """

    def __init__(
        self,
        ratios: Mapping[str, float],
        *,
        group_by: str | Sequence[str] | None = None,
        stratify_by: str | Sequence[str] | None = None,
        strict_stratification: bool = False,
        seed: int = 13,
    ) -> None:
        self.ratios = _checked_ratios(ratios)
        self.group_by = as_selectors(group_by)
        self.stratify_by = as_selectors(stratify_by)
        if self.group_by and self.stratify_by:
            raise DataError("group_by and stratify_by exclude each other; give one of them.")
        self.strict_stratification = strict_stratification
        self.seed = checked_seed(seed)

    def split_rows(self, rows: "Rows") -> dict[str, Positions]:
        alike = codes(rows, self.group_by or self.stratify_by)
        part: NDArray[np.integer[Any]]
        if self.group_by:
            part = self._by_group(alike)
        elif self.stratify_by:
            part = self._by_stratum(alike)
        else:
            part = self._by_row(rows.n_samples)
        positions = {label: np.flatnonzero(part == n) for n, label in enumerate(self.ratios)}
        self._refuse_empty(positions, rows.n_samples)
        if self.stratify_by and self.strict_stratification:
            self._refuse_missing_strata(positions, alike)
        return positions

    def get_config(self) -> dict[str, Any]:
        return {
            "ratios": dict(self.ratios),
            "group_by": self.group_by or None,
            "stratify_by": self.stratify_by or None,
            "strict_stratification": self.strict_stratification,
            "seed": self.seed,
        }

    def get_state(self) -> dict[str, Any]:
        """The seed, which is all that chance depends on: dividing changes nothing."""
        return {"seed": self.seed}

    def set_state(self, state: dict[str, Any]) -> None:
        self.seed = checked_seed(state["seed"])

    def __repr__(self) -> str:
        options = {"group_by": self.group_by, "stratify_by": self.stratify_by}
        given = "".join(f", {name}={columns}" for name, columns in options.items() if columns)
        strict = ", strict_stratification=True" if self.strict_stratification else ""
        return f"RandomSplitter({self.ratios}{given}{strict}, seed={self.seed})"

    def _by_row(self, n: int) -> NDArray[np.integer[Any]]:
        part = np.empty(n, dtype=np.int16)
        counts = apportioned(n, exact_shares(self.ratios))
        order, ends = permutation(n, self.seed), np.cumsum(counts)
        for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            part[order[start:end]] = number
        return part

    def _by_group(self, groups: Positions) -> NDArray[np.int64]:
        sizes = np.bincount(groups)
        order = permutation(len(sizes), self.seed)
        # A group goes where its middle lies when all groups stand in a row, in random order.
        middles = np.cumsum(sizes[order]) - sizes[order] / 2
        bounds = np.cumsum([float(share) for share in exact_shares(self.ratios)])[:-1] * len(groups)
        part_of_group = np.empty(len(sizes), dtype=np.int64)
        part_of_group[order] = np.searchsorted(bounds, middles, side="right")
        return part_of_group[groups]

    def _by_stratum(self, strata: Positions) -> Positions:
        order = permutation(int(strata.max(initial=0)) + 1, derive_seed(self.seed, "strata"))
        counts = apportioned_by_stratum(strata, exact_shares(self.ratios), order)
        # Samples stand in a row, stratum by stratum, at random within each, so a stratum's first
        # ones are as good as any.
        shuffled = permutation(len(strata), self.seed)
        row = shuffled[np.argsort(strata[shuffled], kind="stable")]
        part = np.empty(len(strata), dtype=np.int64)
        part[row] = np.repeat(np.tile(np.arange(len(self.ratios)), len(counts)), counts.ravel())
        return part

    def _refuse_empty(self, positions: dict[str, Positions], n: int) -> None:
        for label, chosen in positions.items():
            if not len(chosen):
                units = f"groups of {self.group_by}" if self.group_by else "samples"
                raise DataError(
                    f"Split {label!r} (ratio {self.ratios[label]}) would be empty: there are too "
                    f"few {units} among the {n} rows."
                )

    def _refuse_missing_strata(self, positions: dict[str, Positions], strata: Positions) -> None:
        n_strata = int(strata.max()) + 1
        for label, chosen in positions.items():
            present = np.unique(strata[chosen])
            if len(present) < n_strata:
                absent = np.setdiff1d(np.arange(n_strata), present)
                raise DataError(
                    f"Split {label!r} gets none of {len(absent)} of the {n_strata} values of "
                    f"{self.stratify_by}: they are too rare (the first is that of row "
                    f"{int(np.argmax(strata == absent[0]))})."
                )


def _checked_ratios(ratios: Mapping[str, float]) -> dict[str, float]:
    checked = {str(label): float(ratio) for label, ratio in ratios.items()}
    for label, ratio in checked.items():
        if not 0 < ratio <= 1:
            raise DataError(f"The ratio of split {label!r} is {ratio}; it must be in (0, 1].")
    total = math.fsum(checked.values())
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise DataError(f"The ratios add up to {total:g}, not to 1: {checked}.")
    return checked
