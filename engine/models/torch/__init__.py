"""Ready-made torch networks."""

from engine.models.torch.cnn import SequentialCNN
from engine.models.torch.mlp import SequentialMLP

__all__ = ["SequentialCNN", "SequentialMLP"]
