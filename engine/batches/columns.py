"""Columns as contiguous tensors, made once; a batch is an index or a slice of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.batches.order import Index, as_positions, index_length
from engine.batches.samples import SampleData
from engine.errors import DataError
from engine.features.columns import Array
from engine.features.formats import DataFormat, stack, tensor_type
from engine.features.references import FeatureSetReference
from engine.features.schema import SAMPLE_UUIDS, TAGS

if TYPE_CHECKING:
    from engine.features import FeatureSetView

Block = torch.Tensor | Array


class ColumnStore:
    """What a view holds of a reference's columns, as one block per domain, ready to be indexed.

    One column keeps its samples' shape, a plain value counting as (1,); several columns of one
    shape stand side by side: (n, k, *shape). Torch blocks hold int64 for whole numbers and
    float32 for all else, numpy blocks what the columns hold. Tags are always numpy.
    A block is made when it is first asked for.
    """

    __slots__ = ("_blocks", "_domains", "device", "fmt", "reference", "view")

    def __init__(
        self,
        view: "FeatureSetView",
        reference: FeatureSetReference | None = None,
        *,
        fmt: str | DataFormat = DataFormat.TORCH,
        device: torch.device | str = "cpu",
    ) -> None:
        self.view = view
        self.reference = reference or view.source.reference(columns=list(view.columns))
        self.fmt = DataFormat.from_value(fmt)
        if self.fmt not in (DataFormat.TORCH, DataFormat.NUMPY):
            raise DataError(f"Batches hold torch or numpy blocks, not {self.fmt.value!r}.")
        self.device = torch.device(device)
        self._blocks: dict[tuple[str, ...], Block] = {}
        self._domains: dict[str, Block] = {}

    def __len__(self) -> int:
        return self.view.n_samples

    def block(self, columns: Sequence[str]) -> Block:
        """All rows of these columns, by full name, as one block."""
        names = tuple(columns)
        block = self._blocks.get(names)
        if block is None:
            block = self._blocks[names] = self._make_block(names)
        return block

    def take(self, columns: Sequence[str], index: Index) -> Any:
        """The rows of a block that the index means; a slice shares the block's memory."""
        return _rows(self.block(columns), index)

    def domain(self, name: str, index: Index) -> Any:
        """One domain of the rows that the index means; None if the reference has none of it."""
        block = self._domains.get(name)
        if block is not None:
            return _rows(block, index)
        positions = as_positions(index)
        if name == SAMPLE_UUIDS:
            return self.view.with_rows(self.view.indices[positions], None).get_sample_uuids()
        columns = self.reference.of_domain(name)
        if not columns:
            return None
        if name == TAGS:
            return self._tags(columns)[positions]
        block = self._domains[name] = self.block(columns)
        return _rows(block, index)

    def gather(self, index: Index) -> SampleData:
        """The samples at these positions of the view; each domain is taken when it is read."""
        return SampleData(source=StoreRows(self, index))

    def _make_block(self, names: tuple[str, ...]) -> Block:
        arrays = [_per_row(self.view.values(name)) for name in names]
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) > 1:
            listed = ", ".join(
                f"{name} {array.shape[1:]}" for name, array in zip(names, arrays, strict=True)
            )
            raise DataError(
                f"Columns of different shapes do not fit into one block: {listed}. "
                "Refer to them one by one."
            )
        if self.fmt is DataFormat.NUMPY:
            return _side_by_side(arrays, np.result_type(*arrays))
        kind = tensor_type([array.dtype for array in arrays], names)
        return torch.from_numpy(_side_by_side(arrays, kind)).to(self.device)

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


def _rows(block: Block, index: Index) -> Any:
    if isinstance(index, slice):
        return block[index]
    if isinstance(block, torch.Tensor):
        if not isinstance(index, torch.Tensor):
            index = torch.from_numpy(index).to(block.device)
        # Half the cost of block[index] for the small batches of training.
        return block.index_select(0, index)
    return block.take(as_positions(index), axis=0)


def _per_row(values: Array) -> Array:
    return values[:, np.newaxis] if values.ndim == 1 else values


def _side_by_side(arrays: list[Array], kind: np.dtype[Any]) -> Array:
    first = arrays[0]
    if len(arrays) == 1:
        return np.array(first, dtype=kind, order="C", copy=True)
    plain = first.shape[1:] == (1,)
    block = np.empty((len(first), len(arrays), *(() if plain else first.shape[1:])), dtype=kind)
    for place, array in enumerate(arrays):
        block[:, place] = array[:, 0] if plain else array
    return block
