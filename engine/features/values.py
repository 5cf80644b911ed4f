"""Lists of Python's own values: the one type that they all are of, or why there is none.

No value is changed on the way: what does not fit beside the others is an error.
"""

import datetime as dt
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from engine.errors import DataError

Array = NDArray[Any]

# Beyond this, not every whole number is a float.
_EXACT = 2**53
_REFUSED = (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError)


def missing_message(name: str, row: int) -> str:
    """What to say about a value that is not there."""
    return (
        f"Column {name!r} has no value in row {row}. Features, targets and arrays cannot be "
        "missing: fill it (NaN counts as a number) or drop the row first."
    )


def holds_arrays(rows: list[Any]) -> bool:
    """Whether the first row that is there is an array, in whatever form."""
    first = next((row for row in rows if not _is_missing(row)), None)
    return isinstance(first, list | tuple | np.ndarray | torch.Tensor | pd.Series)


def as_arrow(name: str, rows: list[Any]) -> pa.Array:
    """Plain values as an Arrow array, in which those that are missing are null."""
    rows = _with_none(rows)
    kinds = set(map(type, rows)) - {type(None)}
    if any(issubclass(kind, dt.date | dt.timedelta) for kind in kinds):
        return _times(name, rows, kinds)
    if any(issubclass(kind, np.datetime64 | np.timedelta64) for kind in kinds):
        return _numpy_times(name, rows, kinds)
    try:
        return pa.array(rows)
    except _REFUSED as error:
        if all(issubclass(kind, Integral) and _family(kind) is Real for kind in kinds):
            return _large_numbers(name, rows)
        raise DataError(_why_not(name, rows)) from error


def as_block(name: str, rows: list[Any]) -> Array:
    """Rows that are arrays, one upon the other; all need one shape."""
    arrays = [_row(name, number, row) for number, row in enumerate(rows)]
    shape = arrays[0].shape
    for number, array in enumerate(arrays):
        if array.shape != shape:
            raise DataError(
                f"Column {name!r} is ragged: row {number} has shape {array.shape}, row 0 has "
                f"{shape}. All rows of a column need one shape; pad or cut them first."
            )
    if len({array.dtype for array in arrays}) == 1:
        block = np.stack(arrays)
        if not _may_be_rounded(block):
            return block
    arrays = [_exact(name, number, row, arrays[number]) for number, row in enumerate(rows)]
    return np.stack(_of_one_type(name, arrays))


