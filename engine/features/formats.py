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
    Torch takes numbers as models do: see `to_tensor`.
    """
    match DataFormat.from_value(fmt):
        case DataFormat.DICT | DataFormat.DICT_NUMPY:
            return columns
        case DataFormat.DICT_LIST:
            return {name: values.tolist() for name, values in columns.items()}
        case DataFormat.DICT_TORCH:
            return {name: to_tensor(values, [name]) for name, values in columns.items()}
        case DataFormat.PANDAS:
            return to_frame(columns)
        case DataFormat.TORCH:
            return to_tensor(stack(columns), list(columns))
        case DataFormat.LIST:
            return stack(columns).tolist()
        case _:
            return stack(columns)


def stack(columns: dict[str, Array]) -> Array:
    """One array of shape (n, n_cols, ...); text makes it one of objects."""
    arrays = list(columns.values())
    if not arrays:
        raise DataError("No column is selected.")
    check_one_shape(columns)
    if any(array.dtype.kind not in "biuf" for array in arrays) and len(arrays) > 1:
        arrays = [array.astype(object) for array in arrays]
    return np.stack(arrays, axis=1)


def check_one_shape(columns: dict[str, Array]) -> None:
    """Refuse columns that do not fit into one block."""
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
            what = "text" if kind.kind in "OUS" else str(kind)
            raise DataError(
                f"Column {name!r} holds {what}, and torch takes numbers only: encode it first, "
                "or make it a tag."
            )
    whole = all(kind.kind in "iu" for kind in kinds)
    return np.dtype(np.int64 if whole else np.float32)


def to_tensor(values: Array, names: Sequence[str]) -> torch.Tensor:
    """A tensor of its own memory: int64 for whole numbers, else float32."""
    kind = tensor_type([values.dtype] * len(names), names)
    return torch.from_numpy(np.array(values, dtype=kind, order="C", copy=True))
