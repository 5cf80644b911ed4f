"""A view: rows and columns of a feature set, by position."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.context import resolve_node
from engine.errors import DataError, UnknownLabelError
from engine.features.access import DataAccess
from engine.features.collection import SampleCollection
from engine.features.schema import ColumnIndex
from engine.features.selecting import Selecting, as_positions

if TYPE_CHECKING:
    from engine.features.feature_set import FeatureSet


class FeatureSetView(DataAccess, Selecting):
    """Rows and columns of a feature set; -1 among the indices is a padded row.

    A view never changes: its indices are read-only and its own.
    """

    def __init__(
        self,
        source: "FeatureSet",
        indices: "Sequence[int] | NDArray[np.integer[Any]]",
        columns: Sequence[str],
        label: str | None = None,
    ) -> None:
        rows = frozen(as_positions(indices))
        if len(rows) and (rows.min() < -1 or rows.max() >= source.n_samples):
            raise DataError(
                f"A view's indices lie between 0 and {source.n_samples - 1}, -1 is padding."
            )
        known = source.collection.index
        for name in columns:
            if name not in known.names:
                raise UnknownLabelError("column", name, known.names)
        self._source, self._label = source, label
        self._indices, self._columns = rows, tuple(columns)

    @property
    def source(self) -> "FeatureSet":
        return self._source

    @property
    def indices(self) -> NDArray[np.int64]:
        """The set's rows that are seen, in order; read-only."""
        return self._indices

    @property
    def columns(self) -> list[str]:
        """The full names of the columns that are seen."""
        return list(self._columns)

    @property
    def label(self) -> str | None:
        return self._label

    @classmethod
    def from_featureset(
        cls,
        fs: "FeatureSet",
        *,
        rows: "Sequence[int] | NDArray[np.integer[Any]] | None" = None,
        columns: list[str] | None = None,
        label: str | None = None,
    ) -> "FeatureSetView":
        """A view of these rows and columns, by default of all."""
        indices = np.arange(fs.n_samples) if rows is None else rows
        names = fs.collection.index.names if columns is None else columns
        return cls(fs, indices, names, label)

    @property
    def feature_set(self) -> "FeatureSet":
        return self._source

    @property
    def collection(self) -> SampleCollection:
        return self._source.collection

    @cached_property
    def index(self) -> ColumnIndex:
        return ColumnIndex(self._columns)

    @property
    def rows(self) -> NDArray[np.int64]:
        return self._indices

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
        return FeatureSetView(self.source, indices, self._columns, label)

    def with_columns(self, columns: Sequence[str], label: str | None) -> "FeatureSetView":
        """The same rows with other columns of the feature set."""
        return FeatureSetView(self.source, self.indices, columns, label)

    def expand_columns(self, label: str | None = None) -> "FeatureSetView":
        """The same rows with all columns of the feature set."""
        label = label or (self.label and f"{self.label}_expanded")
        return self.with_columns(self.source.collection.index.names, label)

    # Sets of samples

    def is_in(self, other: Selecting) -> NDArray[np.bool_]:
        """For each row, whether the other view or set has the same sample; never for padding.

        Views of one feature set are compared by position, others by the samples' ids.
        """
        there = other.to_view()
        if self.source is not there.source:
            theirs = set(there.get_sample_uuids().tolist()) - {None}
            mine = self.get_sample_uuids().tolist()
            return np.fromiter((uuid in theirs for uuid in mine), bool, len(mine))
        # The extra place at the end is where -1 looks.
        present = np.zeros(self.source.n_samples + 1, dtype=bool)
        present[there.valid_indices] = True
        return present[self.indices]

    def is_disjoint_with(self, other: Selecting) -> bool:
        return not self.is_in(other).any()

    def get_overlap_with(self, other: Selecting) -> list[str]:
        """The ids of the samples that both have."""
        shared = self.with_rows(self.indices[self.is_in(other)], None)
        return list(dict.fromkeys(shared.get_sample_uuids().tolist()))

    # Configuration

    def get_config(self) -> dict[str, Any]:
        return {
            "source": self.source.label,
            "indices": self.indices.tolist(),
            "columns": self.columns,
            "label": self.label,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FeatureSetView":
        """The view that `get_config` described; its feature set is found in the active context."""
        source = resolve_node(config["source"], "FeatureSet")
        indices = np.asarray(config["indices"], dtype=np.int64)
        return cls(source, indices, list(config["columns"]), config["label"])

    @property
    def _name(self) -> str:
        named = f"{self.label!r} of " if self.label else ""
        return f"FeatureSetView {named}{self.source.label!r}"


def frozen(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """These positions, read-only; copied if anybody else could still change them."""
    # An array over memory of another kind, as Arrow's, has a base that is no array.
    owner: Any = rows if rows.base is None else rows.base
    if rows.flags.writeable or not isinstance(owner, np.ndarray) or owner.flags.writeable:
        rows = rows.copy()
        rows.flags.writeable = False
    return rows
