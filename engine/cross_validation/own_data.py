"""A fold's own feature sets, in a process that the fold does not run in."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.cross_validation.fold import Fold
    from engine.features import FeatureSet


class OwnData(Mapping[str, "FeatureSet"]):
    """The feature sets of one fold by label, made when they are first asked for.

    They are those that the fold has itself: the same rows in its splits, scalers fitted to them.
    """

    def __init__(self, fold: "Fold", sources: "Mapping[str, FeatureSet]") -> None:
        """`sources` are the bound feature sets as they are now: they must not change later."""
        self._fold = fold
        self._sources = sources
        self._made: dict[str, FeatureSet] = {}

    def __getitem__(self, label: str) -> "FeatureSet":
        if label not in self._made:
            self._made[label] = self._fold.own(self._sources[label])
        return self._made[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def as_they_are(fold: "Fold", context: object) -> "dict[str, FeatureSet]":
    """The feature sets that the folds divide, as they are now."""
    found = {}
    for binding in fold.bindings:
        source = binding.find(context)  # type: ignore[arg-type]  # an experiment's
        found[source.label] = source.copy(
            label=source.label, restore_splits=True, restore_scalers=True
        )
    return found
