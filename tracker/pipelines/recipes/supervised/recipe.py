"""The supervised recipe: what its configuration means, and the experiment it becomes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from tracker.pipelines.components import Component, locate
from tracker.pipelines.documents import Document, KeyPath
from tracker.pipelines.recipes.base import Plan, Recipe
from tracker.pipelines.recipes.supervised.building import Builder
from tracker.pipelines.recipes.supervised.checks import check_supervised, kind_of
from tracker.pipelines.recipes.supervised.settings import full_form, metric_settings


class Supervised(Recipe):
    """Learns a target from features: a torch module by gradient steps, or one fit of an estimator.

    The parts of the data are called train, validate and test; metrics of the second are
    called `val_...`, taken after each epoch, those of the third `test_...`, taken at the end.
    """

    demanded_at: ClassVar[Mapping[str, KeyPath]] = {
        "epochs": ("epochs",),
        "patience": ("strategy", "patience"),
        "device": ("device",),
    }

    def normal(self, document: Document) -> Document:
        return full_form(document)

    def check(self, document: Document, directory: Path) -> None:
        check_supervised(document, directory)

    def components(self, config: dict[str, Any]) -> Iterator[Component]:
        for value in _named_components(config):
            component = Component.parse(value)
            yield component
            yield from component.inner()

    def refused_demands(self, config: dict[str, Any], directory: Path) -> Mapping[str, str]:
        model = config["model"]["loc"]
        if kind_of(locate(model, directory), config) == "torch":
            return {}
        return dict.fromkeys(self.demanded_at, f"{model} is fitted in one go")

    def plan(self, config: dict[str, Any], directory: Path, seed: int) -> Plan:
        return Builder(config, directory, seed).plan()


def _named_components(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    named = [config.get(key) for key in ("dataset", "model", "loss", "optimizer", "scheduler")]
    named += (config.get("scale") or {}).values()
    named += metric_settings(config).values()
    for value in named:
        if value and "loc" in value:
            yield value
