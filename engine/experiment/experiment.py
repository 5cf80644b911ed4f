"""The experiment: a plan of phases over one context, run, recorded and resumable."""

import operator
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from engine.callbacks.checkpointing import Checkpointing
from engine.callbacks.experiment_callback import ExperimentCallback
from engine.context import ExperimentContext, RegistrationPolicy
from engine.errors import CheckpointError, PhaseError
from engine.experiment.execution import Execution
from engine.experiment.filing import Filing
from engine.experiment.position import Cursor, Item, Position, RootKind, find_item
from engine.experiment.prospect import PlanEntry, prospect
from engine.graph import ModelGraph
from engine.phases.base import ExperimentPhase
from engine.phases.display import check_flags
from engine.phases.eval import EvalPhase
from engine.phases.group import PhaseGroup, check_group, check_phase
from engine.phases.labels import checked_label
from engine.phases.reporting import Reporter
from engine.results.group_results import PhaseGroupResults
from engine.results.phase_results import PhaseResults
from engine.results.runs import ExperimentRun


class Experiment(Filing):
    """A plan of phases, run on the nodes and the model graph of one context.

    Everything random below it derives from `seed`; left open, one is drawn and kept. What `run`,
    `run_phase` and `run_group` do is recorded in `history`, also when it fails or is stopped.
    """

    def __init__(
        self,
        label: str,
        registration_policy: RegistrationPolicy | str | None = None,
        ctx: ExperimentContext | None = None,
        checkpointing: Checkpointing | None = None,
        callbacks: list[ExperimentCallback] | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        """Without `ctx` a new context becomes active; nodes made from now on belong to it."""
        self.label = checked_label(label, "label of an experiment")
        self._ctx = ExperimentContext() if ctx is None else ctx
        self._ctx.make_active()
        self._ctx.set_experiment(self)
        if registration_policy is not None:
            self._ctx.set_registration_policy(registration_policy)
        self.seed = secrets.randbits(48) if seed is None else operator.index(seed)
        # Batches trained on, over all phases and resumes. Several may make one optimizer step.
        self.step = 0
        # Looked at after every batch.
        self.stop_requested = False
        super().__init__()
        self._plan = PhaseGroup(label)
        self._reporters: list[Reporter] = []
        self._callbacks: list[ExperimentCallback] = []
        self.set_checkpointing(checkpointing)
        for callback in callbacks or []:
            self.add_callback(callback)

    @classmethod
    def from_active_context(
        cls,
        label: str,
        registration_policy: RegistrationPolicy | str | None = None,
        checkpointing: Checkpointing | None = None,
        callbacks: list[ExperimentCallback] | None = None,
        *,
        seed: int | None = None,
    ) -> Self:
        """An experiment over the nodes that have been made so far."""
        return cls(
            label,
            registration_policy,
            ExperimentContext.active_or_default(),
            checkpointing,
            callbacks,
            seed=seed,
        )

    # What there is

    @property
    def ctx(self) -> ExperimentContext:
        return self._ctx

    @property
    def model_graph(self) -> ModelGraph | None:
        return self._ctx.model_graph

    @property
    def execution_plan(self) -> PhaseGroup:
        """What `run` runs; phases and groups are added to it."""
        return self._plan

    @property
    def history(self) -> list[ExperimentRun]:
        """Every run so far, in order, also those that failed or were stopped."""
        return list(self._history)

    @property
    def last_run(self) -> ExperimentRun | None:
        return self._history[-1] if self._history else None

    @property
    def cursor(self) -> Cursor | None:
        """Where the running or the interrupted run stands; None where there is none."""
        if self._execution is not None:
            active = self._execution.active
            epoch, batch = (0, 0) if active is None else active.position
            return Cursor(self._execution.path, epoch, batch, self.step)
        if self._position is None:
            return None
        phase = self._position.phase or {}
        return Cursor(self._position.path, phase.get("epoch", 0), phase.get("batch", 0), self.step)

    # Who looks on

    @property
    def exp_callbacks(self) -> list[ExperimentCallback]:
        """The experiment's callbacks in the order in which they are called."""
        return sorted(self._callbacks, key=lambda each: each.execution_order)

    def add_callback(self, callback: ExperimentCallback) -> None:
        if not isinstance(callback, ExperimentCallback):
            raise PhaseError(
                f"{callback!r} is no ExperimentCallback; a Callback belongs to a phase: "
                "phase.add_callback()."
            )
        self._callbacks.append(callback)

    @property
    def reporters(self) -> list[Reporter]:
        return list(self._reporters)

    def add_reporter(self, reporter: Reporter) -> None:
        """Let it hear of every run from now on."""
        self._reporters.append(reporter)

    def remove_reporter(self, reporter: Reporter) -> None:
        self._reporters.remove(reporter)

    # Running

    def run(self, **flags: Any) -> PhaseGroupResults:
        """Run the whole plan. Flags (`show_training_progress`) reach the phases they concern."""
        return self._run("plan", self._plan, flags)

    def run_phase(self, phase: ExperimentPhase, **flags: Any) -> PhaseResults:
        """Run one phase, whether it belongs to the plan or not."""
        check_phase(phase)
        return _phase_results(self._run("phase", phase, flags), phase)

    def run_group(self, group: PhaseGroup, **flags: Any) -> PhaseGroupResults:
        """Run one group, whether it belongs to the plan or not."""
        check_group(group)
        return self._run("group", group, flags).get_group_result(group.label)

    def resume(self, item: Item | None = None, **flags: Any) -> PhaseResults | PhaseGroupResults:
        """Go on with the run that was stopped, or that the restored checkpoint was made in.

        Returns what that run would have returned. A phase or group that was run by itself is looked
        up in the plan by its label; one that is not there must be given as `item`.
        """
        position, root = self._to_go_on_with(item)
        results = self._run(position.kind, root, flags, resumed=position)
        if position.kind == "plan":
            return results
        return results[root.label]

    def planned(self) -> tuple[PlanEntry, ...]:
        """What `run` would do: every phase, group and fold of the plan, in order."""
        return prospect(self._plan.all, None)

    def remaining(self, item: Item | None = None) -> tuple[PlanEntry, ...]:
        """What `resume` would do: what has finished, what goes on and where, what is still to run.

        Nothing is run or changed. Raises what `resume` would raise before it runs anything.
        """
        position, root = self._to_go_on_with(item)
        return prospect(_items_of(position, root), position)

    def _to_go_on_with(self, item: Item | None) -> tuple[Position, Item]:
        position = self._position
        if position is None:
            raise CheckpointError(
                "There is nothing to go on with: no run was stopped, and no checkpoint of an "
                "unfinished one was restored."
            )
        root = item or position.root or self._root_of(position)
        position.check_against(_items_of(position, root))
        return position, root

    def _root_of(self, position: Position) -> Item:
        if position.kind == "plan":
            return self._plan
        return find_item(self._plan, position.kind, position.label)

    def _run(
        self,
        kind: RootKind,
        root: Item,
        flags: Mapping[str, Any],
        resumed: Position | None = None,
    ) -> PhaseGroupResults:
        check_flags(flags)
        nested = self._inside_callback > 0
        if self._execution is not None and not nested:
            raise PhaseError(
                f"{self._execution.root.label!r} is being run; a second run has to wait. Only "
                "callbacks may run phases meanwhile."
            )
        execution = Execution(self, kind, root, flags, resumed=resumed, observed=not nested)
        if not nested:
            self._position = None
        try:
            with self._executing(execution):
                execution.run()
        finally:
            self._remember(execution)
            if not nested and execution.goes_on:
                self._position = execution.position()
        return execution.results

    @contextmanager
    def _executing(self, execution: Execution) -> Iterator[None]:
        """Makes this execution the current one, its context the active one."""
        around, self._execution = self._execution, execution
        if around is None:
            self.stop_requested = False
        try:
            with self._ctx.activate():
                yield
        finally:
            self._execution = around

    def _remember(self, execution: Execution) -> None:
        single = execution.kind != "plan"
        label = execution.root.label
        there = single and label in execution.results
        meta = dict(execution.meta.items())
        self._history.append(
            ExperimentRun(
                label=label,
                started_at=execution.meta.started_at,
                ended_at=execution.meta.ended_at or execution.meta.started_at,
                status=execution.meta.status or "failed",
                results=execution.results[label] if there else execution.results,
                execution_meta=meta.get(label, execution.meta) if single else execution.meta,
            )
        )

    def request_stop(self) -> None:
        """Stop after the current batch, in a state from which `resume` goes on exactly."""
        self.stop_requested = True

    # Previews

    def preview_phase(self, phase: ExperimentPhase, **flags: Any) -> PhaseResults:
        """Run one phase and take back all it changed; nothing is recorded, reported or saved."""
        check_phase(phase)
        return _phase_results(self._preview("phase", phase, flags), phase)

    def preview_group(self, group: PhaseGroup, **flags: Any) -> PhaseGroupResults:
        """Run one group and take back all it changed; nothing is recorded, reported or saved."""
        check_group(group)
        return self._preview("group", group, flags).get_group_result(group.label)

    def _preview(self, kind: RootKind, root: Item, flags: Mapping[str, Any]) -> PhaseGroupResults:
        check_flags(flags)
        execution = Execution(self, kind, root, flags, observed=False)
        with self._taking_back(root), self.disable_checkpointing(), self._executing(execution):
            execution.run()
        return execution.results

    @contextmanager
    def _taking_back(self, root: Item) -> Iterator[None]:
        phases = root.flatten() if isinstance(root, PhaseGroup) else [root]
        graph = self.model_graph
        if graph is None or all(isinstance(phase, EvalPhase) for phase in phases):
            yield
            return
        before, step = graph.get_state(), self.step
        try:
            yield
        finally:
            graph.set_state(before)
            self.step = step


def _items_of(position: Position, root: Item) -> list[Item]:
    return root.all if position.kind == "plan" and isinstance(root, PhaseGroup) else [root]


def _phase_results(results: PhaseGroupResults, phase: ExperimentPhase) -> PhaseResults:
    return results.get_phase_result(phase.label)
