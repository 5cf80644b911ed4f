"""One execution of a phase that goes over its data once: evaluation and fitting."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from engine.batches import ExecutionContext
from engine.errors import PhaseError
from engine.graph import EvalStep, FitStep
from engine.phases.base import Step
from engine.phases.devices import move_to
from engine.phases.display import EVAL_FLAGS, chosen, is_watched, progress_bar
from engine.phases.feed import Feed
from engine.phases.reporting import RunStatus
from engine.phases.running import PhaseRun, RunScope, graph_of
from engine.results.eval_results import EvalResults
from engine.results.fit_results import FitResults
from engine.results.pass_results import PassResults

if TYPE_CHECKING:
    from engine.callbacks.metrics import EvaluationMetric
    from engine.phases.eval import EvalPhase
    from engine.phases.fit import FitPhase


class PassRun(PhaseRun):
    """One pass over the data in order. An interrupted one is begun anew: nothing is lost."""

    phase: "EvalPhase | FitPhase"
    results: PassResults
    feed: Feed

    def _execute(self) -> RunStatus:
        self.announce("on_phase_start" if self.scope.saved is None else "on_phase_resume")
        self.has_begun = True
        n_batches = self.feed.begin_epoch(0)
        if not n_batches:
            raise PhaseError(f"The phase {self.phase.label!r} has no sample to work on.")
        self.exec_ctx = self._context(0)
        self.hooks.epoch("on_epoch_start", self.exec_ctx)
        if not self._run_batches(n_batches):
            return "stopped"
        self.hooks.epoch("on_epoch_end", self.exec_ctx)
        self._log()
        self.announce("on_phase_end")
        return "completed"

    def _run_batches(self, n_batches: int) -> bool:
        bar = self._bar(n_batches)
        hooks, step = self.hooks, self.phase.make_step(self.step(), self.graph)
        try:
            for batch in range(n_batches):
                self.exec_ctx = context = self._context(batch)
                if hooks.batch_start:
                    hooks.batch(hooks.batch_start, "start", context)
                step(context)
                self.results.add_execution_context(context)
                if hooks.batch_end:
                    hooks.batch(hooks.batch_end, "end", context)
                if bar is not None:
                    bar.update()
                if self.experiment.stop_requested and not self.scope.nested:
                    return False
        finally:
            if bar is not None:
                bar.close()
        return True

    @abstractmethod
    def step(self) -> Step:
        """What is done with each batch."""

    def _context(self, batch: int) -> ExecutionContext:
        inputs, _ = self.feed.step(batch)
        return ExecutionContext(self.phase.label, 0, batch, inputs)

    def _bar(self, n_batches: int) -> Any:
        flags = chosen(self.scope.flags, EVAL_FLAGS)
        if not flags["show_eval_progress"] or not is_watched():
            return None
        stays = flags["persist_progress"]
        return progress_bar(n_batches, self.phase.label, stays=stays, place=0, unit="batch")

    def _log(self) -> None:
        """The losses' sum, weighted by samples, and the metrics, for the whole pass."""
        store = self.results.metric_store
        if (loss := self.results.mean_loss()) is not None:
            store.log(name=self.phase.loss_name, value=loss, epoch_idx=0)
        for metric in self.metrics():
            if (result := metric.measure(self.results, self.exec_ctx)) is not None:
                store.log(name=result.metric_name, value=result.metric_value, epoch_idx=0)
        self.report(store.last(), epoch=None)

    def metrics(self) -> "list[EvaluationMetric]":
        return []


class PreparedEvaluation:
    """What an evaluation needs each time, made once: columns as tensors, and the step."""

    def __init__(self, experiment: Any, phase: "EvalPhase", place: tuple[str, ...]) -> None:
        graph = graph_of(experiment)
        device = move_to(graph, phase.device)
        self.feed = phase.open_feed(graph, seed=experiment.seed, place=place, device=device)
        self.step = EvalStep(graph, phase.losses, phase.active_nodes)


class EvalRun(PassRun):
    """One evaluation."""

    phase: "EvalPhase"
    results: EvalResults

    def __init__(
        self,
        experiment: Any,
        phase: "EvalPhase",
        scope: RunScope,
        prepared: PreparedEvaluation | None = None,
    ) -> None:
        super().__init__(experiment, phase, scope)
        self.results = EvalResults(phase.label, _topology=self.topology)
        self._prepared = prepared or PreparedEvaluation(experiment, phase, scope.place)
        self.feed = self._prepared.feed

    def step(self) -> Step:
        return self._prepared.step

    def metrics(self) -> "list[EvaluationMetric]":
        return self.phase.metrics


class FitRun(PassRun):
    """One fit."""

    phase: "FitPhase"
    results: FitResults

    def __init__(self, experiment: Any, phase: "FitPhase", scope: RunScope) -> None:
        super().__init__(experiment, phase, scope)
        self.results = FitResults(phase.label, _topology=self.topology)
        self.feed = phase.open_feed(self.graph, seed=experiment.seed, place=scope.place)
        self._fitted: dict[str, Any] = {}

    def _execute(self) -> RunStatus:
        status = super()._execute()
        if status == "completed":
            # What was frozen for having been fitted stays so; else the phase can be begun anew.
            self._found.update(self._fitted)
        return status

    def step(self) -> Step:
        fit = FitStep(
            self.graph,
            self.phase.losses,
            self.phase.active_nodes,
            freeze_after_fit=self.phase.freeze_after_fit,
        )

        def fit_and_keep(context: ExecutionContext) -> None:
            before = self.graph.frozen_nodes
            fit(context)
            for label, mode in self.graph.frozen_state().items():
                if mode["frozen"] and label not in before:
                    self._fitted[label] = mode

        return fit_and_keep
