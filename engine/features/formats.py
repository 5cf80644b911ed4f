"""The forms in which data comes out of a feature set or a batch."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import pandas as pd
import torch

from engine.errors import DataError, did_you_mean
from engine.features.columns import Array


class DataFormat(Enum):
    """What data comes out as: one block of all columns, or one entry per column."""

    PANDAS = "pandas"
    NUMPY = "numpy"
    DICT = "dict"
    DICT_NUMPY = "dict_numpy"
    DICT_LIST = "dict_list"
    DICT_TORCH = "dict_torch"
    DICT_TENSORFLOW = "dict_tensorflow"
    LIST = "list"
    TORCH = "torch"
    TENSORFLOW = "tensorflow"

    @classmethod
    def from_value(cls, value: "str | DataFormat") -> "DataFormat":
        """The format of this name or alias; TensorFlow's are known, but not supported."""
        if not isinstance(value, cls):
            text = str(value).lower()
            names = {fmt.value: fmt for fmt in cls} | _ALIASES
            if text not in names:
                raise DataError(f"There is no format {value!r}.{did_you_mean(text, names)}")
            value = names[text]
        if value in (cls.TENSORFLOW, cls.DICT_TENSORFLOW):
            raise DataError(f"The format {value.value!r} needs TensorFlow; use numpy or torch.")
        return value


_ALIASES = {
    "pd": DataFormat.PANDAS,
    "df": DataFormat.PANDAS,
    "np": DataFormat.NUMPY,
    "torch.tensor": DataFormat.TORCH,
    "tf": DataFormat.TENSORFLOW,
    "tensorflow.tensor": DataFormat.TENSORFLOW,
}


def convert(columns: dict[str, Array], fmt: str | DataFormat) -> Any:
    """Columns of equal length in the asked form.

    Blocks (numpy, torch, list) have the shape (n, n_cols, ...) and need columns of one shape.
    Torch takes numbers as models do: see `to_tensor`. Lists hold Python's own values, and pandas'
    Timestamp and Timedelta for times in nanoseconds.
    """
    match DataFormat.from_value(fmt):
        case DataFormat.DICT | DataFormat.DICT_NUMPY:
            return columns
        case DataFormat.DICT_LIST:
            return {name: to_list(values) for name, values in columns.items()}
        case DataFormat.DICT_TORCH:
            return {name: to_tensor(values, name) for name, values in columns.items()}
        case DataFormat.PANDAS:
            return to_frame(columns)
        case DataFormat.TORCH:
            return _tensor_block(columns)
        case DataFormat.LIST:
            return _rows_as_lists(columns)
        case _:
            return stack(columns)


def stack(columns: dict[str, Array]) -> Array:
    """One array of shape (n, n_cols, ...); of objects if text or times stand beside others."""
    arrays = list(columns.values())
    check_one_shape(columns)
    kinds = {array.dtype for array in arrays}
    if len(kinds) > 1 and any(kind.kind not in "biuf" for kind in kinds):
        arrays = [as_objects(array) for array in arrays]
    return np.stack(arrays, axis=1)


def as_objects(values: Array) -> Array:
    """Python's own values; times in nanoseconds, which Python's cannot hold, as pandas' own."""
    if values.dtype.kind not in "mM" or np.datetime_data(values.dtype)[0] != "ns":
        return values.astype(object)
    make = pd.Timestamp if values.dtype.kind == "M" else pd.Timedelta
    objects = np.empty(values.shape, dtype=object)
    objects.reshape(-1)[:] = [None if np.isnat(value) else make(value) for value in values.flat]
    return objects


def to_list(values: Array) -> list[Any]:
    """Nested lists of Python's own values: see `as_objects`."""
    return (as_objects(values) if values.dtype.kind in "mM" else values).tolist()  # type: ignore[no-any-return]  # an array's list


def check_one_shape(columns: dict[str, Array]) -> None:
    """Refuse columns that do not fit into one block, and none at all."""
    if not columns:
        raise DataError("No column is selected.")
    shapes = {name: array.shape[1:] for name, array in columns.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(f"Columns of different shapes do not fit into one block: {listed}.")


def to_frame(columns: dict[str, Array]) -> pd.DataFrame:
    """A DataFrame with a column each; a row of an array column is an array."""
    return pd.DataFrame(
        {name: values if values.ndim == 1 else list(values) for name, values in columns.items()}
    )


def tensor_type(kinds: Sequence[np.dtype[Any]], names: Sequence[str]) -> np.dtype[Any]:
    """What numbers become for torch: whole numbers int64, everything else float32."""
    for kind, name in zip(kinds, names, strict=True):
        if kind.kind not in "biuf":
            what = "text or missing values" if kind.kind in "OUS" else str(kind)
            raise DataError(
                f"Column {name!r} holds {what}, and torch takes numbers only: encode it first, "
                "or make it a tag."
            )
    whole = all(kind.kind in "iu" for kind in kinds)
    return np.dtype(np.int64 if whole else np.float32)


def to_tensor(values: Array, name: str) -> torch.Tensor:
    """A tensor of its own memory: int64 for whole numbers, else float32."""
    check_fits(values, name)
    kind = tensor_type([values.dtype], [name])
    return torch.from_numpy(np.array(values, dtype=kind, order="C", copy=True))


def check_fits(values: Array, name: str) -> None:
    """Refuse whole numbers that torch's int64 has no room for."""
    if values.dtype == np.uint64 and values.size and values.max() > np.iinfo(np.int64).max:
        raise DataError(
            f"Column {name!r} holds {values.max()}, which is beyond torch's int64; take it as "
            "numpy."
        )


def _rows_as_lists(columns: dict[str, Array]) -> list[Any]:
    check_one_shape(columns)
    arrays = list(columns.values())
    # Numbers of several types stay what they are; in an array they would be of one type.
    if len({array.dtype for array in arrays}) > 1:
        arrays = [as_objects(array) for array in arrays]
    return to_list(np.stack(arrays, axis=1))


def _tensor_block(columns: dict[str, Array]) -> torch.Tensor:
    check_one_shape(columns)
    arrays = list(columns.values())
    block = np.empty(
        (len(arrays[0]), len(arrays), *arrays[0].shape[1:]),
        tensor_type([array.dtype for array in arrays], list(columns)),
    )
    for place, (name, array) in enumerate(columns.items()):
        check_fits(array, name)
        block[:, place] = array
    return torch.from_numpy(block)
