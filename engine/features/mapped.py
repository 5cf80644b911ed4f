"""Arrow files larger than memory: looked at where they lie, and written part by part."""

import mmap
import os
import secrets
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DataError
from engine.features.columns import Array, as_tensors, holdable, row_shape, type_name
from engine.features.schema import TAGS, Column
from engine.features.values import missing_message

# Looking at one row of a file may bring up to 2 MB of it into memory. So rows that lie farther
# apart than this are read one by one, which brings nothing else.
_FAR_APART = 2**14


class MappedFile:
    """An Arrow file (IPC, uncompressed) whose columns are read where they lie, when they are read.

    What was looked at stays in memory until it is let go of, or until the system needs the room.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise DataError(f"{path} is a folder; an Arrow file is opened by its own name.")
        self._path = path
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        if not os.fstat(self._file).st_size:
            raise DataError(f"{path} is empty.")
        self._memory = mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
        self._buffer = pa.py_buffer(self._memory)
        try:
            self.table = self._table()
        except DataError:
            raise
        except Exception as error:
            # A damaged file makes Arrow raise almost anything.
            raise DataError(f"{path} cannot be read as an Arrow IPC file: {error}") from error

    def _table(self) -> pa.Table:
        file = pa.ipc.open_file(self._buffer)
        batches = [file.get_batch(number) for number in range(file.num_record_batches)]
        if not all(_lies_in(batch, self._buffer) for batch in batches):
            raise DataError(
                f"{self._path} is compressed and cannot be looked at where it lies; write it "
                "without compression, or read it into memory and use from_pyarrow_table()."
            )
        return pa.Table.from_batches(batches, file.schema)

    def check(self, names: Iterable[str]) -> None:
        """Refuse damaged columns: to look at texts that end beyond the file would end the process.

        Numbers need no look. Texts are read once.
        """
        for name in names:
            try:
                self.table[name].validate(full=True)
            except pa.ArrowException as error:
                raise DataError(f"The file is damaged in column {name!r}: {error}") from error
            self.let_go()

    def rows_of(self, values: Array, rows: NDArray[np.int64]) -> Array:
        """Some rows of values that lie in the file, in memory of their own."""
        start = values.__array_interface__["data"][0] - self._buffer.address
        if not 0 <= start < self._buffer.size or not len(rows):
            return values[rows]
        stride = values[:1].nbytes
        if int(rows.max() - rows.min() + 1) * stride < len(rows) * _FAR_APART:
            taken = values[rows]
            self.let_go()
            return taken
        read = [os.pread(self._file, stride, start + row * stride) for row in rows.tolist()]
        return np.frombuffer(bytearray().join(read), values.dtype).reshape(-1, *values.shape[1:])

    def let_go(self) -> None:
        """Give back the memory of what was looked at; it is read again when it is wanted again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)


def columns_in_place(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """The table under full names, once each column is known to be usable without a change."""
    columns = {}
    for name, plain in names.items():
        column = as_tensors(table[plain])
        key = Column.parse(name).key
        if not holdable(column.type):
            raise DataError(
                f"Column {key!r} lies in the file as {column.type}, which cannot be used in "
                "place. Write the file with write_arrow(), which converts it."
            )
        if column.null_count and Column.parse(name).domain != TAGS:
            raise DataError(missing_message(key, _first_missing(column)))
        columns[name] = column
    return pa.table(columns)


def write_table_parts(path: Path, parts: Iterable[pa.Table], *, overwrite: bool) -> Path:
    """Write tables one behind the other into one Arrow file, holding one at a time.

    The file is there whole or not at all. Every part must have the first one's columns and types.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} into.")
    aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with aside.open("xb") as file:
            _write_parts(file, parts)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path


def _write_parts(file: Any, parts: Iterable[pa.Table]) -> None:
    writer = None
    for number, part in enumerate(parts):
        if writer is None:
            schema = part.schema
            writer = pa.ipc.new_file(file, schema)
        if part.schema != schema:
            raise DataError(_other_schema(number, part.schema, schema))
        writer.write_table(part)
    if writer is None:
        raise DataError("There are no parts to be written.")
    writer.close()


def _other_schema(number: int, schema: pa.Schema, first: pa.Schema) -> str:
    for field in first:
        place = schema.get_field_index(field.name)
        kind = schema.field(place).type if place >= 0 else None
        if kind != field.type:
            return (
                f"Column {Column.parse(field.name).key!r} is {_in_words(kind)} in part {number}, "
                f"and {_in_words(field.type)} in part 0; all parts need one type and shape."
            )
    return f"Part {number} has its columns in another order than part 0."


def _in_words(kind: pa.DataType | None) -> str:
    if kind is None:
        return "missing"
    zone = getattr(kind, "tz", None)
    shape = row_shape(kind)
    return (
        type_name(kind) + (f" in {zone}" if zone else "") + (f" of shape {shape}" if shape else "")
    )


def _lies_in(batch: pa.RecordBatch, buffer: pa.Buffer) -> bool:
    buffers = [one for column in batch.columns for one in column.buffers() if one is not None]
    return all(
        buffer.address <= one.address <= one.address + one.size <= buffer.address + buffer.size
        or not one.size
        for one in buffers
    )


def _first_missing(column: pa.ChunkedArray) -> int:
    start = 0
    for piece in column.chunks:
        if piece.null_count:
            return start + int(piece.is_null().to_numpy(zero_copy_only=False).argmax())
        start += len(piece)
    raise AssertionError("Nothing is missing.")
