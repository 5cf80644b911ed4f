"""The door: any sequence of values becomes one Arrow column, or an error that names the row.

A column has one type and one shape: numbers, truth values, text or times, or arrays of
numbers that all have the same shape. NaN is a value and stays. A value that is missing
(None, NA, NaT, null) is an error, unless the column may have missing values, as tags may.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from engine.errors import DataError
from engine.features.values import (
    as_arrow,
    as_block,
    holds_arrays,
    missing_message,
    time_array,
)

Array = NDArray[Any]

NUMERIC_KINDS = "biuf"


def to_arrow(name: str, values: Any, *, may_be_missing: bool = False) -> pa.Array:
    """The values as one Arrow array that shares no memory with anything that can change."""
    array = _convert(name, values)
    if array.null_count and not may_be_missing:
        row = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(missing_message(name, row))
    return array


def adopt(name: str, values: Array) -> pa.Array:
    """The numbers as an Arrow array that shares their memory: nobody else may change them."""
    if values.dtype.kind not in "iuf" or not values.dtype.isnative or 0 in values.shape:
        return to_arrow(name, values, may_be_missing=True)
    ordered = np.ascontiguousarray(values)
    if ordered.ndim == 1:
        return pa.array(ordered)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(ordered)


def to_numpy(array: pa.Array) -> Array:
    """The values, read-only and without a copy where Arrow allows it; text is of type object.

    A missing number is NaN, a missing time NaT, a missing text or truth value None; so is a missing
    whole number beside others that NaN's type would round.
    """
    if isinstance(array, pa.FixedShapeTensorArray):
        return array.to_numpy_ndarray()  # type: ignore[no-any-return]  # pyarrow is untyped
    if array.null_count and numpy_type(pa.chunked_array([array])).kind == "O":
        values = as_objects(array)
    else:
        values = array.to_numpy(zero_copy_only=False)
    values.flags.writeable = False
    return values


def as_objects(array: pa.Array) -> Array:
    """The values as Python's own, None for those that are missing."""
    values = np.empty(len(array), dtype=object)
    values[:] = array.to_pylist()
    return values


def numpy_type(column: pa.ChunkedArray) -> np.dtype[Any]:
    """What a whole column is in numpy, where missing values may change its type."""
    kind = column.type
    if column.null_count:
        if pa.types.is_boolean(kind):
            return np.dtype(object)
        if pa.types.is_integer(kind):
            edges = pc.min_max(column).as_py()
            exact = all(abs(edge or 0) <= 2**53 for edge in edges.values())
            return np.dtype(np.float64 if exact else object)
    name = type_name(kind)
    return np.dtype(object if name == "str" else name)


def single_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece; copied only if it is in several."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def row_shape(kind: pa.DataType) -> tuple[int, ...]:
    """The shape of one row: () for a plain value."""
    return tuple(kind.shape) if isinstance(kind, pa.FixedShapeTensorType) else ()


def type_name(kind: pa.DataType) -> str:
    """The type of one number of a row, in numpy's words."""
    if isinstance(kind, pa.FixedShapeTensorType):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "str"
    return str(pa.array([], kind).to_numpy(zero_copy_only=False).dtype)


def _convert(name: str, values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray | pa.Array):
        return _from_arrow(name, values)
    if isinstance(values, torch.Tensor):
        return _from_tensor(name, values)
    if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return _from_pandas(name, pd.Series(values))
    if isinstance(values, np.ndarray):
        return _from_numpy(name, values)
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise DataError(_single_message(name))
    return _from_rows(name, list(values))


def _single_message(name: str) -> str:
    return f"Column {name!r} is a single value, not one value per row."


