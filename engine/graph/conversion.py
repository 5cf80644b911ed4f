"""Between what torch modules and scikit-learn estimators work on."""

from typing import Any

import numpy as np
import torch

from engine.errors import GraphError
from engine.features import DataFormat
from engine.models.base import Shape


def to_torch(values: Any, module: torch.nn.Module) -> torch.Tensor:
    """A tensor where the module is; numbers with a fraction become float32."""
    tensor = torch.as_tensor(values)
    if tensor.dtype is torch.float64:
        tensor = tensor.float()
    parameter = next(module.parameters(), None)
    return tensor if parameter is None else tensor.to(parameter.device)


def to_numpy(values: Any) -> np.ndarray:
    """An array, without the gradient's graph."""
    if isinstance(values, torch.Tensor):
        array: np.ndarray = values.detach().cpu().numpy()
        return array
    return np.asarray(values)


def as_list(shape: Shape | None) -> list[int] | None:
    """A shape as plain values."""
    return None if shape is None else list(shape)


def as_shape(values: list[int] | None) -> Shape | None:
    """The shape that `as_list` wrote down."""
    return None if values is None else tuple(values)


def in_format(tensor: torch.Tensor, fmt: str | DataFormat) -> Any:
    """The tensor itself, or as a numpy array."""
    wanted = DataFormat.from_value(fmt)
    if wanted not in (DataFormat.NUMPY, DataFormat.TORCH):
        raise GraphError(f"Merged values come as numpy or torch, not {wanted.value!r}.")
    return tensor if wanted is DataFormat.TORCH else to_numpy(tensor)
