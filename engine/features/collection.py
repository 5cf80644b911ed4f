"""The table behind a feature set: columns that never change, and the samples' ids."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DataError, UnknownLabelError
from engine.features.chunks import ColumnPieces, take
from engine.features.columns import (
    Array,
    adopt,
    numpy_type,
    row_shape,
    single_chunk,
    to_arrow,
    to_numpy,
)
from engine.features.identity import SampleIds, StoredIds, fingerprint, restored_ids
from engine.features.mapped import MappedFile, columns_in_place
from engine.features.reading import of_file
from engine.features.schema import (
    FEATURES,
    REP_RAW,
    SAMPLE_UUIDS,
    TAGS,
    Column,
    ColumnIndex,
    SampleSchema,
    as_own,
)


class SampleCollection:
    """An immutable Arrow table whose columns are called `domain.key.rep`; one row is one sample."""

    def __init__(
        self,
        table: pa.Table,
        *,
        ids: SampleIds | None = None,
        mapped: MappedFile | None = None,
    ) -> None:
        if SAMPLE_UUIDS in table.column_names:
            ids = ids or StoredIds(_checked_ids(table))
            table = table.drop_columns([SAMPLE_UUIDS])
        self.table = table
        self.index = ColumnIndex(table.column_names)
        self._places = {name: place for place, name in enumerate(table.column_names)}
        self.ids = ids or SampleIds(lambda: self.fingerprint)
        self._mapped = mapped
        self._pieces: dict[str, ColumnPieces] = {}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> "SampleCollection":
        """Check and convert the values under each full name; the only door into a table."""
        columns = {name: columns[given] for name, given in as_own(columns).items()}
        arrays = {
            name: to_arrow(
                Column.parse(name).key,
                values,
                may_be_missing=Column.parse(name).domain == TAGS,
            )
            for name, values in columns.items()
        }
        _check_lengths(arrays)
        collection = cls(pa.table(arrays))
        _check_samples(collection)
        return collection

    @classmethod
    def from_table(cls, table: pa.Table, schema: SampleSchema | None) -> "SampleCollection":
        """From a table with full names, or with plain names and a schema that sorts them."""
        names = _checked_names(table, schema)
        collection = cls.from_columns({name: table[plain] for name, plain in names.items()})
        if SAMPLE_UUIDS in table.column_names:
            collection.ids = StoredIds(_checked_ids(table))
        return collection

    @classmethod
    def in_file(cls, path: Path, schema: SampleSchema | None) -> "SampleCollection":
        """Over an Arrow file that stays where it is; its columns are named as a table's."""
        mapped = MappedFile(path)
        with of_file(path):
            return cls._over(mapped, schema)

    @classmethod
    def _over(cls, mapped: MappedFile, schema: SampleSchema | None) -> "SampleCollection":
        names = _checked_names(mapped.table, schema)
        names = {name: names[given] for name, given in as_own(names).items()}
        ids = [SAMPLE_UUIDS] if SAMPLE_UUIDS in mapped.table.column_names else []
        mapped.check([*names.values(), *ids])
        table = columns_in_place(mapped.table, names)
        if ids:
            table = table.append_column(SAMPLE_UUIDS, _checked_ids(mapped.table))
        collection = cls(table, mapped=mapped)
        _check_samples(collection)
        return collection

    @property
    def is_mapped(self) -> bool:
        """Whether the columns lie in a file, and may be larger than memory."""
        return self._mapped is not None

    @property
    def n_samples(self) -> int:
        return int(self.table.num_rows)

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        return f"SampleCollection({self.n_samples} samples: {', '.join(self.index.names)})"

    @cached_property
    def fingerprint(self) -> str:
        """Equal for equal raw columns, in whatever order they are; scaled ones do not count."""
        raw = [column.name for column in self.index.columns if column.rep == REP_RAW]
        return self._fingerprint_of(raw)

    def _fingerprint_of(self, names: Iterable[str]) -> str:
        let_go = self._mapped.let_go if self._mapped else lambda: None
        return fingerprint(((name, self._column(name)) for name in names), let_go)

    def arrow(self, name: str) -> pa.Array:
        return single_chunk(self._column(name))

    def _column(self, name: str) -> pa.ChunkedArray:
        if name not in self._places:
            raise DataError(
                f"Column {name!r} is no longer there: its scaling was undone. Take the view or the "
                "reference anew."
            )
        return self.table.column(self._places[name])

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one sample's value in this column."""
        return row_shape(self.type(name))

    def type(self, name: str) -> pa.DataType:
        """The Arrow type of a column."""
        return self._column(name).type

    def dtype(self, name: str) -> np.dtype[Any]:
        """What the column is in numpy; of objects for text."""
        return numpy_type(self._column(name))

    def numpy(self, name: str) -> Array:
        """A column's values, read-only; numbers that lie in one piece without a copy."""
        return to_numpy(self.arrow(name))

    def gather(self, name: str, rows: NDArray[np.int64]) -> Array:
        """A column's values at these rows, in memory of their own."""
        if name not in self._pieces:
            self._pieces[name] = self._pieces_of(name)
        return self._pieces[name].take(rows)

    def _pieces_of(self, name: str) -> ColumnPieces:
        column, mapped = self._column(name), self._mapped
        if mapped is None:
            return ColumnPieces(column)
        return ColumnPieces(column, rows_of=mapped.rows_of, let_go=mapped.let_go)

    def with_columns(self, columns: Mapping[str, Array]) -> "SampleCollection":
        """The same samples with columns added or replaced, whose arrays nobody else may change."""
        table = self.table
        for name, values in columns.items():
            array = adopt(name, values)
            if name in table.column_names:
                table = table.set_column(table.column_names.index(name), name, array)
            else:
                table = table.append_column(name, array)
        return SampleCollection(table, ids=self.ids, mapped=self._mapped)

    def without_columns(self, names: Iterable[str]) -> "SampleCollection":
        table = self.table.drop_columns(list(names))
        return SampleCollection(table, ids=self.ids, mapped=self._mapped)

    def take(
        self, rows: NDArray[np.int64] | None = None, names: Iterable[str] | None = None
    ) -> "SampleCollection":
        """A collection of its own of these rows and columns, the ids kept."""
        table = self.table
        if names is not None:
            table = pa.table({name: self._column(name) for name in names})
        if rows is None:
            raw = {column for column in self.index.columns if column.rep == REP_RAW}
            whole = raw <= set(ColumnIndex(table.column_names).columns)
            ids = self.ids if whole else self.ids.take(None)
            return SampleCollection(table, ids=ids, mapped=self._mapped)
        taken = {name: take(table[name], rows) for name in table.column_names}
        return SampleCollection(pa.table(taken), ids=self.ids.take(rows))

    def as_own(self) -> "SampleCollection":
        """The same as what a set of its own consists of: samples, features, a raw column a key."""
        names = as_own(self.table.column_names)
        table = self.table.select(list(names.values())).rename_columns(list(names))
        collection = SampleCollection(table, ids=self.ids, mapped=self._mapped)
        _check_samples(collection)
        return collection

    def unshared(self) -> "SampleCollection":
        """The same in memory of its own."""
        rows = np.arange(self.n_samples)
        copied = {name: take(self.table[name], rows) for name in self.table.column_names}
        return SampleCollection(pa.table(copied), ids=self.ids)

    def get_state(self) -> dict[str, Any]:
        """The table, and what the ids are if they do not follow from it."""
        return {"table": self.table, "ids": self.ids.get_state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "SampleCollection":
        """What `get_state` described, checked as any table is."""
        collection = cls.from_table(state["table"], None)
        collection.ids = restored_ids(state["ids"]) or collection.ids
        return collection

    def to_arrow(self) -> pa.Table:
        """The table with the samples' ids as its last column."""
        ids = self.ids.at(np.arange(self.n_samples))
        return self.table.append_column(SAMPLE_UUIDS, pa.array(ids, type=pa.string()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SampleCollection):
            return NotImplemented
        names = set(self.table.column_names)
        if names != set(other.table.column_names) or len(self) != len(other):
            return False
        return self._fingerprint_of(names) == other._fingerprint_of(names)

    def __hash__(self) -> int:
        # Never changes for a feature set: scaling adds columns, but no raw ones and no rows.
        raw = (column for column in self.index.columns if column.rep == REP_RAW)
        return hash((len(self), frozenset(raw)))


def _checked_names(table: pa.Table, schema: SampleSchema | None) -> dict[str, str]:
    """The plain column behind each full name; each is there, and once."""
    if schema is None:
        names = {name: name for name in table.column_names if name != SAMPLE_UUIDS}
    else:
        names = schema.columns()
    for plain in names.values():
        if plain not in table.column_names:
            raise UnknownLabelError("column", plain, table.column_names)
        if table.column_names.count(plain) > 1:
            raise DataError(f"The table has several columns named {plain!r}.")
    return names


def _check_samples(collection: SampleCollection) -> None:
    if not collection.n_samples:
        raise DataError("There are no rows: a feature set needs at least one sample.")
    if not collection.index.keys(FEATURES):
        raise DataError("A feature set needs at least one feature column.")


def _checked_ids(table: pa.Table) -> pa.ChunkedArray:
    ids = table[SAMPLE_UUIDS]
    if not pa.types.is_string(ids.type) or ids.null_count:
        raise DataError(
            f"{SAMPLE_UUIDS!r} holds the samples' ids, a text for each, and not {ids.type}."
        )
    return ids


def _check_lengths(arrays: Mapping[str, pa.Array]) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    for name, length in lengths.items():
        first, expected = next(iter(lengths.items()))
        if length != expected:
            key, first_key = Column.parse(name).key, Column.parse(first).key
            raise DataError(
                f"Column {key!r} has {length} rows, but column {first_key!r} has {expected}."
            )
