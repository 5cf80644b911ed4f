"""The feature set: samples with features, targets and tags, and the splits of them."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError, UnknownLabelError
from engine.features.access import DataAccess
from engine.features.collection import SampleCollection
from engine.features.diagram import Diagram, mermaid
from engine.features.making import Making
from engine.features.references import FeatureSetColumnReference, FeatureSetReference
from engine.features.scaling import Scaling
from engine.features.schema import FEATURES, TAGS, TARGETS, ColumnIndex, Selector
from engine.features.selecting import Selecting
from engine.features.showing import counted, listed
from engine.features.view import FeatureSetView
from engine.warning import warn


class SplitOverlapWarning(UserWarning):
    """A new split shares samples with one that is there."""


class FeatureSet(Making, DataAccess, Selecting, Scaling):
    """Samples in columns, each column a feature, a target or a tag.

    The raw columns never change; scaling adds transformed ones beside them. Equal sets are
    those with equal columns, whatever their labels and splits.
    """

    # Itself

    @property
    def feature_set(self) -> Self:
        return self

    @property
    def collection(self) -> SampleCollection:
        return self._collection

    @property
    def index(self) -> ColumnIndex:
        return self._collection.index

    @property
    def rows(self) -> None:
        return None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the raw columns' content: equal for equal content, whatever the label."""
        return self._collection.fingerprint

    def to_view(self) -> FeatureSetView:
        return FeatureSetView.from_featureset(self, label=self.label)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeatureSet):
            return NotImplemented
        return self is other or self._collection == other._collection

    def __hash__(self) -> int:
        return hash(self._collection)

    @property
    def _name(self) -> str:
        return f"FeatureSet {self.label!r}"

    def _more_to_say(self) -> dict[str, str]:
        return {
            "splits": listed([f"{name} ({len(rows)})" for name, rows in self._splits.items()]),
            "scalers": ", ".join(
                f"{one.scaler_obj.name} of {one.domain}.{'+'.join(one.keys)}"
                + (f", fitted to {one.fit_split!r}" if one.fit_split else "")
                for one in self._scalers
            ),
        }

    def visualize(
        self,
        *,
        show_features: bool = True,
        show_targets: bool = True,
        show_tags: bool | str = "root",
        show_overlaps: bool = True,
    ) -> Diagram:
        """The set and its splits as a Mermaid diagram: text, which notebooks draw.

        Tags are shown everywhere, nowhere, or on the set itself only ("root").
        """
        if show_tags not in (True, False, "root"):
            raise DataError(f"show_tags is True, False or 'root', not {show_tags!r}.")
        shown = {FEATURES: show_features, TARGETS: show_targets, TAGS: bool(show_tags)}
        return mermaid(
            self,
            [domain for domain, show in shown.items() if show],
            tags_on_splits=show_tags is True,
            show_overlaps=show_overlaps,
        )

    # Splits

    @property
    def available_splits(self) -> list[str]:
        return list(self._splits)

    @property
    def n_splits(self) -> int:
        return len(self._splits)

    @property
    def splits(self) -> dict[str, FeatureSetView]:
        return {name: self.get_split(name) for name in self._splits}

    def get_split(self, split_name: str) -> FeatureSetView:
        """The split's rows, with all columns that the set has by now."""
        name = str(split_name)  # A ratio's label may be a number, which is a text from then on.
        if name not in self._splits:
            raise UnknownLabelError(f"split of {self.label!r} called", name, self._splits)
        return FeatureSetView.from_featureset(self, rows=self._splits[name], label=name)

    def __getitem__(self, split_name: str) -> FeatureSetView:
        return self.get_split(split_name)

    def __contains__(self, split_name: object) -> bool:
        return str(split_name) in self._splits

    # `len` counts samples and `[]` gives splits, so that there is no one thing to go through.
    __iter__ = None

    def add_split(self, split: FeatureSetView) -> None:
        """Register a view of this set under its label; warns if it shares samples with another."""
        self.add_splits([split])

    def add_splits(
        self, splits: Sequence[FeatureSetView], *, within: FeatureSetView | None = None
    ) -> None:
        """Register several at once: all of them, or none.

        `within` is what they are parts of: that they share samples with it is no surprise.
        """
        for place, split in enumerate(splits):
            self._check_split(split, taken=[*self._splits, *(one.label for one in splits[:place])])
        # A warning may be made an error, so the last of them comes before the first split.
        for message in self._overlaps(splits, within):
            warn(message, SplitOverlapWarning)
        self._splits |= {str(split.label): split.indices for split in splits}

    def clear_splits(self) -> None:
        self._splits.clear()

    def resplit(self, splits: Mapping[str, NDArray[np.int64]]) -> Self:
        """A copy in which these splits have these rows, and scalers are fitted to its own splits.

        It keeps the label, so as to stand for this set in another context, and is registered
        nowhere.
        """
        copied = self.copy(label=self.label, restore_splits=True)
        for name, rows in splits.items():
            checked = FeatureSetView.from_featureset(copied, rows=rows).indices
            copied._splits[name] = checked  # noqa: SLF001 - one of our own
        copied._collection = self._collection.without_columns(self._scaled_here())  # noqa: SLF001 - as above
        copied.apply_scalers(self._scalers)
        return copied

    def _check_split(self, split: FeatureSetView, taken: Sequence[str | None]) -> None:
        if split.source is not self:
            raise DataError(f"{split!r} is not a view of {self.label!r}.")
        if not split.label:
            raise DataError("A split needs a label.")
        if split.label in self._splits:
            raise DataError(
                f"{self.label!r} has a split {split.label!r} already; use another label, or "
                "clear_splits() first."
            )
        if split.label in taken:
            raise DataError(f"Two of the new splits of {self.label!r} are called {split.label!r}.")

    def _overlaps(
        self, splits: Sequence[FeatureSetView], within: FeatureSetView | None
    ) -> list[str]:
        """What there is to say of samples that the new splits share with others."""
        whole = None if within is None else within.indices
        others = [
            view
            for view in self.splits.values()
            if whole is None or not np.array_equal(view.indices, whole)
        ]
        messages = []
        for split in splits:
            for other in others:
                shared = int(split.is_in(other).sum())
                if shared:
                    messages.append(
                        f"Split {split.label!r} shares {counted(shared, 'samples')} with split "
                        f"{other.label!r}."
                    )
            others.append(split)
        return messages

    # References

    def reference(
        self,
        columns: list[str] | None = None,
        *,
        features: Selector = None,
        targets: Selector = None,
        tags: Selector = None,
        rep: str | None = None,
    ) -> FeatureSetReference:
        """A reference to these columns; a domain without a selector is referred to whole.

        It keeps the representations that the columns have now.
        """
        chosen = self.index.select(
            columns, features=features, targets=targets, tags=tags, rep=rep, fill=True
        )
        return FeatureSetReference.to_columns(self.label, chosen)

    def column_reference(
        self,
        column: str | None = None,
        *,
        feature: str | None = None,
        target: str | None = None,
        tag: str | None = None,
        rep: str | None = None,
    ) -> FeatureSetColumnReference:
        """A reference to exactly one column, named in one of four ways."""
        given = {None: column, FEATURES: feature, TARGETS: target, TAGS: tag}
        named = [(domain, text) for domain, text in given.items() if text is not None]
        if len(named) != 1:
            raise DataError("Name one column: as column, feature, target or tag.")
        domain, text = named[0]
        if domain is None:
            found = self.index.find_anywhere(text, rep)
        else:
            found = self.index.find(domain, text, rep)
        if len(found) > 1:
            listed = ", ".join(one.name for one in found)
            raise DataError(f"{text!r} means several columns: {listed}. Say which.")
        return FeatureSetColumnReference(*found[0], node_label=self.label, node_id=self.node_id)
