"""The feature set: samples with features, targets and tags, and the splits of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from engine.context import ExperimentNode
from engine.errors import DataError, UnknownLabelError
from engine.features import frames
from engine.features.access import DataAccess
from engine.features.collection import SampleCollection
from engine.features.diagram import Diagram, mermaid
from engine.features.references import FeatureSetColumnReference, FeatureSetReference
from engine.features.scaling import ScalerRecord, Scaling
from engine.features.schema import (
    FEATURES,
    REP_RAW,
    TAGS,
    TARGETS,
    ColumnIndex,
    SampleSchema,
    Selector,
    as_list,
)
from engine.features.selecting import Selecting
from engine.features.view import FeatureSetView
from engine.warning import warn

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SplitOverlapWarning(UserWarning):
    """A new split shares samples with one that is there."""


class FeatureSet(ExperimentNode, DataAccess, Selecting, Scaling):
    """Samples in columns, each column a feature, a target or a tag.

    The raw columns never change; scaling adds transformed ones beside them. Equal sets are
    those with equal columns, whatever their labels and splits.
    """

    def __init__(
        self,
        label: str,
        collection: SampleCollection,
        *,
        node_id: str | None = None,
        register: bool = True,
    ) -> None:
        self._collection = collection
        self._splits: dict[str, NDArray[np.int64]] = {}
        self._scalers: list[ScalerRecord] = []
        super().__init__(label, node_id=node_id, register=register)

    # Making

    @classmethod
    def from_dict(
        cls,
        label: str,
        data: Mapping[str, Sequence[Any]],
        feature_keys: str | Sequence[str],
        target_keys: str | Sequence[str] = (),
        tag_keys: str | Sequence[str] | None = None,
    ) -> "FeatureSet":
        """From columns of equal length: lists, arrays or tensors, one row per sample."""
        columns = SampleSchema(feature_keys, target_keys, as_list(tag_keys)).columns()
        for key in columns.values():
            if key not in data:
                raise UnknownLabelError("column", str(key), map(str, data))
        collection = SampleCollection.from_columns(
            {name: data[key] for name, key in columns.items()}
        )
        return cls(label, collection)

    @classmethod
    def from_pandas(
        cls,
        label: str,
        df: pd.DataFrame,
        feature_cols: str | Sequence[str],
        target_cols: str | Sequence[str] = (),
        group_by: str | Sequence[str] | None = None,
        tag_cols: str | Sequence[str] | None = None,
        sort_by: str | Sequence[str] | None = None,
    ) -> "FeatureSet":
        """From a DataFrame, one sample per row; its index is ignored.

        With `group_by`, one sample per group, the groups in ascending order: features and targets
        become arrays over the group's rows, in the order of `sort_by`; a tag stays one value
        where it is the same throughout each group.
        """
        columns = SampleSchema(feature_cols, target_cols, as_list(tag_cols)).columns()
        frames.check_columns(df, [*columns.values(), *as_list(group_by), *as_list(sort_by)])
        if group_by is None:
            values = {name: df[key] for name, key in columns.items()}
        else:
            values = frames.grouped(df, columns, by=as_list(group_by), sort_by=as_list(sort_by))
        return cls(label, SampleCollection.from_columns(values))

    from_df = from_pandas

    @classmethod
    def from_pyarrow_table(
        cls, label: str, table: pa.Table, schema: SampleSchema | None = None, **kwargs: Any
    ) -> "FeatureSet":
        """From an Arrow table, without a copy where its types allow.

        Without a schema, its columns carry full names, as `to_arrow` gives them; the samples'
        ids come along then.
        """
        return cls(label, SampleCollection.from_table(table, schema), **kwargs)

    # Itself

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

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(self.index.keys(of))} {of}" for of in (FEATURES, TARGETS, TAGS))
        return f"{self._name}: {self.n_samples} samples, {counts}"

    @property
    def _name(self) -> str:
        return f"FeatureSet {self.label!r}"

    def _more_to_say(self) -> dict[str, str]:
        return {
            "splits": ", ".join(f"{name} ({len(rows)})" for name, rows in self._splits.items()),
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

    def copy(
        self,
        *,
        label: str | None = None,
        share_raw_data_buffer: bool = True,
        restore_splits: bool = False,
        restore_scalers: bool = False,
        register: bool = False,
    ) -> "FeatureSet":
        """Another set with the same samples: raw columns only, unless splits or scalings come too.

        Columns never change, so sharing them is safe.
        """
        if restore_scalers and not restore_splits:
            raise DataError("restore_scalers needs restore_splits: scalers are fitted to splits.")
        raw = [column.name for column in self.index.columns if column.rep == REP_RAW]
        names = None if restore_scalers else raw
        rows = None if share_raw_data_buffer else np.arange(self.n_samples)
        copied = type(self)(
            label or f"{self.label}_copy", self._collection.take(rows, names), register=register
        )
        if restore_splits:
            copied._splits = dict(self._splits)  # noqa: SLF001 - one of our own
        if restore_scalers:
            copied._scalers = list(self._scalers)  # noqa: SLF001 - as above
        return copied

    # State

    def get_config(self) -> dict[str, Any]:
        return {"label": self.label}

    @classmethod
    def from_config(cls, config: dict[str, Any], *, register: bool = True) -> "FeatureSet":
        """An empty set, to be filled by `set_state`."""
        return cls(config["label"], SampleCollection(pa.table({})), register=register)

    def get_state(self) -> dict[str, Any]:
        """All columns and ids as an Arrow table, the splits' rows, and the fitted scalers."""
        return {
            "table": self.to_arrow(),
            "splits": dict(self._splits),
            "scalers": [record.get_state() for record in self._scalers],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self._collection = SampleCollection.from_table(state["table"], None)
        self._splits = dict(state["splits"])
        self._scalers = [ScalerRecord.from_state(record) for record in state["scalers"]]

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
        if split_name not in self._splits:
            raise UnknownLabelError("split", split_name, self._splits)
        return FeatureSetView.from_featureset(self, rows=self._splits[split_name], label=split_name)

    def __getitem__(self, split_name: str) -> FeatureSetView:
        return self.get_split(split_name)

    def add_split(self, split: FeatureSetView) -> None:
        """Register a view of this set under its label; warns if it shares samples with another."""
        self.add_splits([split])

    def add_splits(
        self, splits: Sequence[FeatureSetView], *, within: FeatureSetView | None = None
    ) -> None:
        """Register several at once: all of them, or none.

        `within` is what they are parts of: that they share samples with it is no surprise.
        """
        for split in splits:
            self._check_split(split)
        for split in splits:
            for name, rows in self._splits.items():
                if within is None or rows is not within.indices:
                    self._warn_of_overlap(split, name)
            self._splits[str(split.label)] = split.indices

    def clear_splits(self) -> None:
        self._splits.clear()

    def _check_split(self, split: FeatureSetView) -> None:
        if split.source is not self:
            raise DataError(f"{split!r} is not a view of {self.label!r}.")
        if not split.label:
            raise DataError("A split needs a label.")
        if split.label in self._splits:
            raise DataError(
                f"{self.label!r} has a split {split.label!r} already; use another label, or "
                "clear_splits() first."
            )

    def _warn_of_overlap(self, split: FeatureSetView, name: str) -> None:
        shared = int(split.is_in(self.get_split(name)).sum())
        if shared:
            warn(
                f"Split {split.label!r} shares {shared} samples with split {name!r}.",
                SplitOverlapWarning,
            )

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

    def _feature_set_class(self) -> "type[FeatureSet]":
        return type(self)
