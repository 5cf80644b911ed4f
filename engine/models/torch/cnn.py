"""A plain convolutional network for series, images and volumes."""

import math

import torch

from engine.errors import ModelError
from engine.models.base import Shape
from engine.models.torch.activations import ACTIVATIONS, check_activation
from engine.models.torch.sequential import SequentialModel, head

_CONVOLUTIONS = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}
_POOLINGS = {1: torch.nn.MaxPool1d, 2: torch.nn.MaxPool2d, 3: torch.nn.MaxPool3d}


class SequentialCNN(SequentialModel):
    """Convolutions with activation and max pooling after each, then one linear layer.

    Samples have the shape (channels, length), (channels, height, width) or one dimension more; a
    sample without channels, as (length,), counts as one channel. With `flatten_output=False` there
    is no linear layer: the last convolution has as many channels as `output_shape` begins with,
    and the rest of the output's shape follows from the input's.
    """

    def __init__(  # noqa: PLR0913 - the documented settings
        self,
        *,
        input_shape: Shape | None = None,
        output_shape: Shape | None = None,
        n_layers: int = 2,
        hidden_dim: int = 16,
        kernel_size: int = 3,
        padding: int = 1,
        stride: int = 1,
        activation: str = "relu",
        dropout: float = 0.0,
        pooling: int = 1,
        flatten_output: bool = True,
    ) -> None:
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim
        self.activation = check_activation(activation)
        self.dropout = dropout
        self.pooling = pooling
        self.flatten_output = flatten_output
        self._window = {"kernel_size": kernel_size, "padding": padding, "stride": stride}
        super().__init__(
            input_shape,
            output_shape,
            n_layers=n_layers,
            hidden_dim=hidden_dim,
            **self._window,
            activation=activation,
            dropout=dropout,
            pooling=pooling,
            flatten_output=flatten_output,
        )

    def _make_layers(self, inputs: Shape, outputs: Shape) -> list[torch.nn.Module]:
        sizes = inputs if len(inputs) > 1 else (1, *inputs)
        if len(sizes) - 1 not in _CONVOLUTIONS:
            raise ModelError(f"A SequentialCNN takes samples of up to 4 dimensions, not {inputs}.")
        layers: list[torch.nn.Module] = []
        if sizes != inputs:
            layers.append(torch.nn.Unflatten(1, sizes))
        channels = sizes[0]
        for number in range(self.n_layers):
            last = number == self.n_layers - 1 and not self.flatten_output
            width = outputs[0] if last else self.hidden_dim
            layers += self._block(channels, width, dimensions=len(sizes) - 1)
            channels = width
        if not self.flatten_output:
            return layers
        return [*layers, torch.nn.Flatten(), *head(_flat_size(layers, inputs), outputs)]

    def _block(self, channels: int, width: int, *, dimensions: int) -> list[torch.nn.Module]:
        block: list[torch.nn.Module] = [
            _CONVOLUTIONS[dimensions](channels, width, **self._window),  # type: ignore[arg-type]  # three numbers
            ACTIVATIONS[self.activation](),
        ]
        if self.pooling > 1:
            block.append(_POOLINGS[dimensions](self.pooling))
        if self.dropout:
            block.append(torch.nn.Dropout(self.dropout))
        return block


def _flat_size(layers: list[torch.nn.Module], inputs: Shape) -> int:
    chain = torch.nn.Sequential(*layers).eval()
    with torch.no_grad():
        try:
            size: int = math.prod(chain(torch.zeros(1, *inputs)).shape)
        except RuntimeError as error:
            raise ModelError(
                f"Samples of shape {inputs} are too small for this SequentialCNN ({error}). "
                "Use fewer layers, less pooling or a smaller kernel."
            ) from error
    chain.train()
    return size
