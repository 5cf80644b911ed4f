"""What a recipe is: it knows its settings, and makes an experiment of them."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from tracker.errors import ComponentError, InvalidError
from tracker.pipelines import components
from tracker.pipelines.components import Component
from tracker.pipelines.documents import Document, KeyPath, dotted
from tracker.pipelines.schema import Setting, boolean, fields, number, text, whole
from tracker.recording.checkpoints import CheckpointPolicy

if TYPE_CHECKING:
    from engine.experiment import Experiment

DEVICES = r"auto|cpu|cuda(:\d+)?|mps"
# What every pipeline has, whatever its recipe.
COMMON = {
    "recipe": Setting(text),
    "experiment": Setting(text),
    "seed": Setting(whole(0)),
}
CHECKPOINTS = Setting(
    fields(
        {
            "every": Setting(whole(1)),
            "every_seconds": Setting(number(0.1)),
            "keep_last": Setting(whole(1)),
            "keep_best": Setting(boolean),
            "top": Setting(whole(1)),
        }
    )
)


class Demands(NamedTuple):
    """What one training asks for beside the configuration; None leaves it as it is."""

    epochs: int | None = None
    patience: int | None = None
    device: str | None = None

    def checked(self) -> Self:
        """These demands, if they make sense; else an InvalidError."""
        for name, value in (("epochs", self.epochs), ("patience", self.patience)):
            if value is not None and (isinstance(value, bool) or not int(value) == value >= 1):
                raise InvalidError(f"{name} must be a whole number of at least 1, not {value!r}.")
        if self.device is not None and not re.fullmatch(DEVICES, self.device):
            raise InvalidError(f"device must be auto, cpu or cuda, not {self.device!r}.")
        return self


@dataclass(frozen=True)
class Plan:
    """An experiment, and what is to be kept of it."""

    experiment: "Experiment"
    # Which of its checkpoints.
    policy: CheckpointPolicy = field(default_factory=CheckpointPolicy)
    # The gradients after every so many epochs.
    gradients_every: int | None = None


class Recipe(ABC):
    """Turns a pipeline's configuration into an `engine.Experiment`."""

    # Where in a configuration stands what a training may demand.
    demanded_at: ClassVar[Mapping[str, KeyPath]]

    @abstractmethod
    def normal(self, document: Document) -> Document:
        """The same configuration in its full form, so that equal ones are written alike."""

    @abstractmethod
    def check(self, document: Document, directory: Path) -> None:
        """Raises for everything that can be known to be wrong without the data."""

    @abstractmethod
    def components(self, config: dict[str, Any]) -> Iterator[Component]:
        """Every component that the configuration names."""

    @abstractmethod
    def refused_demands(self, config: dict[str, Any], directory: Path) -> Mapping[str, str]:
        """The demands that mean nothing to this configuration, and why."""

    @abstractmethod
    def plan(self, config: dict[str, Any], directory: Path, seed: int) -> Plan:
        """The experiment, built anew from the configuration and the seed alone."""


def policy_of(strategy: Mapping[str, Any]) -> CheckpointPolicy:
    """The checkpoints that a `strategy` asks for; the best is that of what it monitors."""
    watched = {key: strategy[key] for key in ("monitor", "mode") if strategy.get(key)}
    return CheckpointPolicy(**(strategy.get("checkpoints") or {}), **watched)


def demanded(config: Mapping[str, Any], path: KeyPath) -> Any:
    """What a configuration holds at a path, None where nothing is."""
    value: Any = config
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def with_demand(config: Mapping[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    """The configuration with another value at a path of mappings."""
    key, rest = str(path[0]), path[1:]
    inner = with_demand(config.get(key) or {}, rest, value) if rest else value
    return {**config, key: inner}


def value_at(document: Document, path: KeyPath) -> Any:
    """What the configuration holds at a path that is there."""
    value: Any = document.data
    for part in path:
        value = value[part]
    return value


def check_component(
    document: Document,
    path: KeyPath,
    directory: Path,
    *,
    given: tuple[str, ...] = (),
) -> Any:
    """The component that the configuration names at `path`; an error says where it does."""
    component = Component.parse(value_at(document, path))
    try:
        return components.check(component, directory, given=given)
    except ComponentError as error:
        raise located(document, path, error) from error


def located(document: Document, path: KeyPath, error: Exception) -> ComponentError:
    """The error of a component with the place in the configuration that names it."""
    place = document.place((*path, "loc")) or document.place(path)
    reason = f"{dotted(path)}: {error}"
    return ComponentError(f"{place}: {reason}" if place else reason)
