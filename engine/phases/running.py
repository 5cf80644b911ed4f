"""One execution of a phase: where it stands, and what it leaves as it found it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import PhaseError
from engine.phases.calling import Hooks
from engine.phases.reporting import Path, Reporter, RunStatus, overriding
from engine.phases.topology import topology_of
from engine.results.callback_results import CallbackResult, MetricResult
from engine.seeding import derive_seed, generators

if TYPE_CHECKING:
    from engine.batches import ExecutionContext
    from engine.graph import ModelGraph
    from engine.phases.base import ExperimentPhase
    from engine.results.phase_results import PhaseResults

# Values of a callback that runs before the first epoch are logged here.
BEFORE_FIRST_EPOCH = -1


@dataclass(frozen=True)
class RunScope:
    """Where in an experiment a phase is executed, and for whom."""

    # Positions, and labels, that lead to the phase.
    path: Path = ()
    place: tuple[str, ...] = ()
    # The labels down to the innermost fold around it, if there is one.
    folds: tuple[str, ...] = ()
    flags: Mapping[str, Any] = field(default_factory=dict)
    reporters: tuple[Reporter, ...] = ()
    # Part of a callback's work: not stopped by itself, since its result is waited for.
    nested: bool = False
    # The state to go on from, None begins anew; and the results to go on filling.
    saved: Mapping[str, Any] | None = None
    results: "PhaseResults | None" = None


class PhaseRun(ABC):
    """One execution of a phase.

    Generators are seeded by the experiment's seed and the phase's place, and afterwards are as the
    caller had them; so are the nodes' frozen and training states.
    """

    results: "PhaseResults"

    def __init__(self, experiment: Any, phase: "ExperimentPhase", scope: RunScope) -> None:
        self.experiment = experiment
        self.phase = phase
        self.scope = scope
        self.graph = graph_of(experiment)
        self.graph.build()
        self.topology = topology_of(self.graph)
        self.exec_ctx: ExecutionContext | None = None
        self.hooks = Hooks(self)
        # Whether the phase's start was announced, so that there is something to go on with.
        self.has_begun = scope.saved is not None
        self._found: dict[str, Any] = {}
        self._stopped_state: dict[str, Any] | None = None

    # Running

    def execute(self) -> RunStatus:
        """Run to the end, or until the experiment is asked to stop."""
        saved = self.scope.saved
        self._found = self.graph.frozen_state() if saved is None else dict(saved["found"])
        try:
            with generators(self.seed):
                return self._execute_observed(saved)
        finally:
            self.graph.set_frozen_state(self._found)

    def _execute_observed(self, saved: Mapping[str, Any] | None) -> RunStatus:
        try:
            if saved is not None:
                self.set_state(saved)
            status = self._execute()
        except BaseException as error:
            self.hooks.exception(error, self.exec_ctx)
            raise
        if status == "stopped":
            # Now, while the generators are still the phase's.
            self._stopped_state = self.get_state()
        return status

    @abstractmethod
    def _execute(self) -> RunStatus:
        """The phase's own work."""

    @property
    def seed(self) -> int:
        return derive_seed(self.experiment.seed, "phase", *self.scope.place)

    # What callbacks do

    @contextmanager
    def inside_hook(self) -> Iterator[None]:
        """Whatever a callback freezes, or runs, is undone or stays unreported."""
        frozen = self.graph.frozen_state()
        with self.experiment.inside_callback():
            try:
                yield
            finally:
                self.graph.set_frozen_state(frozen)

    def announce(self, method: str) -> None:
        """Call a hook of the whole phase, and report what it measured."""
        self._measured: dict[str, float] = {}
        self.hooks.phase(method)
        if self._measured:
            self.report(self._measured, epoch=None)

    def keep_result(self, result: CallbackResult) -> None:
        """Record what a callback returned, and log it if it is a metric."""
        if self.records(result):
            self.results.add_callback_result(result)
        if not isinstance(result, MetricResult):
            return
        epoch = result.epoch_idx
        if epoch is None:
            self._measured[result.metric_name] = result.metric_value
            epoch = self.latest_epoch if result.edge == "end" else BEFORE_FIRST_EPOCH
        self.results.metric_store.log(
            name=result.metric_name,
            value=result.metric_value,
            epoch_idx=epoch,
            batch_idx=result.batch_idx,
        )

    @property
    def latest_epoch(self) -> int:
        """The epoch to which a value belongs that is measured at the phase's end."""
        return 0

    def records(self, result: CallbackResult) -> bool:  # noqa: ARG002 - the base keeps everything
        """Whether the results are to keep what a callback returned."""
        return True

    def report(self, values: Mapping[str, float], *, epoch: int | None) -> None:
        """Tell every reporter the values of an epoch, or of the whole phase."""
        for metrics in overriding(self.scope.reporters, "metrics", Reporter):
            metrics(
                dict(values),
                path=self.scope.path,
                epoch=epoch,
                batch=None,
                step=self.experiment.step,
            )

    # State

    @property
    def position(self) -> tuple[int, int]:
        """The epoch and batch that come next."""
        return (0, 0)

    @property
    def state(self) -> dict[str, Any]:
        """The state now, or the one in which the phase was stopped."""
        return self._stopped_state or self.get_state()

    def get_state(self) -> dict[str, Any]:
        """What must be known, beside the graph's state, to go on exactly from here."""
        return {"kind": self.phase.kind, "label": self.phase.label, "found": self._found}

    def left(self) -> dict[str, Any]:
        """What the phase leaves on itself and its callbacks, for `take_left`."""
        return {"label": self.phase.label, "callbacks": self.hooks.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` gave."""
        self.phase.check_going_on(state)


def graph_of(experiment: Any) -> "ModelGraph":
    """The experiment's graph, which a phase cannot do without."""
    graph: ModelGraph | None = experiment.model_graph
    if graph is None:
        raise PhaseError(
            f"The experiment {experiment.label!r} has no model graph. Make its nodes and graph "
            "after the experiment, or use Experiment.from_active_context()."
        )
    return graph
