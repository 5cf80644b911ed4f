"""Models that are torch modules themselves."""

from abc import abstractmethod
from typing import Any

import torch

from engine.models.backend import Backend
from engine.models.base import BaseModel
from engine.models.torch_weights import load_weights, modes, set_modes


class TorchModel(BaseModel):
    """A model that computes by a torch module."""

    @property
    @abstractmethod
    def module(self) -> torch.nn.Module:
        """The torch module that computes."""

    def saved_form(self) -> dict[str, Any]:
        """Configuration, state, and which parts do not train; shares memory with the model."""
        return {**super().saved_form(), "modes": modes(self.module) if self.is_built else None}

    def restore(self, saved: dict[str, Any]) -> None:
        super().restore(saved)
        if saved["modes"] is not None:
            set_modes(self.module, saved["modes"])


class TorchBaseModel(TorchModel, torch.nn.Module):
    """A torch module that knows how to be built from shapes.

    A subclass implements `build`, the two shapes and `forward`. An existing module needs no
    subclass: `wrap_model` takes it as it is.
    """

    def __init__(self, **init_args: Any) -> None:
        torch.nn.Module.__init__(self)
        BaseModel.__init__(self, Backend.TORCH, **init_args)

    # torch's own, which runs the module's hooks; both bases would do without it.
    __call__ = torch.nn.Module.__call__

    @property
    def module(self) -> torch.nn.Module:
        """The torch module that computes; here, the model itself."""
        return self

    def get_weights(self) -> dict[str, Any]:
        return dict(self.state_dict())

    def set_weights(self, weights: dict[str, Any]) -> None:
        load_weights(self, weights)
