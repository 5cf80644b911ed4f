"""Evaluating during training."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from engine.callbacks.metrics import EvaluationMetric
from engine.errors import PhaseError
from engine.phases.describing import described, rebuilt
from engine.phases.eval import EvalPhase
from engine.phases.hooks import Callback
from engine.phases.passing import PreparedEvaluation
from engine.phases.running import RunScope
from engine.results.callback_results import (
    CallbackResult,
    EvaluationCallbackResult,
    MetricResult,
)
from engine.results.eval_results import EvalResults

if TYPE_CHECKING:
    from engine.batches import ExecutionContext
    from engine.graph.node import GraphNode
    from engine.losses import AppliedLoss

DEFAULT_NAME = "val_loss"


class Evaluation(Callback):
    """Runs an EvalPhase after every `every_n_epochs`-th epoch, and logs what its metrics measure.

    Where no metric takes a loss, the mean of all losses is logged as `val_loss`. With
    `run_on_start` it also runs before the first epoch; those values are logged under epoch -1.
    """

    def __init__(
        self,
        *,
        eval_phase: EvalPhase,
        every_n_epochs: int = 1,
        run_on_start: bool = False,
        label: str | None = None,
        metrics: Iterable[EvaluationMetric] | None = None,
    ) -> None:
        super().__init__(label or eval_phase.label)
        if every_n_epochs < 1:
            raise PhaseError(f"every_n_epochs is at least 1, not {every_n_epochs!r}.")
        self.eval_phase = eval_phase
        self.every_n_epochs = every_n_epochs
        self.run_on_start = run_on_start
        self._metrics: list[EvaluationMetric] = []
        self._prepared: PreparedEvaluation | None = None
        for metric in metrics or []:
            self.attach_metric(metric)

    @classmethod
    def from_split(
        cls,
        *,
        label: str,
        split: str,
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "list[str | GraphNode] | None" = None,
        batch_size: int | None = None,
        every_n_epochs: int = 1,
        run_on_start: bool = False,
        metrics: Iterable[EvaluationMetric] | None = None,
    ) -> Self:
        """Evaluates on the split of that name of the active head nodes' feature sets."""
        phase = EvalPhase.from_split(
            label, split=split, losses=losses, active_nodes=active_nodes, batch_size=batch_size
        )
        return cls(
            eval_phase=phase,
            every_n_epochs=every_n_epochs,
            run_on_start=run_on_start,
            metrics=metrics,
        )

    @property
    def metrics(self) -> list[EvaluationMetric]:
        return list(self._metrics)

    def attach_metric(self, metric: EvaluationMetric) -> None:
        """Measure one more thing; the losses it needs are computed from now on."""
        if metric.name in self._taken_names():
            raise PhaseError(
                f"{metric.name!r} is measured already; give this metric of "
                f"{self.label!r} another name."
            )
        self.eval_phase.require_losses(metric.needed_losses)
        self._metrics.append(metric)
        # The step was prepared for the losses there were.
        self._prepared = None

    def _taken_names(self) -> set[str]:
        own = {metric.name for metric in (*self.eval_phase.metrics, *self._metrics)}
        around = [] if self.phase is None else self.phase.callbacks
        return own.union(*(one.metric_names for one in around if one is not self))

    @property
    def metric_names(self) -> tuple[str, ...]:
        names = [metric.name for metric in (*self.eval_phase.metrics, *self._metrics)]
        return (DEFAULT_NAME, *names) if self._logs_loss else tuple(names)

    @property
    def _logs_loss(self) -> bool:
        metrics = (*self.eval_phase.metrics, *self._metrics)
        taken = any(metric.needed_losses or metric.name == DEFAULT_NAME for metric in metrics)
        return bool(self.eval_phase.losses) and not taken

    # Hooks

    def on_phase_start(
        self, *, experiment: Any, phase: Any, **_: Any
    ) -> list[CallbackResult] | None:
        self._prepared = None
        return self._evaluate(experiment, phase) if self.run_on_start else None

    def on_phase_resume(self, **_: Any) -> None:
        self._prepared = None

    def on_epoch_end(
        self, *, experiment: Any, phase: Any, exec_ctx: "ExecutionContext", **_: Any
    ) -> list[CallbackResult] | None:
        if (exec_ctx.epoch_idx + 1) % self.every_n_epochs:
            return None
        return self._evaluate(experiment, phase, exec_ctx)

    def on_phase_end(self, **_: Any) -> None:
        # Holds the columns as tensors.
        self._prepared = None

    def _evaluate(
        self, experiment: Any, phase: Any, exec_ctx: "ExecutionContext | None" = None
    ) -> list[CallbackResult]:
        # The same randomness in every epoch, whether or not training was interrupted meanwhile.
        place = (phase.label, self.label)
        if self._prepared is None:
            self._prepared = PreparedEvaluation(experiment, self.eval_phase, place)
        scope = RunScope(place=place, nested=True)
        run = self.eval_phase.begin(experiment, scope, self._prepared)
        run.execute()
        result = EvaluationCallbackResult(eval_results=run.results)
        return [result, *self._measured(run.results, result, exec_ctx)]

    def _measured(
        self,
        results: EvalResults,
        result: EvaluationCallbackResult,
        exec_ctx: "ExecutionContext | None",
    ) -> Iterator[MetricResult]:
        logged = results.metric_store.last()
        if self._logs_loss:
            yield _metric(DEFAULT_NAME, logged[self.eval_phase.loss_name])
        for metric in self.eval_phase.metrics:
            if metric.name in logged:
                yield _metric(metric.name, logged[metric.name])
        for metric in self._metrics:
            if (measured := metric.measure(result, exec_ctx)) is not None:
                yield measured

    def get_config(self) -> dict[str, Any]:
        return {
            "eval_phase": self.eval_phase.get_config(),
            "every_n_epochs": self.every_n_epochs,
            "run_on_start": self.run_on_start,
            "label": self.label,
            "metrics": [described(metric) for metric in self._metrics],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The evaluation that `get_config` described, of the nodes in the active context."""
        parts = {
            "eval_phase": EvalPhase.from_config(config["eval_phase"]),
            "metrics": [rebuilt(one, EvaluationMetric) for one in config["metrics"]],
        }
        return cls(**{**config, **parts})


def _metric(name: str, value: float) -> MetricResult:
    return MetricResult(callback_label=name, metric_name=name, metric_value=value)
