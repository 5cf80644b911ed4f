"""Trials of a pipeline's recipe: the grid's values set in its configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.context import ExperimentContext
from engine.phases.reporting import Reporter
from engine.seeding import derive_seed, generators
from tracker.errors import ConfigurationError
from tracker.pipelines.configuration import read_configuration
from tracker.pipelines.documents import Document
from tracker.pipelines.gradients import keep_gradients
from tracker.pipelines.recipes import recipe_of
from tracker.pipelines.recipes.base import Recipe, with_demand
from tracker.recording.restoring import restore
from tracker.recording.tracking import tracking
from tracker.sweeps.config import Config
from tracker.sweeps.targets import Target
from tracker.sweeps.trial import Trial

DEFAULT_SEED = 0


class RecipeTarget(Target):
    """Trains what a configuration describes; a trial that was stopped goes on bit for bit.

    Fields of the grid are set by their dotted keys: `optimizer.args.lr`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._is_warm = False

    def check(self, configs: list[Config]) -> None:
        for config in configs:
            recipe, document = _described(config)
            recipe.check(document, self._directory)

    def warm_up(self, config: Config) -> None:
        """Imports the modules of the recipe and of its components, which can take seconds."""
        if not self._is_warm:
            self._is_warm = True
            self.check([config])

    def run(self, trial: Trial) -> Mapping[str, Any] | None:
        recipe, document = _described(trial.config)
        config = self._on_device(recipe, document.data, trial.device)
        seed = document.data.get("seed")
        seed = DEFAULT_SEED if seed is None else seed
        with ExperimentContext().activate():
            # What a component draws while it is made, its first weights say, depends on it too.
            with generators(derive_seed(seed, "build")):
                plan = recipe.plan(config, self._directory, seed)
            experiment = plan.experiment
            experiment.add_reporter(_Signs(trial))
            trial.on_stop(experiment.request_stop)
            keep_gradients(plan, trial.run)
            with tracking(experiment, trial.run, plan.policy):
                if trial.restored is None:
                    experiment.run(show_training_progress=False)
                else:
                    restore(trial.run.place, trial.restored, experiment)
                    experiment.resume(show_training_progress=False)
        if experiment.last_run is not None and experiment.last_run.status == "stopped":
            trial.saw_stop = True
        return None

    def _on_device(
        self, recipe: Recipe, config: dict[str, Any], device: str | None
    ) -> dict[str, Any]:
        if device is None or "device" in recipe.refused_demands(config, self._directory):
            return config
        return with_demand(config, recipe.demanded_at["device"], device)


class _Signs(Reporter):
    """Tells, after each batch, that the trial gets on."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def batch_ended(self, *, path: tuple[int, ...], epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - the contract
        self._trial.sign()


def _described(config: Config) -> tuple[Recipe, Document]:
    """The recipe and the full form of a configuration with dotted keys."""
    values = config.to_dict()
    dotted = {key: value for key, value in values.items() if "." in key}
    plain = {key: value for key, value in values.items() if "." not in key}
    try:
        document = read_configuration(plain, overrides=dotted)
        recipe = recipe_of(document)
        return recipe, recipe.normal(document)
    except ConfigurationError as error:
        words = str(error).replace("-s ", "grid: ", 1)
        if "recipe" not in values:
            words += " If a function is to be tried, name it: --target module:function."
        raise ConfigurationError(words) from error
