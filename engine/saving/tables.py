"""Arrow tables in Arrow's own stream format, never compressed: reading takes what is there."""

import struct
import sys
from collections.abc import Iterator
from typing import Any

from engine.errors import UnsavableError
from engine.saving.container import Pieces
from engine.saving.errors import UnreadableError
from engine.saving.region import Region

# Where the header of a message, and the compression of a record batch, stand in Arrow's
# flatbuffers: https://arrow.apache.org/docs/format/Columnar.html, Message.fbs
_HEADER_FIELD = 2
_COMPRESSION_FIELD = 3
_KINDS = {"schema", "record batch"}


def is_table(value: object) -> bool:
    """Whether this is an Arrow table."""
    # Whoever holds a table has imported pyarrow.
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(value, arrow.Table)


def pack_table(table: Any, place: str) -> Pieces:
    """The table's stream, in pieces that share its memory.

    `place` is where it stands, for the error.
    """
    import pyarrow as pa  # noqa: PLC0415 - most files hold no table

    for field in table.schema:
        if pa.types.is_dictionary(field.type) or pa.types.is_nested(field.type):
            raise UnsavableError(
                f"Cannot save {place}: its column {field.name!r} is of type {field.type}. "
                "Columns of plain values and fixed-shape tensors can be saved."
            )
    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), table.schema) as stream:
        stream.write_table(table)
    return Pieces.of(sink.pieces)


def unpack_table(region: Region) -> Any:
    """The table, in memory of its own; what Arrow would have to unpack is refused."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    buffer = pa.allocate_buffer(region.size)
    region.read_into(memoryview(buffer))
    try:
        _check_messages(buffer)
        with pa.ipc.open_stream(buffer) as stream:
            table = stream.read_all()
        table.validate(full=True)
    except (pa.ArrowException, struct.error, ValueError, OSError, EOFError) as error:
        raise UnreadableError(f"a table in it is malformed ({error})") from error
    return table


class _Sink:
    """A file for Arrow to write to, which keeps the columns' own memory instead of copies."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[memoryview] = []
        self._size = 0

    def write(self, piece: Any) -> int:
        self.pieces.append(memoryview(piece))
        self._size += self.pieces[-1].nbytes
        return self.pieces[-1].nbytes

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


def _check_messages(buffer: Any) -> None:
    import pyarrow as pa  # noqa: PLC0415 - as above

    for message in _each(pa.ipc.MessageReader.open_stream(buffer)):
        if message.type not in _KINDS:
            raise UnreadableError(f"a table in it holds a {message.type}, which is not ours")
        if message.type == "record batch" and _is_compressed(bytes(message.metadata)):
            raise UnreadableError("a table in it is compressed, which is not ours")


def _each(messages: Any) -> Iterator[Any]:
    while True:
        try:
            yield messages.read_next_message()
        except StopIteration:
            return


def _is_compressed(message: bytes) -> bool:
    root = _follow(message, 0)
    header = _field(message, root, _HEADER_FIELD)
    if not header:
        raise UnreadableError("a table in it holds a batch without a header")
    return bool(_field(message, _follow(message, header), _COMPRESSION_FIELD))


def _follow(message: bytes, place: int) -> int:
    """Where the offset that stands at `place` leads."""
    return place + int(struct.unpack_from("<I", message, place)[0])


def _field(message: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table stands; 0 if it is left out."""
    fields = table - int(struct.unpack_from("<i", message, table)[0])
    size = int(struct.unpack_from("<H", message, fields)[0])
    entry = 4 + 2 * number
    if entry >= size:
        return 0
    offset = int(struct.unpack_from("<H", message, fields + entry)[0])
    return table + offset if offset else 0
