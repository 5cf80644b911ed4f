"""Columns as contiguous tensors, made once; a batch is an index or a slice of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.batches.order import Index, as_positions, index_length
from engine.errors import DataError
from engine.features.columns import Array
from engine.features.formats import DataFormat, check_fits, stack, tensor_type
from engine.features.references import FeatureSetReference
from engine.features.samples import SampleData
from engine.features.schema import SAMPLE_UUIDS, TAGS

if TYPE_CHECKING:
    from engine.features import FeatureSetView

Block = torch.Tensor | Array


class ColumnStore:
    """What a view holds of a reference's columns, as one block per domain, ready to be indexed.

    One column keeps its samples' shape, a plain value counting as (1,); several columns of one
    shape stand side by side: (n, k, *shape). Torch blocks hold int64 for whole numbers and
    float32 for all else, numpy blocks what the columns hold. Tags are always numpy.
    A block is made when it is first asked for; over a file that may be larger than memory, none is
    made, and rows are read when they are taken. Without a reference, it is all that the view has,
    in its newest representation.
    """

    __slots__ = ("_blocks", "device", "fmt", "reference", "view")

    def __init__(
        self,
        view: "FeatureSetView",
        reference: FeatureSetReference | None = None,
        *,
        fmt: str | DataFormat = DataFormat.TORCH,
        device: torch.device | str = "cpu",
    ) -> None:
        self.view = view
        self.reference = reference or FeatureSetReference.to_columns(
            view.source.label, view.index.select(fill=True)
        )
        self.fmt = DataFormat.from_value(fmt)
        if self.fmt not in (DataFormat.TORCH, DataFormat.NUMPY):
            raise DataError(f"Batches hold torch or numpy blocks, not {self.fmt.value!r}.")
        self.device = torch.device(device)
        self._blocks: dict[tuple[str, ...], Block] = {}

    def __len__(self) -> int:
        return self.view.n_samples

    @property
    def is_streamed(self) -> bool:
        """Whether rows are read anew each time, because there may be too many to keep."""
        return self.view.collection.is_mapped

    def block(self, columns: Sequence[str]) -> Block:
        """All rows of these columns, by full name, as one block."""
        names = tuple(columns)
        block = self._blocks.get(names)
        if block is None:
            block = self._blocks[names] = self._make_block(names)
        return block

    def take(self, columns: Sequence[str], index: Index) -> Any:
        """The rows of a block that the index means, in memory of their own."""
        if self.is_streamed:
            block = self._part(index).block(columns)
            # Into torch's own memory, which always lies alike: see RoleRows.
            return block.clone() if isinstance(block, torch.Tensor) else block
        return rows_of(self.block(columns), index)

    def _part(self, index: Index) -> "ColumnStore":
        return ColumnStore(self._rows(index), self.reference, fmt=self.fmt, device=self.device)

    def _rows(self, index: Index) -> "FeatureSetView":
        positions = as_positions(index)
        rows = np.where(positions < 0, -1, self.view.indices[positions])
        return self.view.with_rows(rows, None)

    def domain(self, name: str, index: Index) -> Any:
        """One domain of the rows that the index means; None if the reference has none of it."""
        if name == SAMPLE_UUIDS:
            return self._rows(index).get_sample_uuids()
        columns = self.reference.of_domain(name)
        if not columns:
            return None
        if name != TAGS:
            return self.take(columns, index)
        if self.is_streamed:
            return self._part(index)._tags(columns)  # noqa: SLF001 - one of our own
        positions = as_positions(index)
        tags = self._tags(columns)[positions]
        tags[positions < 0] = None if tags.dtype.kind == "O" else np.zeros((), tags.dtype)
        return tags

    def gather(self, index: Index) -> SampleData:
        """The samples at these positions of the view; each domain is taken when it is read."""
        return SampleData(source=StoreRows(self, index))

    def _make_block(self, names: tuple[str, ...]) -> Block:
        shapes = {name: self.view.collection.shape(name) or (1,) for name in names}
        if len(set(shapes.values())) > 1:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise DataError(
                f"Columns of different shapes do not fit into one block: {listed}. "
                "Refer to them one by one."
            )
        kinds = [self.view.collection.dtype(name) for name in names]
        if self.fmt is DataFormat.NUMPY:
            return self._side_by_side(shapes, np.result_type(*kinds))
        block = self._side_by_side(shapes, tensor_type(kinds, names))
        return torch.from_numpy(block).to(self.device)

    def _side_by_side(self, shapes: dict[str, tuple[int, ...]], kind: np.dtype[Any]) -> Array:
        name, shape = next(iter(shapes.items()))
        if len(shapes) == 1:
            values = self._values(name, kind).reshape(len(self), *shape)
            return np.asarray(values, dtype=kind, order="C")
        block = np.empty((len(self), len(shapes), *(shape if shape != (1,) else ())), dtype=kind)
        # One column at a time, so that no more than one is held twice.
        for place, name in enumerate(shapes):
            block[:, place] = self._values(name, kind).reshape(block[:, place].shape)
        return block

    def _values(self, name: str, kind: np.dtype[Any]) -> Array:
        values = self.view.values(name)
        if kind == np.int64:
            check_fits(values, name)
        return values

    def _tags(self, names: tuple[str, ...]) -> Array:
        tags = self._blocks.get(names)
        if tags is None:
            tags = self._blocks[names] = stack({name: self.view.values(name) for name in names})
        return tags  # type: ignore[return-value]  # tags are never tensors


class StoreRows:
    """Some rows of a store: what fills a SampleData's domains when they are read."""

    __slots__ = ("index", "store")

    def __init__(self, store: ColumnStore, index: Index) -> None:
        self.store = store
        self.index = index

    def get_domain_data(self, domain: str) -> Any:
        return self.store.domain(domain, self.index)

    @property
    def n_samples(self) -> int:
        return index_length(self.index)


def rows_of(block: Block, index: Index) -> Any:
    """The rows of a block that the index means, in memory of their own.

    A model may change its input in place, and that must not reach the block.
    """
    if isinstance(block, torch.Tensor):
        if isinstance(index, slice):
            return block[index].clone()
        if not isinstance(index, torch.Tensor):
            index = torch.from_numpy(index).to(block.device)
        # Half the cost of block[index] for the small batches of training.
        return block.index_select(0, index)
    return block[index].copy() if isinstance(index, slice) else block[as_positions(index)]
