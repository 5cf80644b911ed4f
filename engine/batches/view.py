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
from engine.batches.stretches import RoleRows
from engine.errors import DataError, UnknownLabelError
from engine.features.formats import DataFormat
from engine.features.references import FeatureSetReference
from engine.features.samples import SampleData
from engine.features.schema import FEATURES, TARGETS, Selector

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView


class BatchView:
    """Which samples a batch has: positions within a feature set or a view, by role.

    -1 is a padded row.
    """

    __slots__ = ("_indices", "n_samples", "role_indice_weights", "source")

    def __init__(
        self,
        source: "FeatureSet | FeatureSetView",
        role_indices: Mapping[str, Index],
        role_indice_weights: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        lengths = {role: index_length(index) for role, index in role_indices.items()}
        if len(set(lengths.values())) != 1:
            raise DataError(f"A batch needs roles of equal length, and these have {lengths}.")
        self.source = source
        self.role_indice_weights = role_indice_weights
        self.n_samples = next(iter(lengths.values()))
        self._indices = role_indices

    @property
    def store(self) -> ColumnStore | None:
        """What the samples can be taken from without making blocks anew."""
        return None

    @property
    def roles(self) -> list[str]:
        return list(self._indices)

    @property
    def role_indices(self) -> dict[str, Positions]:
        return {role: as_positions(self._index(role)) for role in self.roles}

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        roles = ", ".join(self.roles)
        return f"{type(self).__name__}({self.n_samples} samples, roles: {roles}) of {self.source!r}"

    @property
    def role_masks(self) -> dict[str, NDArray[np.int8]]:
        return {role: self.get_role_mask(role) for role in self.roles}

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
        """The samples themselves, as the store's reference has them."""
        raise DataError("This batch view has no store; use materialize_batch().")

    def take(self, columns: Sequence[str], role: str = DEFAULT_ROLE) -> Any:  # noqa: ARG002 - there is nothing to take from
        """These columns of the role's samples as one block, whatever the store's reference."""
        raise DataError("This batch view has no store; use materialize_batch().")

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
        view = self.source.to_view()
        selected = view.index.select(
            columns, features=features, targets=targets, tags=tags, rep=rep, fill=True
        )
        reference = FeatureSetReference.to_columns(view.source.label, selected)
        if node is not None:
            reference = node.upstream_ref
        data = {}
        for role in self.roles:
            rows = self.get_role_view(role)
            data[role] = ColumnStore(rows, reference, fmt=fmt).gather(slice(0, len(rows)))
        return Batch(self.n_samples, data, None, self.role_indice_weights, self.role_masks)

    def _index(self, role: str) -> Index:
        if role not in self._indices:
            raise UnknownLabelError("role", role, self._indices)
        return self._indices[role]


class BatchViews(Sequence["StoredBatchView"]):
    """An order's batches by number, taken from a store."""

    __slots__ = ("_sizes", "_weighted", "order", "rows", "store")

    def __init__(self, store: ColumnStore, order: BatchOrder) -> None:
        self.store = store
        self.order = order
        self.rows = {role: RoleRows(store, order, role) for role in order.role_names}
        self._sizes = order.sizes.tolist()
        self._weighted = order.is_weighted

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, batch: Any) -> Any:
        if isinstance(batch, slice):
            return [self[number] for number in range(*batch.indices(len(self)))]
        weights = self.order.weights(batch) if self._weighted else None
        return StoredBatchView(self, range(len(self))[batch], self._sizes[batch], weights)


class StoredBatchView(BatchView):
    """One batch of an order, taken from a store when it is read."""

    __slots__ = ("_batch", "_number", "_views")

    def __init__(
        self,
        views: BatchViews,
        number: int,
        n_samples: int,
        weights: Mapping[str, NDArray[np.float32]] | None,
    ) -> None:
        self.source = views.store.view
        self.role_indice_weights = weights
        self.n_samples = n_samples
        self._views = views
        self._number = number
        self._batch: Batch | None = None

    @property
    def store(self) -> ColumnStore:
        return self._views.store

    @property
    def roles(self) -> list[str]:
        return list(self._views.rows)

    def is_beside(self, other: object) -> bool:
        """Whether both are the same batch of one order: so are their rows, without looking."""
        if not isinstance(other, StoredBatchView):
            return False
        number, views = other._number, other._views  # noqa: SLF001 - one of our own
        return self._number == number and self._views.order is views.order

    @property
    def batch(self) -> Batch:
        if self._batch is None:
            views, number = self._views, self._number
            data = {
                role: SampleData(source=RoleOfBatch(views, number, role)) for role in views.rows
            }
            masks = self.role_masks if views.order.is_padded else None
            self._batch = Batch(self.n_samples, data, None, self.role_indice_weights, masks)
        return self._batch

    def take(self, columns: Sequence[str], role: str = DEFAULT_ROLE) -> Any:
        rows = self._views.rows.get(role)
        if rows is None:
            raise UnknownLabelError("role", role, self._views.rows)
        return rows.take(tuple(columns), self._number)

    def _index(self, role: str) -> Index:
        if role not in self._views.rows:
            raise UnknownLabelError("role", role, self._views.rows)
        return self._views.rows[role].index(self._number)


class RoleOfBatch:
    """What fills the domains of one role's samples when they are read."""

    # It does not know the batch view, which knows it: a circle would keep every batch's tensors
    # alive until Python's collector comes round.
    __slots__ = ("_number", "_role", "_views")

    def __init__(self, views: BatchViews, number: int, role: str) -> None:
        self._views = views
        self._number = number
        self._role = role

    def get_domain_data(self, domain: str) -> Any:
        """None if the store's reference has none of this domain."""
        store, rows = self._views.store, self._views.rows[self._role]
        if domain not in (FEATURES, TARGETS):
            return store.domain(domain, rows.index(self._number))
        columns = store.reference.of_domain(domain)
        return rows.take(columns, self._number) if columns else None

    @property
    def n_samples(self) -> int:
        return index_length(self._views.rows[self._role].index(self._number))


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

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}: {len(views)}" for name, views in self._streams.items())
        return f"SampledView(batches by stream: {listed})"
