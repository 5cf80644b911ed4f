"""Running the same phases on every fold."""

from typing import TYPE_CHECKING, Any, Self

from engine.context import ExperimentContext
from engine.cross_validation.binding import CVBinding
from engine.cross_validation.fold import Fold
from engine.cross_validation.folds import Folds, checked_workers
from engine.cross_validation.progress import fold_progress
from engine.cross_validation.results import CVResults
from engine.errors import CheckpointError, PhaseError
from engine.experiment import Experiment
from engine.experiment.prospect import PlanEntry, prospect
from engine.phases import PhaseGroup, TrainPhase
from engine.phases.describing import described
from engine.phases.group import rebuilt_item
from engine.results import PhaseGroupResults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.phases.base import ExperimentPhase


class CrossValidation:
    """Trains and evaluates on one fold after another, each time from the same beginning.

    In each fold the bound feature sets have splits of their own, with scalers fitted to them; the
    graph begins with what it had learned before the first fold. Afterwards data and graph are as
    they were. A cross-validation can be stopped, saved and resumed like any group of phases.
    """

    def __init__(
        self,
        *,
        label: str = "CV",
        bindings: CVBinding | list[CVBinding],
        n_folds: int = 5,
        seed: int = 13,
        phase: "TrainPhase | PhaseGroup | Sequence[ExperimentPhase | PhaseGroup] | None" = None,
        experiment: Experiment | None = None,
        keep_weights: bool = False,
        workers: int = 1,
    ) -> None:
        """Runs `phase`, or a list of them, in each fold.

        Without one it runs all that the experiment's plan holds now.

        `keep_weights` keeps what each fold has learned, as `get_fold(i).weights`. With several
        `workers`, so many folds run at a time, each in a process of its own; what comes out is the
        same.
        """
        self.experiment = _checked_experiment(experiment)
        self.bindings = _checked_bindings(bindings)
        self.n_folds = _checked_count(n_folds)
        for binding in self.bindings:
            binding.check_folds(n_folds)
        self.seed = seed
        self.keep_weights = keep_weights
        folds = self._folds(self._template(phase))
        self.group = Folds(label, list(folds), workers=workers)

    @property
    def label(self) -> str:
        return self.group.label

    @property
    def workers(self) -> int:
        """How many folds run at a time."""
        return self.group.workers

    def run(
        self,
        *,
        workers: int | None = None,
        show_fold_progress: bool = True,
        persist_progress: bool = False,
        **flags: Any,
    ) -> CVResults:
        """Run every fold, `workers` at a time. Other flags reach the phases that they concern."""
        self._set_workers(workers)
        with fold_progress(self, show=show_fold_progress, stays=persist_progress):
            return CVResults.of(self.experiment.run_group(self.group, **flags))

    def resume(
        self,
        *,
        workers: int | None = None,
        show_fold_progress: bool = True,
        persist_progress: bool = False,
        **flags: Any,
    ) -> CVResults:
        """Go on with the cross-validation that was stopped, or whose checkpoint was restored.

        So can one that failed in a process of its own, or lost one: that fold is run again. Any
        number of workers may go on. Folds that had finished are not run again; of those from
        another process there is what a checkpoint holds: all but recorded batches.
        """
        self._set_workers(workers)
        with fold_progress(self, show=show_fold_progress, stays=persist_progress):
            results = self.experiment.resume(self.group, **flags)
        if not isinstance(results, PhaseGroupResults):
            raise CheckpointError(f"What was interrupted is not {self.label!r}.")
        return CVResults.of(results)

    def _set_workers(self, workers: int | None) -> None:
        if workers is not None:
            self.group.workers = checked_workers(workers)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cross-validation; its phases are those of a fold."""
        items = self.group.get_group(0)
        return {
            "label": self.label,
            "bindings": [binding.get_config() for binding in self.bindings],
            "n_folds": self.n_folds,
            "seed": self.seed,
            "phases": [described(item) for item in items],
            "keep_weights": self.keep_weights,
            "workers": self.workers,
        }

    @classmethod
    def from_config(
        cls, config: "Mapping[str, Any]", *, experiment: Experiment | None = None
    ) -> Self:
        """The cross-validation that `get_config` described, of an experiment's or the active one's.

        Feature sets and graph must be there.
        """
        arguments = dict(config)
        phases = [rebuilt_item(one) for one in arguments.pop("phases")]
        bindings = [CVBinding.from_config(one) for one in arguments.pop("bindings")]
        return cls(bindings=bindings, phase=phases, experiment=experiment, **arguments)

    def planned(self) -> tuple[PlanEntry, ...]:
        """What `run` would do: the cross-validation, its folds and their phases, in order."""
        return prospect([self.group], None)

    def remaining(self) -> tuple[PlanEntry, ...]:
        """What `resume` would do: which folds have finished, which one goes on and where."""
        return self.experiment.remaining(self.group)

    def _template(
        self, phase: "TrainPhase | PhaseGroup | Sequence[ExperimentPhase | PhaseGroup] | None"
    ) -> "Sequence[ExperimentPhase | PhaseGroup]":
        if phase is None:
            items = self.experiment.execution_plan.all
            if not items:
                raise PhaseError(
                    f"The plan of {self.experiment.label!r} is empty: add phases, or give one as "
                    "`phase`."
                )
            return items
        if isinstance(phase, list | tuple):
            return phase
        if not isinstance(phase, TrainPhase | PhaseGroup):
            raise TypeError(f"A TrainPhase or a PhaseGroup is folded, not {type(phase).__name__}.")
        return [phase]

    def _folds(self, items: "Sequence[ExperimentPhase | PhaseGroup]") -> list[Fold]:
        return [
            Fold(
                number,
                items,
                bindings=self.bindings,
                n_folds=self.n_folds,
                seed=self.seed,
                keep_weights=self.keep_weights,
            )
            for number in range(self.n_folds)
        ]

    def __repr__(self) -> str:
        return f"CrossValidation({self.label!r}, {self.n_folds} folds of {list(self.bindings)})"


def _checked_count(n_folds: Any) -> int:
    if isinstance(n_folds, bool) or not isinstance(n_folds, int) or n_folds < 1:
        raise PhaseError(f"n_folds is a whole number of at least 1, not {n_folds!r}.")
    return n_folds


def _checked_experiment(experiment: Experiment | None) -> Experiment:
    if experiment is None:
        context = ExperimentContext.find_active()
        experiment = None if context is None else context.get_experiment()
    if not isinstance(experiment, Experiment):
        raise TypeError("There is no experiment: make one first, or give it as `experiment`.")
    return experiment


def _checked_bindings(bindings: CVBinding | list[CVBinding]) -> tuple[CVBinding, ...]:
    given = (bindings,) if isinstance(bindings, CVBinding) else tuple(bindings)
    labels = [binding.feature_set_label for binding in given]
    if not given:
        raise PhaseError("Say with a CVBinding which feature set is folded.")
    for label in labels:
        if labels.count(label) > 1:
            raise PhaseError(f"The feature set {label!r} is bound twice.")
    return given
