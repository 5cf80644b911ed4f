"""A loss function, described so that it can be built, saved and checked."""

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Literal, Self

import torch

from engine.errors import LossError
from engine.losses.names import (
    check_arguments,
    find_loss_class,
    is_torch_loss,
    simple_name,
    takes_classes,
)
from engine.models.backend import Backend
from engine.saving import Savable, locate, location_of

Reduction = Literal["mean", "sum", "none"]
_REDUCTIONS = ("mean", "sum", "none")


class Loss(Savable):
    """A loss by name (`"mse"`), class, instance or function, or made by a factory.

    `reduction="mean"` is the mean of what the loss gives for each element, `"sum"` its sum; with
    `"none"` a direct call gives the elements, and a training step takes their mean. What a function
    or an instance has reduced to one number is left as it is; rows are reduced likewise.

    Outputs and targets must come to one shape; `match_shapes=False` leaves that to a function that
    compares different shapes on purpose.
    """

    saved_as = "loss"

    def __init__(
        self,
        loss: str | type | Callable[..., Any] | None = None,
        *,
        loss_kwargs: Mapping[str, Any] | None = None,
        backend: Backend | str | None = None,
        reduction: Reduction = "mean",
        factory: Callable[..., Callable[..., Any]] | None = None,
        match_shapes: bool = True,
    ) -> None:
        if (loss is None) == (factory is None):
            raise LossError("Give either a loss or a factory that makes one.")
        if reduction not in _REDUCTIONS:
            raise LossError(f"A reduction is 'mean', 'sum' or 'none', not {reduction!r}.")
        if backend is not None:
            Backend.from_value(backend)
        self.cls: type | None = None
        self.fn: Callable[..., Any] | None = None
        self.factory = factory
        self.reduction: Reduction = reduction
        self.kwargs = dict(loss_kwargs or {})
        self.match_shapes = match_shapes
        self._callable: Callable[..., Any] | None = None
        self._per_element: Callable[..., Any] | None = None
        self._take(loss)

    def _take(self, loss: Any) -> None:
        if isinstance(loss, str):
            loss = find_loss_class(loss)
        if isinstance(loss, type):
            self.cls = loss
            check_arguments(loss, self.kwargs)
        elif callable(loss):
            self.fn = loss
            if self.kwargs and isinstance(loss, torch.nn.Module):
                raise LossError(f"{loss!r} is made already; it takes no loss_kwargs.")
        elif self.factory is None:
            raise LossError(f"{loss!r} is not a loss: give a name, a class or a function.")

    @property
    def name(self) -> str:
        return simple_name(self.cls or self.fn or self.factory)

    @property
    def backend(self) -> Backend:
        return Backend.TORCH

    @property
    def is_built(self) -> bool:
        return self._callable is not None

    def build(
        self, *, backend: Backend | str | None = None, force_rebuild: bool = False, **kwargs: Any
    ) -> None:
        """Make the loss; `kwargs` are added to `loss_kwargs`. Anew only with `force_rebuild`."""
        if backend is not None:
            Backend.from_value(backend)
        if self.is_built and not force_rebuild:
            raise LossError(f"The loss {self.name!r} is built already; pass force_rebuild=True.")
        self.kwargs |= kwargs
        self._callable = self._make(self.reduction)
        self._per_element = None

    def _make(self, reduction: str) -> Callable[..., Any]:
        if self.cls is None:
            given: Any = self.fn if self.factory is None else self.factory(**self.kwargs)
            return _checked(given)
        arguments = dict(self.kwargs)
        if "reduction" in inspect.signature(self.cls).parameters:
            arguments.setdefault("reduction", reduction)
        return _checked(self.cls(**arguments))

    @property
    def function(self) -> Callable[..., Any]:
        """What is called, built if it is not."""
        if self._callable is None:
            self.build()
        assert self._callable is not None  # noqa: S101 - built above
        return self._callable

    @property
    def per_element(self) -> Callable[..., Any]:
        """The same without any reduction, for samples of different weight."""
        if self._per_element is None:
            self._per_element = self._unreduced()
        return self._per_element

    def _unreduced(self) -> Callable[..., Any]:
        if self.cls is not None and "reduction" not in self.kwargs:
            return self._make("none")
        if isinstance(self.function, torch.nn.Module) and hasattr(self.function, "reduction"):
            raise LossError(
                f"The loss {self.name!r} reduces its rows itself, so they cannot be weighted. "
                "Give its class or its name instead."
            )
        return self.function

    @property
    def allowed_keywords(self) -> list[str]:
        """The names of the arguments that the loss takes."""
        function = self.function
        called = function.forward if isinstance(function, torch.nn.Module) else function
        parameters = inspect.signature(called).parameters.values()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        fixed = self._fixed_arguments
        return [one.name for one in parameters if one.kind in kinds and one.name not in fixed]

    @property
    def _fixed_arguments(self) -> dict[str, Any]:
        """What goes to a function with each call, since it has no constructor to go to."""
        return {} if self.fn is None else self.kwargs

    @property
    def takes_classes(self) -> bool:
        """Whether targets may be class indices."""
        return takes_classes(self.function)

    @property
    def is_torch_loss(self) -> bool:
        """Whether it is one of torch's own."""
        return is_torch_loss(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **self._fixed_arguments, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """A torch module goes in as it is.

        Raises PackagedCodeError for a function or another instance that has no name to find it by.
        """
        source = self.cls or self.fn or self.factory
        is_module = isinstance(source, torch.nn.Module)
        return {
            "factory" if self.factory else "loss": source if is_module else location_of(source),
            "loss_kwargs": dict(self.kwargs),
            "reduction": self.reduction,
            "match_shapes": self.match_shapes,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Imports what the configuration names."""
        found: dict[str, Any] = {
            name: _found(config[name]) for name in ("loss", "factory") if name in config
        }
        return cls(**{**config, **found})

    def get_state(self) -> dict[str, Any]:
        """What a loss that is a torch module keeps and learns. Shares memory with it."""
        built = self._callable
        return {"built": dict(built.state_dict())} if isinstance(built, torch.nn.Module) else {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        if state:
            self.function.load_state_dict(state["built"])  # type: ignore[attr-defined]  # only modules gave one

    def __repr__(self) -> str:
        return f"Loss({self.name!r})"


def _found(source: Any) -> Any:
    """What is named, or a module of this loss alone."""
    return locate(source) if isinstance(source, str) else deepcopy(source)


def _checked(made: Any) -> Callable[..., Any]:
    if not callable(made):
        raise LossError(f"A loss must be a function of outputs and targets, and this is {made!r}.")
    found: Callable[..., Any] = made
    return found
