"""What every model is to the graph: something built by shapes, with a state and a configuration."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from typing import Any, Self

from engine.errors import ModelError
from engine.models.backend import Backend
from engine.models.comparing import same_values
from engine.saving import Savable, locate, location_of
from engine.seeding import generators

Shape = tuple[int, ...]


class BaseModel(Savable, ABC):
    """A model of any backend. Shapes are those of one sample, without the batch's dimension."""

    saved_as = "model"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass's `build` is noted when it returns, so that it need not note it itself."""
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            setattr(cls, "build", _noted(cls.build))  # noqa: B010 - mypy takes methods for constants

    def __init__(self, backend: str | Backend, **init_args: Any) -> None:
        self._backend = Backend.from_value(backend)
        self._init_args = init_args
        self._built = False

    @property
    def backend(self) -> Backend:
        return self._backend

    @property
    def class_name(self) -> str:
        """The name of the class that computes; of what is wrapped, where something is."""
        return type(self).__name__

    @property
    @abstractmethod
    def input_shape(self) -> Shape | None: ...

    @property
    @abstractmethod
    def output_shape(self) -> Shape | None: ...

    @property
    def is_built(self) -> bool:
        """Whether `build` was completed; a subclass may know better."""
        return self._built

    @abstractmethod
    def build(
        self,
        input_shape: Shape | None = None,
        output_shape: Shape | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Make the layers for these shapes; does nothing if they are there, unless `force`."""

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """What the model makes of a batch in its own backend's form."""

    @abstractmethod
    def get_weights(self) -> dict[str, Any]:
        """What was learned, by name. Shares memory with the model."""

    @abstractmethod
    def set_weights(self, weights: dict[str, Any]) -> None:
        """Take over what `get_weights` gave."""

    def get_init_args(self) -> dict[str, Any]:
        """The arguments that make an equal, unbuilt model."""
        return dict(self._init_args)

    def get_config(self) -> dict[str, Any]:
        """The class and its arguments; nothing that was learned."""
        return {"class": location_of(type(self)), "init_args": self.get_init_args()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BaseModel":
        """An equal model without what was learned; imports the class that is named."""
        found = locate(config["class"])
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            raise ModelError(f"{config['class']} is not a model of this library.")
        return found._from_init_args(config["init_args"])  # noqa: SLF001 - a hook of this class

    @classmethod
    def _from_init_args(cls, init_args: dict[str, Any]) -> Self:
        return cls(**init_args)

    def get_state(self) -> dict[str, Any]:
        """Weights and shapes. Shares memory with the model; copy it to keep it."""
        return {
            "weights": self.get_weights() if self.is_built else None,
            "input_shape": self.input_shape,
            "output_shape": self.output_shape,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` gave, building the model first if need be."""
        if state["weights"] is None:
            return
        if not self.is_built:
            self.build(state["input_shape"], state["output_shape"])
        self.set_weights(state["weights"])

    def saved_form(self) -> dict[str, Any]:
        """Configuration and state; shares memory with the model."""
        return {"config": self.get_config(), "state": self.get_state()}

    @classmethod
    def from_saved_form(cls, saved: dict[str, Any]) -> Self:
        """What `saved_form` described; imports its class."""
        # What is drawn for the first weights is replaced, and nobody else's.
        with generators(0):
            made = cls.from_config(saved["config"])
            if not isinstance(made, cls):
                raise TypeError(f"it holds a {type(made).__name__}, which is no {cls.__name__}")
            made.restore(saved)
        return made

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over the state that `saved_form` described."""
        self.set_state(saved["state"])

    def __call__(self, x: Any) -> Any:
        return self.forward(x)

    def __eq__(self, other: object) -> bool:
        """Equal in class, arguments and everything learned."""
        if self is other:
            return True
        if not isinstance(other, BaseModel) or type(self) is not type(other):
            return NotImplemented
        return same_values(self.get_config(), other.get_config()) and same_values(
            self.get_state(), other.get_state()
        )

    # By identity, as torch asks of its modules.
    __hash__ = object.__hash__


def _noted(build: Callable[..., None]) -> Callable[..., None]:
    @wraps(build)
    def noted(self: BaseModel, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        self._built = True

    return noted
