"""Recipes of the user's own: any function that returns an `engine.Experiment`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from engine.experiment import Experiment
from tracker.errors import ComponentError
from tracker.pipelines import components
from tracker.pipelines.components import Component, accepts
from tracker.pipelines.documents import Document, KeyPath
from tracker.pipelines.recipes.base import CHECKPOINTS, COMMON, Plan, Recipe, located, policy_of
from tracker.pipelines.schema import Setting, check_mapping, fields, mapping, one_of, text

_STRATEGY = {
    "monitor": Setting(text),
    "mode": Setting(one_of("min", "max")),
    "checkpoints": CHECKPOINTS,
}
SETTINGS = {**COMMON, "args": Setting(mapping), "strategy": Setting(fields(_STRATEGY))}


class FunctionRecipe(Recipe):
    """Calls the user's function with the configured arguments.

    Where the function has arguments called `seed`, `epochs`, `patience` or `device`, they
    are what the pipeline and the training say. The experiment of one without a `seed` gets the
    run's all the same, so that the run can be repeated.
    """

    demanded_at: ClassVar[Mapping[str, KeyPath]] = {
        name: ("args", name) for name in ("epochs", "patience", "device")
    }

    def normal(self, document: Document) -> Document:
        check_mapping(document, (), document.data, SETTINGS)
        config = {key: value for key, value in document.data.items() if value not in (None, {})}
        return replace(document, data=config)

    def check(self, document: Document, directory: Path) -> None:
        component = _component(document.data)
        try:
            target = components.locate(component.loc, directory)
            components.check(_seeded(component, target, 0), directory)
        except ComponentError as error:
            raise located(document, ("recipe",), error) from error

    def components(self, config: dict[str, Any]) -> Iterator[Component]:
        component = _component(config)
        yield component
        yield from component.inner()

    def refused_demands(self, config: dict[str, Any], directory: Path) -> Mapping[str, str]:
        target = components.locate(config["recipe"], directory)
        return {
            name: f"the recipe {config['recipe']} has no argument {name!r}"
            for name in self.demanded_at
            if not accepts(target, name)
        }

    def plan(self, config: dict[str, Any], directory: Path, seed: int) -> Plan:
        component = _component(config)
        target = components.locate(component.loc, directory)
        experiment = components.make(_seeded(component, target, seed), directory)
        if not isinstance(experiment, Experiment):
            raise ComponentError(
                f"{component.loc} must return an engine.Experiment, and returned a"
                f" {type(experiment).__name__}."
            )
        if not accepts(target, "seed"):
            experiment.seed = seed
        return Plan(experiment, policy_of(config.get("strategy") or {}))


def _component(config: dict[str, Any]) -> Component:
    return Component(loc=config["recipe"], args=config.get("args") or {})


def _seeded(component: Component, target: Any, seed: int) -> Component:
    """With the pipeline's seed, if the function takes one that `args` does not say."""
    if "seed" in component.args or not accepts(target, "seed"):
        return component
    return replace(component, args={**component.args, "seed": seed})
