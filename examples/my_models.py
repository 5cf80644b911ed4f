"""The models of the examples: plain torch modules, no base class of Labkeeper's."""

import torch
from torch import nn


class MLP(nn.Sequential):
    """A multi-layer perceptron."""

    def __init__(
        self, inputs: int, outputs: int, hidden: int = 64, depth: int = 2, dropout: float = 0.0
    ) -> None:
        layers: list[nn.Module] = []
        for width in [inputs, *[hidden] * (depth - 1)]:
            layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
        super().__init__(*layers, nn.Linear(hidden, outputs))


class SmallCNN(nn.Module):
    """Two convolutions over 8 x 8 pictures that come as rows of 64 numbers."""

    def __init__(self, channels: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, channels, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Linear(2 * channels * 2 * 2, classes)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(pixels.view(-1, 1, 8, 8)).flatten(1))
