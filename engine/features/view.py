"""A view: rows and columns of a feature set, by position."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.context import resolve_node
from engine.errors import DataError, UnknownLabelError
from engine.features.access import DataAccess
from engine.features.collection import SampleCollection
from engine.features.schema import ColumnIndex
from engine.features.selecting import Selecting

if TYPE_CHECKING:
    from engine.features.feature_set import FeatureSet


@dataclass(frozen=True, eq=False)
class FeatureSetView(DataAccess, Selecting):
    """Rows and columns of a feature set; -1 among the indices is a padded row."""

    source: "FeatureSet"
    indices: NDArray[np.int64]
    columns: list[str]
    label: str | None = None

    def __post_init__(self) -> None:
        indices = np.asarray(self.indices, dtype=np.int64)
        if len(indices) and (indices.min() < -1 or indices.max() >= self.source.n_samples):
            raise DataError(
                f"A view's indices lie between 0 and {self.source.n_samples - 1}, -1 is padding."
            )
        known = self.source.collection.index.names
        for name in self.columns:
            if name not in known:
                raise UnknownLabelError("column", name, known)
        object.__setattr__(self, "indices", indices)

    @classmethod
    def from_featureset(
        cls,
        fs: "FeatureSet",
        *,
        rows: NDArray[np.int64] | None = None,
        columns: list[str] | None = None,
        label: str | None = None,
    ) -> "FeatureSetView":
        """A view of these rows and columns, by default of all."""
        indices = np.arange(fs.n_samples) if rows is None else rows
        names = list(fs.collection.index.names) if columns is None else columns
        return cls(fs, indices, names, label)

    @property
    def collection(self) -> SampleCollection:
        return self.source.collection

    @cached_property
    def index(self) -> ColumnIndex:
        return ColumnIndex(self.columns)

    @property
    def rows(self) -> NDArray[np.int64]:
        return self.indices

    @property
    def fingerprint(self) -> str:
        """Equal for the same samples in the same order, of equal sets; whatever the columns."""
        rows = hashlib.sha256(self.indices.astype("<i8").tobytes())
        rows.update(self.source.fingerprint.encode())
        return rows.hexdigest()

    @property
    def valid_indices(self) -> NDArray[np.int64]:
        """The indices without padding."""
        return self.indices[self.indices >= 0]

    def to_view(self) -> "FeatureSetView":
        return self

    def with_rows(self, indices: NDArray[np.int64], label: str | None) -> "FeatureSetView":
        """The same columns of other rows of the feature set."""
        return FeatureSetView(self.source, indices, self.columns, label)

    def with_columns(self, columns: list[str], label: str | None) -> "FeatureSetView":
        """The same rows with other columns of the feature set."""
        return FeatureSetView(self.source, self.indices, columns, label)

    def expand_columns(self, label: str | None = None) -> "FeatureSetView":
        """The same rows with all columns of the feature set."""
        names = list(self.source.collection.index.names)
        return self.with_columns(names, label or f"{self.label}_expanded")

    # Sets of samples

    def is_in(self, other: "FeatureSetView") -> NDArray[np.bool_]:
        """For each row, whether the other view has the same sample; never for padding.

        Views of one feature set are compared by position, others by the samples' ids.
        """
        if self.source is not other.source:
            theirs = set(other.get_sample_uuids().tolist()) - {None}
            mine = self.get_sample_uuids().tolist()
            return np.fromiter((uuid in theirs for uuid in mine), bool, len(mine))
        # The extra place at the end is where -1 looks.
        present = np.zeros(self.source.n_samples + 1, dtype=bool)
        present[other.valid_indices] = True
        return present[self.indices]

    def is_disjoint_with(self, other: "FeatureSetView") -> bool:
        return not self.is_in(other).any()

    def get_overlap_with(self, other: "FeatureSetView") -> list[str]:
        """The ids of the samples that both views have."""
        shared = self.with_rows(self.indices[self.is_in(other)], None)
        return list(dict.fromkeys(shared.get_sample_uuids().tolist()))

    # Configuration

    def get_config(self) -> dict[str, Any]:
        return {
            "source": self.source.label,
            "indices": self.indices.tolist(),
            "columns": list(self.columns),
            "label": self.label,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FeatureSetView":
        """The view that `get_config` described; its feature set is found in the active context."""
        source = resolve_node(config["source"], "FeatureSet")
        indices = np.asarray(config["indices"], dtype=np.int64)
        return cls(source, indices, list(config["columns"]), config["label"])

    # The dataclass would make one of its own.
    __repr__ = DataAccess.__repr__

    @property
    def _name(self) -> str:
        named = f"{self.label!r} of " if self.label else ""
        return f"FeatureSetView {named}{self.source.label!r}"

    def _feature_set_class(self) -> "type[FeatureSet]":
        return type(self.source)
