"""Whether two states are equal, bit for bit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def same_values(left: Any, right: Any) -> bool:
    """Equal in structure and in every number; objects are compared by their state."""
    if isinstance(left, torch.Tensor):
        return (
            isinstance(right, torch.Tensor)
            and left.dtype == right.dtype
            and np.array_equal(_bytes(left), _bytes(right))
            and left.shape == right.shape
        )
    if isinstance(left, np.ndarray):
        return (
            isinstance(right, np.ndarray)
            and left.dtype == right.dtype
            and left.shape == right.shape
            and _same_elements(left, right)
        )
    if isinstance(left, Mapping):
        return (
            isinstance(right, Mapping)
            and left.keys() == right.keys()
            and all(same_values(left[key], right[key]) for key in left)
        )
    if isinstance(left, list | tuple):
        return (
            isinstance(right, list | tuple)
            and len(left) == len(right)
            and all(map(same_values, left, right))
        )
    if left is right or bool(left == right):
        return True
    if type(left) is not type(right) or isinstance(left, str | bytes | int):
        return False
    if isinstance(left, float):
        return left != left and right != right  # noqa: PLR0124 - only NaN differs from itself
    return same_values(left.__getstate__(), right.__getstate__())


def _same_elements(left: np.ndarray, right: np.ndarray) -> bool:
    if left.dtype.names:
        # Field by field: between the fields there may be bytes that mean nothing.
        return all(_same_elements(left[name], right[name]) for name in left.dtype.names)
    if left.dtype == object:
        return same_values(left.tolist(), right.tolist())
    return left.tobytes() == right.tobytes()


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy() if tensor.numel() else np.empty(0, np.uint8)
