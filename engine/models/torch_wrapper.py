"""Any torch module as a model."""

import copy
import inspect
from typing import Any, Self

import torch

from engine.errors import ModelError, did_you_mean
from engine.models.backend import Backend
from engine.models.base import Shape
from engine.models.torch_base import TorchModel
from engine.models.torch_weights import load_weights
from engine.saving import locate, location_of


class TorchModelWrapper(TorchModel):
    """A torch module, or a class of modules that is made when the shapes are known.

    A class gets the shapes as the arguments named by `inject_input_shape_as` and
    `inject_output_shape_as`, if it has arguments of these names that `model_kwargs` leaves open.
    """

    def __init__(
        self,
        *,
        model: torch.nn.Module | None = None,
        model_class: type[torch.nn.Module] | None = None,
        model_kwargs: dict[str, Any] | None = None,
        inject_input_shape_as: str | None = "input_shape",
        inject_output_shape_as: str | None = "output_shape",
    ) -> None:
        if (model is None) == (model_class is None):
            raise ModelError("Give either a module as `model` or a class as `model_class`.")
        if model is not None and not isinstance(model, torch.nn.Module):
            raise ModelError(f"{model!r} is not a torch module.")
        if model_class is not None and not _is_module_class(model_class):
            raise ModelError(f"{model_class!r} is not a class of torch modules.")
        super().__init__(Backend.TORCH)
        self._module = model
        self._class: type[torch.nn.Module] = model_class or type(model)  # type: ignore[assignment]  # one is there
        self._given = model is not None
        self._kwargs = dict(model_kwargs or {})
        self._injected = (inject_input_shape_as, inject_output_shape_as)
        self._shapes: tuple[Shape | None, Shape | None] = (None, None)
        if not self._given:
            self._check_arguments()

    def _check_arguments(self) -> None:
        names = self._parameters()
        if names is None:
            return
        for name in self._kwargs:
            if name not in names:
                raise ModelError(
                    f"{self._class.__name__} takes no argument {name!r}.{did_you_mean(name, names)}"
                )

    def _parameters(self) -> set[str] | None:
        """The class's argument names; None if it takes any."""
        parameters = inspect.signature(self._class).parameters
        if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
            return None
        return set(parameters)

    @property
    def module(self) -> torch.nn.Module:
        """The torch module that computes."""
        if self._module is None:
            raise ModelError(f"The {self._class.__name__} is not built yet; build the graph first.")
        return self._module

    @property
    def is_built(self) -> bool:
        return self._module is not None

    @property
    def input_shape(self) -> Shape | None:
        return self._shapes[0]

    @property
    def output_shape(self) -> Shape | None:
        return self._shapes[1]

    def build(
        self,
        input_shape: Shape | None = None,
        output_shape: Shape | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Make the module from its class. A module that was given is kept, also with `force`."""
        self._shapes = (input_shape or self._shapes[0], output_shape or self._shapes[1])
        if self._given or (self._module is not None and not force):
            return
        arguments = dict(self._kwargs)
        known = self._parameters()
        for name, shape in zip(self._injected, self._shapes, strict=True):
            if name and name not in arguments and (known is None or name in known):
                arguments[name] = shape
        self._module = self._class(**arguments)

    def forward(self, x: Any) -> Any:
        return self.module(x)

    def get_weights(self) -> dict[str, Any]:
        return dict(self.module.state_dict())

    def set_weights(self, weights: dict[str, Any]) -> None:
        load_weights(self.module, weights)

    def get_init_args(self) -> dict[str, Any]:
        """A module that was made beforehand goes in as it is, since nothing else describes it."""
        made: dict[str, Any] = (
            {"model": self._module}
            if self._given
            else {"model_class": location_of(self._class), "model_kwargs": dict(self._kwargs)}
        )
        return {
            **made,
            "inject_input_shape_as": self._injected[0],
            "inject_output_shape_as": self._injected[1],
        }

    @classmethod
    def _from_init_args(cls, init_args: dict[str, Any]) -> Self:
        if "model" in init_args:
            # The configured model stays alone with its weights.
            return cls(**{**init_args, "model": copy.deepcopy(init_args["model"])})
        return cls(**{**init_args, "model_class": locate(init_args["model_class"])})

    @property
    def class_name(self) -> str:
        return type(self.module).__name__ if self.is_built else self._class.__name__

    def __repr__(self) -> str:
        return f"TorchModelWrapper({self._class.__name__})"


def _is_module_class(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, torch.nn.Module)
