"""Activation functions by name."""

import torch

from engine.errors import ModelError, did_you_mean

ACTIVATIONS: dict[str, type[torch.nn.Module]] = {
    "relu": torch.nn.ReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "selu": torch.nn.SELU,
    "gelu": torch.nn.GELU,
    "silu": torch.nn.SiLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "softplus": torch.nn.Softplus,
    "identity": torch.nn.Identity,
}


def check_activation(name: str) -> str:
    """The name, if there is an activation of this name."""
    if name not in ACTIVATIONS:
        raise ModelError(f"There is no activation {name!r}.{did_you_mean(str(name), ACTIVATIONS)}")
    return name
