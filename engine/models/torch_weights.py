"""Weights of torch modules, checked before they are taken over."""

from collections.abc import Mapping
from typing import Any

import torch

from engine.errors import CheckpointError, did_you_mean


def check_weights(module: torch.nn.Module, weights: Mapping[str, Any]) -> None:
    """Refuse weights that do not fit the module, before anything of it has changed."""
    own = module.state_dict()
    for name, value in weights.items():
        if name not in own:
            raise CheckpointError(f"The model has no weight {name!r}.{did_you_mean(name, own)}")
        mine = own[name]
        if isinstance(mine, torch.Tensor) and mine.shape != value.shape:
            raise CheckpointError(
                f"The weight {name!r} has the shape {tuple(value.shape)}, "
                f"and {tuple(mine.shape)} in this model."
            )
    missing = [name for name in own if name not in weights]
    if missing:
        raise CheckpointError(f"The weights of {', '.join(map(repr, missing))} are missing.")


def load_weights(module: torch.nn.Module, weights: Mapping[str, Any]) -> None:
    """Copy the weights into the module, all of them or, if they do not fit, none."""
    check_weights(module, weights)
    module.load_state_dict(weights)


def modes(module: torch.nn.Module) -> dict[str, list[str]]:
    """The names of the parts that are evaluated rather than trained, and of frozen parameters."""
    return {
        "evaluating": [name for name, part in module.named_modules() if not part.training],
        "frozen": [name for name, one in module.named_parameters() if not one.requires_grad],
    }


def set_modes(module: torch.nn.Module, saved: Mapping[str, Any]) -> None:
    """Take over what `modes` gave."""
    for name, part in module.named_modules():
        part.training = name not in saved["evaluating"]
    for name, one in module.named_parameters():
        one.requires_grad_(name not in saved["frozen"])
