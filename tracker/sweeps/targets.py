"""What a sweep tries: a function of a configuration, or a pipeline's recipe."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tracker.errors import ComponentError, InvalidError
from tracker.pipelines import components
from tracker.sweeps.config import Config
from tracker.sweeps.trial import Trial

# What a sweep without a function tries: the recipe that its configuration names.
RECIPE = "recipe"
Function = Callable[..., Mapping[str, Any] | None]


class Target(ABC):
    """What is done with one configuration."""

    @abstractmethod
    def check(self, configs: list[Config]) -> None:
        """Raises for everything that can be known to be wrong before any of them is tried."""

    @abstractmethod
    def warm_up(self, config: Config) -> None:
        """Does, before the first trial of a process begins, what is done only once in it."""

    @abstractmethod
    def run(self, trial: Trial) -> Mapping[str, Any] | None:
        """Tries the trial's configuration; returns its metrics, or None for those it logged."""


class FunctionTarget(Target):
    """A function `f(config)`, or `f(config, trial)`."""

    def __init__(self, function: Function, name: str) -> None:
        if not callable(function):
            raise ComponentError(f"{name} is a {type(function).__name__}, not a function.")
        self._function = function
        self._takes_trial = _takes_trial(function, name)

    def check(self, configs: list[Config]) -> None:
        """Nothing: what a function makes of a configuration shows when it is called."""

    def warm_up(self, config: Config) -> None:
        """Nothing: its module is there by now."""

    def run(self, trial: Trial) -> Mapping[str, Any] | None:
        given = (trial.config, trial) if self._takes_trial else (trial.config,)
        return self._function(*given)


def name_of(target: str | Function | None) -> str:
    """How the record calls a target: `module:function`, or the word for a recipe."""
    if target is None:
        return RECIPE
    if isinstance(target, str):
        return target
    if not callable(target):
        raise InvalidError(
            "A sweep's target is a function, the location of one as module:function, or None for"
            f" the recipe that the configuration names; not a {type(target).__name__}."
        )
    module = getattr(target, "__module__", None) or "__main__"
    return f"{module}:{getattr(target, '__qualname__', type(target).__qualname__)}"


def is_local(target: str) -> bool:
    """Whether only the program that defined a function can find it."""
    module, _, name = target.partition(":")
    return module == "__main__" or "<" in name


def refuse_local(target: str) -> None:
    """ComponentError for a function that cannot be found from here, whatever is tried."""
    if is_local(target):
        raise ComponentError(
            f"{target} was defined in a script or a notebook: run the sweep from there, or move"
            " the function into a module beside the lab and name it as module:function."
        )


def target_of(name: str, directory: Path, function: Function | None = None) -> Target:
    """The target of this name; `function` is what it is, where the caller has it at hand.

    ComponentError if it cannot be found from here.
    """
    if name == RECIPE:
        from tracker.sweeps.recipes import RecipeTarget  # noqa: PLC0415 - brings torch

        return RecipeTarget(directory)
    if function is None:
        refuse_local(name)
        function = components.locate(name, directory)
    return FunctionTarget(function, name)


def _takes_trial(function: Function, name: str) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built in C without a signature
        return False
    places = [
        one for one in parameters if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}
    ]
    any_number = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    by_name = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    if (not places and not any_number) or _needed(by_name) or len(_needed(places)) > 2:
        raise ComponentError(f"{name} must take a configuration, or a configuration and a trial.")
    # A second argument with a default is the function's own, unless it is called `trial`.
    return len(_needed(places)) == 2 or (len(places) > 1 and places[1].name == "trial")


def _needed(places: list[inspect.Parameter]) -> list[inspect.Parameter]:
    return [one for one in places if one.default is one.empty]
