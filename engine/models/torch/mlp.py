"""A plain multi-layer perceptron."""

import math

import torch

from engine.models.base import Shape
from engine.models.torch.activations import ACTIVATIONS, check_activation
from engine.models.torch.sequential import SequentialModel, head


class SequentialMLP(SequentialModel):
    """Linear layers with an activation between them; the last of `n_layers` is the output.

    Inputs of any shape are flattened.
    """

    def __init__(
        self,
        *,
        input_shape: Shape | None = None,
        output_shape: Shape | None = None,
        n_layers: int = 2,
        hidden_dim: int = 32,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim
        self.activation = check_activation(activation)
        self.dropout = dropout
        super().__init__(
            input_shape,
            output_shape,
            n_layers=n_layers,
            hidden_dim=hidden_dim,
            activation=activation,
            dropout=dropout,
        )

    def _make_layers(self, inputs: Shape, outputs: Shape) -> list[torch.nn.Module]:
        layers: list[torch.nn.Module] = [torch.nn.Flatten()]
        size = math.prod(inputs)
        for _ in range(self.n_layers - 1):
            layers += [torch.nn.Linear(size, self.hidden_dim), ACTIVATIONS[self.activation]()]
            if self.dropout:
                layers.append(torch.nn.Dropout(self.dropout))
            size = self.hidden_dim
        return layers + head(size, outputs)
