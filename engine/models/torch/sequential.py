"""What the two ready-made networks share: shapes that may come late."""

import math
from abc import abstractmethod
from typing import Any

import torch

from engine.errors import ModelError
from engine.models.base import Shape
from engine.models.torch_base import TorchBaseModel


class SequentialModel(TorchBaseModel):
    """A chain of layers, made as soon as input and output shape are known."""

    layers: torch.nn.Sequential

    def __init__(
        self, input_shape: Shape | None, output_shape: Shape | None, **settings: Any
    ) -> None:
        super().__init__(input_shape=input_shape, output_shape=output_shape, **settings)
        self._shapes = (_checked(input_shape), _checked(output_shape))
        if None not in self._shapes:
            self.build()

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
        """Make the layers. A shape that was given when the model was made must be the same."""
        if self._built and not force:
            return
        asked = (_checked(input_shape), _checked(output_shape))
        for name, mine, given in zip(("input", "output"), self._shapes, asked, strict=True):
            if mine is not None and given is not None and mine != given:
                raise ModelError(
                    f"This {type(self).__name__} was made for the {name} shape {mine}, "
                    f"and is to be built for {given}."
                )
        inputs, outputs = self._shapes[0] or asked[0], self._shapes[1] or asked[1]
        if inputs is None or outputs is None:
            missing = "input_shape" if inputs is None else "output_shape"
            raise ModelError(
                f"A {type(self).__name__} cannot be built without {missing}, and nothing here says "
                "it; give it when you make the model."
            )
        self._shapes = (inputs, outputs)
        self.layers = torch.nn.Sequential(*self._make_layers(inputs, outputs))

    @abstractmethod
    def _make_layers(self, inputs: Shape, outputs: Shape) -> list[torch.nn.Module]: ...

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(x)
        return result


def head(size: int, outputs: Shape) -> list[torch.nn.Module]:
    """From flat features to outputs of this shape."""
    last: list[torch.nn.Module] = [torch.nn.Linear(size, math.prod(outputs))]
    return last if len(outputs) == 1 else [*last, torch.nn.Unflatten(1, outputs)]


def _checked(shape: Any) -> Shape | None:
    if shape is None:
        return None
    dimensions = (shape,) if isinstance(shape, int) else tuple(shape)
    if not dimensions or any(type(one) is not int or one < 1 for one in dimensions):
        raise ModelError(f"A shape is one or more positive whole numbers, not {shape!r}.")
    return dimensions