def holdable(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type can be held as it is."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return _counts(kind.value_type) and kind == _tensor_type(kind.value_type, kind.shape)
    types = pa.types
    time = types.is_timestamp(kind) or types.is_date(kind) or types.is_duration(kind)
    return bool(_counts(kind) or types.is_boolean(kind) or time or types.is_string(kind))


def as_tensors(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of one fixed length as arrays of that shape, without a copy; else the column itself."""
    kind = column.type
    if isinstance(kind, pa.FixedShapeTensorType):
        lists, shape = [piece.storage for piece in column.chunks], kind.shape
        if kind.dim_names or list(kind.permutation or shape) != sorted(kind.permutation or shape):
            return column
    else:
        lists, shape = column.chunks, [getattr(kind, "list_size", 0)]
        if not pa.types.is_fixed_size_list(kind) or not shape[0] or not _counts(kind.value_type):
            return column
    if column.null_count or any(piece.flatten().null_count for piece in lists):
        return column
    tensor = _tensor_type(kind.value_type, shape)
    storage = tensor.storage_type
    pieces = [pa.ExtensionArray.from_storage(tensor, piece.cast(storage)) for piece in lists]
    return pa.chunked_array(pieces, tensor)


def _tensor_type(numbers: pa.DataType, shape: Sequence[int]) -> pa.DataType:
    """The one type, of several that mean the same, that columns of arrays have here."""
    return pa.fixed_shape_tensor(numbers, shape, permutation=range(len(shape)))


def _from_arrow(name: str, values: Any) -> pa.Array:
    chunked = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    array = single_chunk(as_tensors(chunked))
    kind = array.type
    if isinstance(array, pa.DictionaryArray):
        return _from_arrow(name, array.dictionary_decode())
    if isinstance(array, pa.FixedShapeTensorArray):
        return _from_tensor_array(name, array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _from_lists(name, array)
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return array.cast(pa.string())
    if holdable(kind):
        return array
    raise DataError(f"Column {name!r} is of Arrow type {kind}, which a feature set cannot hold.")


def _from_tensor_array(name: str, array: Any) -> pa.Array:
    if array.null_count or array.storage.flatten().null_count:
        rows = array.to_pylist()
        raise DataError(
            missing_message(name, next(n for n, row in enumerate(rows) if not row or None in row))
        )
    return array if holdable(array.type) else _from_block(name, array.to_numpy_ndarray())


def _from_lists(name: str, array: Any) -> pa.Array:
    """Lists of numbers that are all of one length, at once; others one by one."""
    if not array.null_count and len(array) and _counts(array.type.value_type):
        values = array.flatten()
        length = len(values) // len(array)
        even = length * len(array) == len(values) and not values.null_count
        if even and length and (pc.list_value_length(array).to_numpy() == length).all():
            return _from_block(name, to_numpy(values).reshape(len(array), length))
    return _from_rows(name, array.to_pylist())


def _counts(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _from_tensor(name: str, tensor: torch.Tensor) -> pa.Array:
    tensor = tensor.detach().cpu()
    if tensor.dtype is torch.bfloat16:
        tensor = tensor.float()
    return _from_numpy(name, tensor.numpy())


def _from_pandas(name: str, series: "pd.Series[Any]") -> pa.Array:
    if isinstance(series.dtype, np.dtype):
        return _from_numpy(name, series.to_numpy())
    try:
        # A nullable column may lend its memory to Arrow, and pandas may change it later.
        array = pa.array(series.array.copy(), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        # Sparse values, and categories of several types.
        return _from_numpy(name, np.asarray(series.array))
    return _from_arrow(name, array)


def _from_numpy(name: str, values: Array) -> pa.Array:
    if values.ndim == 0:
        raise DataError(_single_message(name))
    if np.ma.is_masked(values) and values.ndim > 1:
        hidden = np.ma.getmaskarray(values).reshape(len(values), -1).any(axis=1)
        raise DataError(missing_message(name, int(hidden.argmax())))
    if values.dtype.kind == "O":
        return _from_rows(name, list(values))
    if values.ndim > 1:
        return _from_block(name, np.asarray(values))
    if values.dtype.kind in "mM":
        return time_array(name, values)
    if values.dtype.kind == "U":
        # Arrow would end numpy's own texts at their first null character.
        return _from_rows(name, values.tolist())
    if not _is_number(values.dtype):
        raise DataError(f"Column {name!r} is of type {values.dtype}, which cannot be held.")
    native = values.astype(values.dtype.newbyteorder("="), copy=True, order="C")
    return pa.array(native)


def _is_number(kind: np.dtype[Any]) -> bool:
    # Arrow has no floats of more than 64 bits.
    return kind.kind in NUMERIC_KINDS and kind.itemsize <= 8


def _from_block(name: str, values: Array) -> pa.Array:
    if not _is_number(values.dtype):
        raise DataError(f"Column {name!r} holds arrays of {values.dtype}; only numbers can be.")
    if 0 in values.shape[1:]:
        raise DataError(f"Column {name!r} holds empty arrays of shape {values.shape[1:]}.")
    # Arrow packs truth values into bits, which have no shape.
    kind = np.dtype(np.uint8) if values.dtype.kind == "b" else values.dtype.newbyteorder("=")
    return pa.FixedShapeTensorArray.from_numpy_ndarray(values.astype(kind, copy=True, order="C"))


def _from_rows(name: str, rows: list[Any]) -> pa.Array:
    if holds_arrays(rows):
        return _from_numpy(name, as_block(name, rows))
    return _from_arrow(name, as_arrow(name, rows))
