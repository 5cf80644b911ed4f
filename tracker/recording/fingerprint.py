"""Naming data by its content: equal values, equal fingerprint, wherever and however they lie.

A table counts the same as pandas, Arrow or a mapping of columns. Column names and types
count, an index does not; neither does how Arrow has chunked, sliced or encoded a column.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.errors import InvalidError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

READ_BYTES = 1 << 20


@dataclass(frozen=True)
class DataIdentity:
    """What a run saw."""

    fingerprint: str
    rows: int  # of a directory: files
    columns: list[str]


def identify(data: Any) -> DataIdentity:
    """The identity of a DataFrame, Arrow table, array, tensor, mapping of columns, or path.

    InvalidError for anything else, and for columns that differ in length or hold objects
    without a value of their own.
    """
    if isinstance(data, (str, Path)):
        return _identify_files(Path(data))
    if isinstance(data, Mapping):
        return _identify_columns(data.items())
    if hasattr(data, "fingerprint") and hasattr(data, "get_all_keys"):  # a feature set
        return DataIdentity(data.fingerprint, len(data), data.get_all_keys())
    if hasattr(data, "to_arrow"):
        return identify(data.to_arrow())
    if hasattr(data, "column_names"):  # an Arrow table
        return _identify_columns(zip(data.column_names, data.columns, strict=True))
    if hasattr(data, "columns") and hasattr(data, "items"):  # a DataFrame
        return _identify_columns(data.items())
    return _identify_columns([("", data)])


def _identify_columns(columns: Iterable[tuple[Any, Any]]) -> DataIdentity:
    names, lengths, digest = [], [], sha256()
    for key, column in columns:
        name = str(key)
        values = _as_values(name, column)
        names.append(name)
        lengths.append(len(values))
        digest.update(_framed(name.encode()) + _framed(_digest(name, values)))
    if len(set(lengths)) > 1:
        shown = ", ".join(map("{!r}: {}".format, names, lengths))
        raise InvalidError(f"The columns of one dataset have one length; these have {shown}.")
    rows = lengths[0] if lengths else 0
    return DataIdentity(digest.hexdigest(), rows, [name for name in names if name])


def _as_values(name: str, column: Any) -> "np.ndarray[Any, Any] | pa.Array":
    """A column as an array of numbers with at least two axes, or else as an Arrow array."""
    import pyarrow as pa  # noqa: PLC0415 - slow, and needed for data only

    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks()
    if isinstance(column, pa.Array):
        return column
    try:
        return _convert(column)
    except (TypeError, ValueError, pa.ArrowException) as error:
        what = f"Column {name!r}" if name else "The data"
        raise InvalidError(
            f"{what}, a {type(column).__name__}, has no fingerprint: {error}. Give a DataFrame, an "
            "Arrow table, an array, a tensor, a mapping of columns, or a path."
        ) from error


def _convert(column: Any) -> "np.ndarray[Any, Any] | pa.Array":
    import numpy as np  # noqa: PLC0415 - as above
    import pyarrow as pa  # noqa: PLC0415 - as above

    if hasattr(column, "detach"):  # a tensor, perhaps on another device
        column = column.detach().cpu().numpy()
    if isinstance(column, np.ndarray):  # Arrow knows this machine's byte order only
        column = column.astype(column.dtype.newbyteorder("="), copy=False)
    axes = getattr(column, "ndim", 1)
    if axes == 0 or isinstance(column, (str, bytes)):
        raise TypeError("it is a single value")
    return np.asarray(column) if axes > 1 else pa.array(column)


def _digest(name: str, values: "np.ndarray[Any, Any] | pa.Array") -> bytes:
    digest = sha256()
    if hasattr(values, "ndim"):
        _add_numbers(digest.update, name, values)
    else:
        _add_arrow(digest.update, name, values)
    return digest.digest()


def _add_numbers(add: Callable[[Any], None], name: str, array: "np.ndarray[Any, Any]") -> None:
    import numpy as np  # noqa: PLC0415 - as above

    if array.dtype.hasobject:
        raise InvalidError(f"Column {name!r} holds objects, which have no fingerprint.")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    if little.dtype.kind == "f" and (nan := np.isnan(little)).any():
        # Whatever computed a NaN left its own bits in it.
        little = np.where(nan, little.dtype.type(np.nan), little)
    add(_framed(f"{little.dtype.str} {little.shape}".encode()))
    add(little.reshape(-1).view(np.uint8).data)


def _add_arrow(add: Callable[[Any], None], name: str, array: "pa.Array") -> None:
    """Values and missing ones, level by level, whatever the buffers look like."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    array = _decoded(array)
    if pa.types.is_floating(array.type):  # NaN where missing, as pandas and numpy have it
        _add_numbers(add, name, array.to_numpy(zero_copy_only=False))
        return
    present = array.drop_null()
    if len(present) < len(array):
        add(b"missing")
        _add_numbers(add, name, array.is_null().to_numpy(zero_copy_only=False))
    _add_present(add, name, present)


