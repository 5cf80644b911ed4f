"""Taking rows and columns as views, and dividing rows into splits."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError, UnknownLabelError
from engine.features.schema import Selector
from engine.splitters import BaseSplitter, ConditionSplitter, RandomSplitter
from engine.splitters.condition import matching
from engine.warning import warn

if TYPE_CHECKING:
    from engine.features.view import FeatureSetView


class Selecting(ABC):
    """What a feature set and its views have in common: views of them can be taken.

    A view holds positions, no data. Splits that are registered belong to the feature set,
    whether they were made from it or from a view of it.
    """

    @abstractmethod
    def to_view(self) -> "FeatureSetView":
        """All rows and columns from here."""

    def filter(
        self, *, conditions: Mapping[str, Any], label: str | None = None
    ) -> "FeatureSetView":
        """The rows that meet all conditions.

        A condition on a column is a value to equal, a list or set to be in, or a predicate of one
        value or of the whole column. When nothing matches, a warning says so.
        """
        view = self.to_view()
        found = np.flatnonzero(matching(view, conditions))
        if not len(found):
            warn(f"No sample meets the conditions on {', '.join(conditions)}.")
        return view.take(found, label)

    def select(
        self,
        columns: Selector = None,
        *,
        features: Selector = None,
        targets: Selector = None,
        tags: Selector = None,
        rep: str | None = None,
        label: str | None = None,
    ) -> "FeatureSetView":
        """The same rows with fewer columns; a domain without a selector stays whole."""
        view = self.to_view()
        chosen = view.index.select(
            columns, features=features, targets=targets, tags=tags, rep=rep, fill=True
        )
        return view.with_columns([column.name for column in chosen], label)

    def take(
        self, rel_indices: Sequence[int] | NDArray[np.integer[Any]], label: str | None = None
    ) -> "FeatureSetView":
        """The rows at these positions, in this order."""
        view = self.to_view()
        positions = _checked_positions(rel_indices, view.n_samples)
        return view.with_rows(view.indices[positions], label)

    def take_sample_uuids(
        self, uuids: Iterable[str], *, label: str | None = None
    ) -> "FeatureSetView":
        """The samples with these ids, in the order of the ids."""
        view = self.to_view()
        places = {uuid: place for place, uuid in enumerate(view.get_sample_uuids().tolist())}
        try:
            return view.take([places[uuid] for uuid in uuids], label)
        except KeyError as error:
            raise UnknownLabelError("sample", str(error.args[0])) from None

    def take_intersection(
        self,
        other: "Selecting",
        *,
        order: Literal["self", "other"] = "self",
        label: str | None = None,
    ) -> "FeatureSetView":
        """The samples that both have, in the order in which one of them has them."""
        mine, theirs = self.to_view(), other.to_view()
        if order not in ("self", "other"):
            raise DataError(f"order is 'self' or 'other', not {order!r}.")
        if order == "self":
            return mine.with_rows(mine.indices[mine.is_in(theirs)], label)
        shared = theirs.with_rows(theirs.indices[theirs.is_in(mine)], None)
        if mine.source is theirs.source:
            return mine.with_rows(shared.indices, label)
        return mine.take_sample_uuids(shared.get_sample_uuids(), label=label)

    def take_difference(self, other: "Selecting", *, label: str | None = None) -> "FeatureSetView":
        """The samples that only this one has."""
        mine = self.to_view()
        return mine.with_rows(mine.indices[~mine.is_in(other.to_view())], label)

    # Splits

    def split(
        self, splitter: BaseSplitter, *, return_views: bool = False, register: bool = True
    ) -> "dict[str, FeatureSetView] | None":
        """Divide the rows; the splits are registered with the feature set unless told otherwise."""
        view = self.to_view()
        positions = splitter.split_rows(view)
        views = {label: view.take(rows, label) for label, rows in positions.items()}
        if register:
            view.source.add_splits(list(views.values()), within=view)
        return views if return_views else None

    def split_random(
        self,
        ratios: Mapping[str, float],
        *,
        group_by: str | Sequence[str] | None = None,
        stratify_by: str | Sequence[str] | None = None,
        strict_stratification: bool = False,
        seed: int = 13,
        return_views: bool = False,
        register: bool = True,
    ) -> "dict[str, FeatureSetView] | None":
        """Divide by chance and ratio; see `RandomSplitter`."""
        splitter = RandomSplitter(
            ratios,
            group_by=group_by,
            stratify_by=stratify_by,
            strict_stratification=strict_stratification,
            seed=seed,
        )
        return self.split(splitter, return_views=return_views, register=register)

    def split_by_condition(
        self,
        conditions: Mapping[str, Mapping[str, Any]],
        *,
        return_views: bool = False,
        register: bool = True,
    ) -> "dict[str, FeatureSetView] | None":
        """Divide by what the columns say; see `ConditionSplitter`."""
        by_label = {str(label): columns for label, columns in conditions.items()}
        splitter = ConditionSplitter(**by_label)
        return self.split(splitter, return_views=return_views, register=register)


def as_positions(positions: Any) -> NDArray[np.int64]:
    """Positions of samples as an array; refuses all that are none, such as masks."""
    array = np.asarray(positions)
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        mask = " For a mask, take numpy.flatnonzero(mask)." if array.dtype.kind == "b" else ""
        raise DataError(f"Positions are a flat list or array of whole numbers.{mask}")
    return array.astype(np.int64, copy=False)


def _checked_positions(positions: Any, length: int) -> NDArray[np.int64]:
    array = as_positions(positions)
    if not len(array):
        return array
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= length:
        raise DataError(
            f"Position {low if low < 0 else high} is out of range: there are {length} samples."
        )
    return array
