"""One fold: a group of phases that sees data of its own and begins with the weights of all."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Self

from engine.cross_validation.binding import CVBinding
from engine.phases.describing import described
from engine.phases.group import GroupRun, PhaseGroup, rebuilt_item
from engine.phases.running import graph_of
from engine.results import FoldResults, PhaseGroupResults

if TYPE_CHECKING:
    from engine.features import FeatureSet
    from engine.phases.base import ExperimentPhase
    from engine.phases.reporting import PhaseKind, RunStatus


class Fold(PhaseGroup):
    """The phases of one fold. While they run, the bound feature sets are the fold's own."""

    kind: ClassVar["PhaseKind"] = "fold"

    def __init__(
        self,
        number: int,
        items: "Sequence[ExperimentPhase | PhaseGroup]",
        *,
        bindings: "Sequence[CVBinding]",
        n_folds: int,
        seed: int,
        keep_weights: bool = False,
    ) -> None:
        super().__init__(f"fold_{number}", list(items))
        self.number = number
        self.n_folds = n_folds
        self.bindings = tuple(bindings)
        self.seed = seed
        self.keep_weights = keep_weights

    def begin(self, experiment: Any, saved: Mapping[str, Any] | None) -> "FoldRun":
        return FoldRun(experiment, self, saved)

    def new_results(self) -> FoldResults:
        return FoldResults(self.label)

    def own(self, source: "FeatureSet") -> "FeatureSet":
        """A bound feature set as this fold has it: with its splits, and scalers fitted to them."""
        binding = next(one for one in self.bindings if one.feature_set_label == source.label)
        splits = binding.folds(source, self.n_folds, self.seed)
        return source.resplit(splits[self.number])

    def get_config(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "phases": [described(item) for item in self],
            "bindings": [binding.get_config() for binding in self.bindings],
            "n_folds": self.n_folds,
            "seed": self.seed,
            "keep_weights": self.keep_weights,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The fold that `get_config` described; other folds of the same phases get others."""
        arguments = dict(config)
        items = [rebuilt_item(one) for one in arguments.pop("phases")]
        bindings = [CVBinding.from_config(one) for one in arguments.pop("bindings")]
        return cls(arguments.pop("number"), items, bindings=bindings, **arguments)


class FoldRun(GroupRun):
    """One execution of a fold.

    It begins with what the graph has learned and frozen by then, and puts that back in the end; a
    fold that is stopped leaves what is to be gone on with.
    """

    state: Mapping[str, Any]

    def __init__(self, experiment: Any, fold: Fold, saved: Mapping[str, Any] | None) -> None:
        self._graph = graph_of(experiment)
        self._graph.build()
        self._fold = fold
        self.state = saved or {"graph": self._graph.get_state()}
        self._blocks = ExitStack()
        context = self._blocks.enter_context(experiment.ctx.temporary())
        try:
            self.feature_sets = self._enter_data(context)
        except BaseException:
            self._blocks.close()
            raise

    def _enter_data(self, context: Any) -> dict[str, Any]:
        own = {}
        for binding in self._fold.bindings:
            source = binding.find(context)
            own[source.label] = self._fold.own(source)
            context.register_experiment_node(own[source.label], check_label_collision=False)
        return own

    def leave(self, status: "RunStatus", results: PhaseGroupResults) -> None:
        self._blocks.close()
        if isinstance(results, FoldResults):
            results.feature_sets = self.feature_sets
            if self._fold.keep_weights and status == "completed":
                results.weights = self._graph.get_weights()
        if status != "stopped":
            self._graph.set_state(self.state["graph"])
