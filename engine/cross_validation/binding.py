"""How one feature set takes part in a cross-validation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.context import resolve_node
from engine.errors import DataError, PhaseError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetView
from engine.seeding import derive_seed
from engine.splitters import RandomSplitter

if TYPE_CHECKING:
    from engine.context import ExperimentContext

Rows = NDArray[np.int64]


class CVBinding:
    """The samples of a feature set that are folded, and the splits that each fold fills.

    The samples of `source_splits` are pooled; each fold divides them into the splits
    `train_split_name` and `val_split_name`, which phases refer to by name. Groups stay whole,
    strata are spread evenly. With `val_size` each fold draws its own share for validation; without,
    the folds are equal parts, so that every sample is validated exactly once.
    """

    def __init__(
        self,
        fs: str | FeatureSet,
        source_splits: list[str],
        *,
        group_by: str | list[str] | None = None,
        stratify_by: str | list[str] | None = None,
        train_split_name: str = "train",
        val_split_name: str = "val",
        val_size: float | None = None,
    ) -> None:
        self.feature_set_label = fs if isinstance(fs, str) else fs.label
        self.source_splits = _checked_splits(self.featureset, source_splits)
        if group_by and stratify_by:
            raise DataError("group_by and stratify_by exclude each other; give one of them.")
        self.group_by = group_by
        self.stratify_by = stratify_by
        self.train_split_name = train_split_name
        self.val_split_name = val_split_name
        if train_split_name == val_split_name:
            raise PhaseError(
                f"Training and validation need two splits, and both are {val_split_name!r}."
            )
        if val_size is not None and not 0 < val_size < 1:
            raise PhaseError(f"val_size is a share between 0 and 1, not {val_size!r}.")
        self.val_size = val_size

    @property
    def featureset(self) -> FeatureSet:
        """The feature set of this label in the active context."""
        return self.find()

    def find(self, ctx: "ExperimentContext | None" = None) -> FeatureSet:
        found: FeatureSet = resolve_node(self.feature_set_label, FeatureSet, ctx)
        return found

    def check_folds(self, n_folds: int) -> None:
        """PhaseError if one fold alone is to be validated on equal parts."""
        if self.val_size is None and n_folds < 2:
            raise PhaseError(
                f"{n_folds} fold cannot be both trained and validated on; give the binding of "
                f"{self.feature_set_label!r} a val_size."
            )

    def folds(self, feature_set: FeatureSet, n_folds: int, seed: int) -> list[dict[str, Rows]]:
        """For each fold the rows of the training and of the validation split, ascending.

        Feature sets with as many samples, of the same groups or strata, are folded alike.
        """
        self.check_folds(n_folds)
        pool = self._pool(feature_set)
        if self.val_size is None:
            return self._partitioned(pool, n_folds, seed)
        return [self._drawn(pool, self.val_size, seed, number) for number in range(n_folds)]

    def _pool(self, feature_set: FeatureSet) -> FeatureSetView:
        parts = [feature_set.get_split(name).indices for name in self.source_splits]
        rows = np.unique(np.concatenate(parts))
        return FeatureSetView.from_featureset(feature_set, rows=rows, label="pool")

    def _partitioned(self, pool: FeatureSetView, n_folds: int, seed: int) -> list[dict[str, Rows]]:
        ratios = {str(number): 1 / n_folds for number in range(n_folds)}
        parts = list(self._splitter(ratios, seed).split_rows(pool).values())
        return [
            self._named(
                pool, np.concatenate([*parts[:number], *parts[number + 1 :]]), parts[number]
            )
            for number in range(n_folds)
        ]

    def _drawn(
        self, pool: FeatureSetView, val_size: float, seed: int, number: int
    ) -> dict[str, Rows]:
        ratios = {"train": 1 - val_size, "val": val_size}
        parts = self._splitter(ratios, derive_seed(seed, "fold", number)).split_rows(pool)
        return self._named(pool, parts["train"], parts["val"])

    def _splitter(self, ratios: dict[str, float], seed: int) -> RandomSplitter:
        return RandomSplitter(
            ratios, group_by=self.group_by, stratify_by=self.stratify_by, seed=seed
        )

    def _named(self, pool: FeatureSetView, train: Rows, val: Rows) -> dict[str, Rows]:
        rows = pool.indices
        return {self.train_split_name: np.sort(rows[train]), self.val_split_name: rows[val]}

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal binding."""
        return {
            "fs": self.feature_set_label,
            "source_splits": list(self.source_splits),
            "group_by": self.group_by,
            "stratify_by": self.stratify_by,
            "train_split_name": self.train_split_name,
            "val_split_name": self.val_split_name,
            "val_size": self.val_size,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The binding that `get_config` described, of the feature set in the active context."""
        return cls(**config)

    def __repr__(self) -> str:
        return (
            f"CVBinding({self.feature_set_label!r}, {self.source_splits} -> "
            f"{self.train_split_name!r}, {self.val_split_name!r})"
        )


def _checked_splits(feature_set: FeatureSet, names: Sequence[str]) -> list[str]:
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise PhaseError(
            f"Name the splits of {feature_set.label!r} to fold: {feature_set.available_splits}."
        )
    for name in names:
        if name not in feature_set.available_splits:
            raise UnknownLabelError("split", name, feature_set.available_splits)
    return names