# Plain values


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or _is_nan(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and value != value  # noqa: PLR0124 - NaN is not


def _with_none(rows: list[Any]) -> list[Any]:
    """The rows with None for what is missing; NaN is, among texts."""
    kinds = set(map(type, rows))
    gaps = kinds & {type(pd.NA), type(pd.NaT)}
    if any(issubclass(kind, str) for kind in kinds):
        gaps |= {kind for kind in kinds if issubclass(kind, float | np.floating)}
    return (
        [None if type(row) in gaps and _is_missing(row) else row for row in rows] if gaps else rows
    )


def _times(name: str, rows: list[Any], kinds: set[type]) -> pa.Array:
    _check_one_family(name, rows, kinds)
    if len({getattr(row, "tzinfo", None) is None for row in rows if row is not None}) > 1:
        raise DataError(
            f"Column {name!r} mixes times with a zone and times without one: give all of them "
            "their zone, or none."
        )
    try:
        array = pa.array(rows)
        # Arrow takes a Timestamp for a datetime, which counts microseconds.
        if pd.Timestamp in kinds and any(getattr(row, "nanosecond", 0) for row in rows):
            return pa.array(rows, pa.timestamp("ns", array.type.tz))
        if pd.Timedelta in kinds and any(getattr(row, "nanoseconds", 0) for row in rows):
            return pa.array(rows, pa.duration("ns"))
    except _REFUSED as error:
        raise DataError(f"Column {name!r} holds times that do not fit together: {error}") from error
    return array


def _numpy_times(name: str, rows: list[Any], kinds: set[type]) -> pa.Array:
    _check_one_family(name, rows, kinds)
    (kind,) = kinds
    return time_array(name, np.array([kind("NaT") if row is None else row for row in rows]))


def time_array(name: str, values: Array) -> pa.Array:
    """Times or spans of NumPy's as an Arrow array, in the nearest finer unit that Arrow has."""
    unit, _ = np.datetime_data(values.dtype)
    letter = values.dtype.kind
    finer = _UNITS[letter].get(unit)
    if finer is None:
        raise DataError(f"Column {name!r} is of type {values.dtype}, which cannot be held.")
    if finer == "D":
        days = values[~np.isnat(values)].astype("M8[D]").astype(np.int64)
        # Arrow counts days in 32 bits.
        finer = "s" if np.any(np.abs(days) >= 2**31) else "D"
    return pa.array(values.astype(f"{letter}8[{finer}]"), from_pandas=True)


_SAME = {unit: unit for unit in ("s", "ms", "us", "ns")}
_UNITS = {
    "M": {"Y": "D", "M": "D", "W": "D", "D": "D", "h": "s", "m": "s"} | _SAME,
    "m": {"W": "s", "D": "s", "h": "s", "m": "s"} | _SAME,
}


def _large_numbers(name: str, rows: list[Any]) -> pa.Array:
    there = [int(row) for row in rows if row is not None]
    if min(there) >= 0 and max(there) < 2**64:
        return pa.array([None if row is None else int(row) for row in rows], pa.uint64())
    raise DataError(_too_large(name, there))


def _too_large(name: str, numbers: Iterable[int]) -> str:
    listed = list(numbers)
    return (
        f"Column {name!r} holds whole numbers from {min(listed)} to {max(listed)}, and no type of "
        "64 bits has room for all of them: make them floats, or texts if they are names."
    )


def _why_not(name: str, rows: list[Any]) -> str:
    if (message := _mixed(name, rows)) is not None:
        return message
    for number, row in enumerate(rows):
        if isinstance(row, str) and not _is_unicode(row):
            return f"Column {name!r}, row {number}, is no Unicode text: {row!r}."
        if isinstance(row, Integral) and abs(int(row)) > _EXACT:
            return (
                f"Column {name!r}, row {number}, is {row}, which would be rounded among floats: "
                "make all of them floats, or leave no fractions."
            )
    first = next(row for row in rows if row is not None)
    return f"Column {name!r} holds values of type {type(first).__name__}, which cannot be held."


def _check_one_family(name: str, rows: list[Any], kinds: set[type]) -> None:
    if len({_family(kind) for kind in kinds}) > 1:
        raise DataError(_mixed(name, rows))


def _mixed(name: str, rows: list[Any]) -> str | None:
    """What to say if not all rows are of one family; the first that is of another is named."""
    there = [(number, row) for number, row in enumerate(rows) if row is not None]
    first = there[0][1]
    for number, row in there:
        if _family(type(row)) != _family(type(first)):
            return (
                f"Column {name!r} mixes types: row {number} is {row!r} "
                f"({type(row).__name__}), the first is {first!r} ({type(first).__name__})."
            )
    return None


_FAMILIES: tuple[type | tuple[type, ...], ...] = (
    (bool, np.bool_),
    np.timedelta64,  # An Integral, by its class.
    Real,
    str,
    dt.datetime,
    dt.date,
    dt.timedelta,
)


def _family(kind: type) -> Any:
    """What a type's values are alike to in a column."""
    return next((of for of in _FAMILIES if issubclass(kind, of)), kind)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Arrays


def _row(name: str, number: int, row: Any) -> Array:
    if not isinstance(row, _SEQUENCES) and _is_missing(row):
        raise DataError(missing_message(name, number))
    if isinstance(row, np.ma.MaskedArray) and np.ma.is_masked(row):
        raise DataError(missing_message(name, number))
    if isinstance(row, torch.Tensor):
        row = row.detach().cpu()
        row = (row.float() if row.dtype is torch.bfloat16 else row).numpy()
    try:
        array = np.asarray(row)
    except ValueError as error:
        raise DataError(f"Column {name!r} is ragged within row {number}: {error}") from error
    return _of_objects(name, number, array) if array.dtype.kind == "O" else array


_SEQUENCES = (list, tuple, np.ndarray)


def _exact(name: str, number: int, row: Any, array: Array) -> Array:
    """The row again without what NumPy rounds: whole numbers among floats, or of many digits."""
    if isinstance(row, list | tuple) and _may_be_rounded(array):
        return _of_large_numbers(name, number, np.array(row, dtype=object))
    return array


def _of_objects(name: str, number: int, array: Array) -> Array:
    leaves = array.ravel().tolist()
    if any(leaf is None or leaf is pd.NA or leaf is pd.NaT for leaf in leaves):
        raise DataError(missing_message(name, number))
    if leaves and all(isinstance(leaf, Integral) for leaf in leaves):
        return _of_large_numbers(name, number, array)
    if not leaves or not all(isinstance(leaf, Real) for leaf in leaves):
        strange = next((leaf for leaf in leaves if not isinstance(leaf, Real)), leaves)
        raise DataError(
            f"Column {name!r}, row {number}, is not an array of numbers: {strange!r} is "
            f"of type {type(strange).__name__}."
        )
    numbers = np.array(leaves, dtype=np.float64).reshape(array.shape)
    return _of_large_numbers(name, number, array) if _may_be_rounded(numbers) else numbers


def _may_be_rounded(array: Array) -> bool:
    return array.dtype.kind == "f" and bool((np.abs(array) >= _EXACT).any())


def _of_large_numbers(name: str, number: int, array: Array) -> Array:
    """An array of objects as whole numbers, if all are; as floats, if that changes none."""
    leaves = array.ravel().tolist()
    whole = [int(leaf) for leaf in leaves if isinstance(leaf, Integral)]
    if len(whole) == len(leaves):
        kind = np.uint64 if max(whole) >= 2**63 else np.int64
        if min(whole) < np.iinfo(kind).min or max(whole) > np.iinfo(kind).max:
            raise DataError(_too_large(name, whole))
        return array.astype(kind)
    if any(abs(leaf) > _EXACT for leaf in whole):
        raise DataError(_rounded(name, number))
    return array.astype(np.float64)


def _rounded(name: str, number: int) -> str:
    return (
        f"Column {name!r}, row {number}, holds whole numbers beyond 2**53, which would be rounded "
        "among floats: make all of them floats, or leave no fractions."
    )


def _of_one_type(name: str, arrays: list[Array]) -> list[Array]:
    """Arrays of numbers in the one type that holds them all as they are."""
    whole = [array for array in arrays if array.dtype.kind in "iu"]
    common = np.result_type(*arrays)
    if common.kind != "f" or not whole:
        return arrays
    if len(whole) == len(arrays):
        numbers = [int(edge) for array in arrays for edge in (array.min(), array.max())]
        kind = np.uint64 if max(numbers) >= 2**63 else np.int64
        if min(numbers) < np.iinfo(kind).min:
            raise DataError(_too_large(name, numbers))
        return [array.astype(kind) for array in arrays]
    for number, array in enumerate(arrays):
        if array.dtype.kind in "iu" and max(abs(int(array.min())), int(array.max())) > _EXACT:
            raise DataError(_rounded(name, number))
    return arrays
