"""Outputs and targets come to one shape before they are compared; nothing broadcasts in silence."""

from typing import Any

import torch

from engine.errors import LossError


def align(
    outputs: torch.Tensor, targets: torch.Tensor, *, classes: bool, cast: bool, strict: bool
) -> torch.Tensor:
    """The targets in the form that the outputs ask for.

    With `classes`, whole numbers may be class indices: (n, 1) becomes (n,) beside (n, C). With
    `cast`, other whole numbers become the outputs' type. Dimensions of length 1 are added and left
    out as needed; any other difference is a LossError, unless the loss is not `strict`.
    """
    whole = not (targets.is_floating_point() or targets.is_complex())
    if whole and cast and not classes and outputs.is_floating_point():
        targets = targets.to(outputs.dtype)
    if targets.shape == outputs.shape and not (classes and whole):
        return targets
    if classes and whole:
        return _class_indices(outputs, targets)
    if _without_ones(outputs) == _without_ones(targets):
        return targets.reshape(outputs.shape)
    if not strict:
        return targets
    if whole and not cast:
        # A function of the user's own may take class indices as torch's losses do.
        return _class_indices(outputs, targets)
    raise mismatch(outputs, targets)


def mismatch(outputs: torch.Tensor, targets: torch.Tensor) -> LossError:
    """The error that shows both shapes."""
    hint = ""
    if outputs.dim() > 1 and targets.is_floating_point() and targets[0].numel() == 1:
        hint = " Class indices must be whole numbers, as in a column of integers."
    elif targets.shape == outputs.shape:
        hint = (
            " A column for each class holds its probability and must be of floats: make it float32."
        )
    return LossError(
        f"Outputs of shape {tuple(outputs.shape)} do not fit targets of shape "
        f"{tuple(targets.shape)} ({_type(targets)}).{hint}"
    )


def _class_indices(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    wanted = (outputs.shape[0], *outputs.shape[2:])
    if targets.shape == wanted:
        return targets
    if _without_ones(targets) == (wanted[0], *(length for length in wanted[1:] if length != 1)):
        return targets.reshape(wanted)
    raise mismatch(outputs, targets)


def _without_ones(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape without dimensions of length 1 behind the batch's own."""
    shape = tensor.shape
    return (shape[0], *(length for length in shape[1:] if length != 1)) if shape else ()


def _type(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def as_tensor(values: Any, like: Any = None) -> torch.Tensor:
    """A tensor of what a node or a feature set gave, on the device of `like`."""
    if isinstance(values, torch.Tensor):
        return values
    tensor = torch.as_tensor(values)
    if tensor.dtype is torch.float64:
        tensor = tensor.float()
    return tensor.to(like.device) if isinstance(like, torch.Tensor) else tensor
