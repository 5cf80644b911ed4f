"""Between what torch modules and scikit-learn estimators work on."""

from typing import Any

import numpy as np
import torch


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
