"""Batches before they hold any data: which positions of a view each one has."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.batches.batch import Batch
from engine.batches.columns import ColumnStore
from engine.batches.order import (
    DEFAULT_ROLE,
    BatchOrder,
    Index,
    Positions,
    as_positions,
    index_length,
)
from engine.errors import DataError, UnknownLabelError
from engine.features.formats import DataFormat
from engine.features.schema import Selector

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView
    from engine.features.references import FeatureSetReference


class BatchView:
    """Which samples a batch has: positions within a feature set or a view, by role.

    -1 is a padded row. Made by a store, it shares the store's blocks.
    """

    __slots__ = ("_batch", "_indices", "n_samples", "role_indice_weights", "source", "store")

    def __init__(
        self,
        source: "FeatureSet | FeatureSetView",
        role_indices: Mapping[str, Index],
        role_indice_weights: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        store: "ColumnStore | None" = None,
        n_samples: int | None = None,
    ) -> None:
        self.source = source
        self._indices = role_indices
        self.role_indice_weights = role_indice_weights
        self.store = store
        self._batch: Batch | None = None
        if n_samples is None:
            n_samples = index_length(next(iter(role_indices.values())))
        self.n_samples = n_samples

    @property
    def roles(self) -> list[str]:
        return list(self._indices)

    @property
    def role_indices(self) -> dict[str, Positions]:
        return {role: as_positions(index) for role, index in self._indices.items()}

    def __len__(self) -> int:
        return self.n_samples

    @property
    def role_masks(self) -> dict[str, NDArray[np.int8]]:
        return {role: self.get_role_mask(role) for role in self._indices}

    def get_role_mask(self, role: str) -> NDArray[np.int8]:
        """1 for a sample, 0 for a padded row."""
        return (as_positions(self._index(role)) >= 0).astype(np.int8)

    def get_role_view(self, role: str = DEFAULT_ROLE) -> "FeatureSetView":
        """The samples of a role as a view."""
        view = self.source.to_view()
        positions = as_positions(self._index(role))
        return view.with_rows(np.where(positions < 0, -1, view.indices[positions]), role)

    @property
    def batch(self) -> Batch:
        """The samples themselves, from the store's blocks."""
        if self._batch is None:
            if self.store is None:
                raise DataError("This batch view has no store; use materialize_batch().")
            self._batch = self._gathered(self.store)
        return self._batch

    def take(self, columns: Sequence[str], role: str = DEFAULT_ROLE) -> Any:
        """These columns of the role's samples, as one block, whatever the store's reference."""
        if self.store is None:
            raise DataError("This batch view has no store; use materialize_batch().")
        return self.store.take(columns, self._index(role))

    def materialize_batch(
        self,
        fmt: str | DataFormat = DataFormat.NUMPY,
        *,
        node: Any = None,
        columns: list[str] | None = None,
        features: Selector = None,
        targets: Selector = None,
        tags: Selector = None,
        rep: str | None = None,
    ) -> Batch:
        """The samples themselves, of the selected columns or of those that `node` refers to."""
        reference: FeatureSetReference
        if node is None:
            reference = self.source.to_view().source.reference(
                columns, features=features, targets=targets, tags=tags, rep=rep
            )
        else:
            reference = node.upstream_ref
        rows = [self.get_role_view(role) for role in self._indices]
        data = {
            view.label: ColumnStore(view, reference, fmt=fmt).gather(slice(0, len(view)))
            for view in rows
        }
        return Batch(self.n_samples, data, None, self.role_indice_weights, self.role_masks)  # type: ignore[arg-type]  # role views are labelled

    def _gathered(self, store: "ColumnStore") -> Batch:
        indices = self._indices
        data = {role: store.gather(index) for role, index in indices.items()}
        return Batch(self.n_samples, data, None, self.role_indice_weights)

    def _index(self, role: str) -> Index:
        if role not in self._indices:
            raise UnknownLabelError("role", role, self._indices)
        return self._indices[role]


class BatchViews(Sequence[BatchView]):
    """An order's batches by number, each an index into the store's blocks."""

    __slots__ = ("_by_role", "_order", "_sizes", "_store")

    def __init__(self, store: ColumnStore, order: BatchOrder) -> None:
        self._store = store
        self._order = order
        device = store.device if store.fmt is DataFormat.TORCH else "cpu"
        self._by_role = list(order.indices(device).items())
        self._sizes = order.sizes.tolist()

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, batch: Any) -> Any:
        if isinstance(batch, slice):
            return [self[number] for number in range(*batch.indices(len(self)))]
        store, order = self._store, self._order
        roles = {role: indices[batch] for role, indices in self._by_role}
        weights = order.weights(batch) if order.is_weighted else None
        return BatchView(store.view, roles, weights, store=store, n_samples=self._sizes[batch])


class SampledView:
    """What a sampler made of its sources: the batches of each of its streams."""

    def __init__(self, streams: Mapping[str, Sequence[BatchView]]) -> None:
        self._streams = {name: list(batches) for name, batches in streams.items()}

    def get_stream(self, name: str) -> list[BatchView]:
        if name not in self._streams:
            raise UnknownLabelError("stream", name, self._streams)
        return self._streams[name]

    @property
    def stream_names(self) -> list[str]:
        return list(self._streams)

    @property
    def num_streams(self) -> int:
        return len(self._streams)

    @property
    def num_batches(self) -> int:
        """How many steps there are: the batches of the shortest stream."""
        return min((len(batches) for batches in self._streams.values()), default=0)

    def to_dict(self) -> dict[str, list[BatchView]]:
        return dict(self._streams)