def _decoded(array: "pa.Array") -> "pa.Array":
    """The same values in a plain type."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    if isinstance(array, pa.ExtensionArray):
        return _decoded(array.storage)
    if pa.types.is_dictionary(array.type):  # a pandas category
        return _decoded(array.cast(array.type.value_type))
    if str(array.type).endswith("_view"):  # much of Arrow cannot work on these
        return array.cast(pa.large_binary() if "binary" in str(array.type) else pa.large_string())
    return array


def _add_present(add: Callable[[Any], None], name: str, present: "pa.Array") -> None:
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    kind = present.type
    if pa.types.is_struct(kind):
        for field in kind:
            add(_framed(field.name.encode()))
            _add_arrow(add, name, pc.struct_field(present, field.name))
    elif _is_list(kind):
        lengths = pc.list_value_length(present).to_numpy(zero_copy_only=False)
        _add_numbers(add, name, lengths.astype("<i8"))
        _add_arrow(add, name, present.flatten())
    elif str(kind).removeprefix("large_") in ("string", "binary"):
        add(str(kind).removeprefix("large_").encode())
        _add_text(add, name, present.cast(pa.large_binary()))
    elif pa.types.is_boolean(kind):
        _add_numbers(add, name, present.to_numpy(zero_copy_only=False))
    elif not pa.types.is_null(kind):
        _add_fixed(add, name, present)


def _add_text(add: Callable[[Any], None], name: str, present: "pa.Array") -> None:
    import numpy as np  # noqa: PLC0415 - as above

    ends, content = present.buffers()[1:]
    if not len(present):
        ends = bytes(8)
    offsets = np.frombuffer(ends, "<i8")[present.offset : present.offset + len(present) + 1]
    _add_numbers(add, name, np.diff(offsets))
    add(memoryview(content or b"")[offsets[0] : offsets[-1]])


def _add_fixed(add: Callable[[Any], None], name: str, present: "pa.Array") -> None:
    """Whole numbers, moments, decimals: of one width, none missing."""
    try:
        width = present.type.bit_width // 8
    except ValueError as error:
        raise InvalidError(f"Column {name!r}: {present.type} has no fingerprint.") from error
    add(_framed(f"{present.type} {len(present)}".encode()))
    if len(present):
        first = present.offset * width
        add(memoryview(present.buffers()[1])[first : first + len(present) * width])


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow.types as kinds  # noqa: PLC0415 - as above

    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))


def _identify_files(path: Path) -> DataIdentity:
    if path.is_file():
        return DataIdentity(_digest_file(path).hex(), 1, ["file"])
    if not path.is_dir():
        raise InvalidError(f"There is no data at {path}.")
    digest, count = sha256(), 0
    for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        name = file.relative_to(path).as_posix()
        digest.update(_framed(name.encode(errors="surrogateescape")) + _digest_file(file))
        count += 1
    return DataIdentity(digest.hexdigest(), count, ["file"])


def _digest_file(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.digest()


def _framed(content: bytes) -> bytes:
    """With its length in front, so that two neighbours never read as two others."""
    return len(content).to_bytes(8, "little") + content
