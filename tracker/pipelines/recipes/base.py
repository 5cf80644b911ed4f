"""What a recipe is: it knows its settings, and makes an experiment of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.database.tables import Goal
from tracker.errors import ComponentError
from tracker.pipelines import components
from tracker.pipelines.components import Component
from tracker.pipelines.documents import Document, KeyPath, dotted
from tracker.pipelines.schema import Setting, text, whole

if TYPE_CHECKING:
    from engine import Experiment

# What every pipeline has, whatever its recipe.
COMMON = {
    "recipe": Setting(text),
    "experiment": Setting(text),
    "seed": Setting(whole(0)),
}


@dataclass(frozen=True)
class Demands:
    """What one training asks for beside the configuration; None leaves it as configured."""

    seed: int
    epochs: int | None = None
    patience: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class Keeping:
    """Which checkpoints are written, and which stay."""

    every: int = 1  # epochs
    keep_last: int = 1
    keep_best: bool = True


@dataclass(frozen=True)
class Plan:
    """An experiment, and what a tracker should know of it."""

    experiment: "Experiment"
    epochs: int | None = None  # None: the recipe does not count them
    monitor: str | None = None
    goal: Goal | None = None
    keeping: Keeping = field(default_factory=Keeping)
    dataset: Any = None  # what to fingerprint
    dataset_name: str = ""


class Recipe(ABC):
    """Turns a pipeline's configuration into an `engine.Experiment`."""

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
    def plan(self, config: dict[str, Any], directory: Path, demands: Demands) -> Plan:
        """The experiment, built anew from the configuration alone."""


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
