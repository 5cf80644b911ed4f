"""Evaluating the model graph on data as it is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from engine.errors import PhaseError
from engine.phases.base import ExperimentPhase, bindings_for_split
from engine.phases.describing import described, rebuilt
from engine.phases.hooks import Callback
from engine.phases.passing import EvalRun, PreparedEvaluation

if TYPE_CHECKING:
    from engine.callbacks.metrics import EvaluationMetric
    from engine.graph.node import GraphNode
    from engine.losses import AppliedLoss
    from engine.phases.binding import InputBinding
    from engine.phases.running import RunScope


class EvalPhase(ExperimentPhase):
    """One forward pass over all samples in order, in batches if `batch_size` is given.

    Nothing is trained or changed. The losses' mean is logged as `<label>_loss`, and what the
    metrics measure under their names.
    """

    kind = "eval"

    def __init__(
        self,
        label: str,
        *,
        input_sources: "list[InputBinding]",
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "list[str | GraphNode] | None" = None,
        batch_size: int | None = None,
        callbacks: list[Callback] | None = None,
        metrics: "list[EvaluationMetric] | None" = None,
        device: str = "auto",
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise PhaseError(
                f"batch_size is at least 1, or None for all samples; not {batch_size!r}."
            )
        # Before the callbacks are added, whose metrics need names that are still free.
        self.metrics: list[EvaluationMetric] = []
        super().__init__(label, input_sources, losses, active_nodes, callbacks)
        self.batch_size = batch_size
        self.device = device
        for metric in metrics or []:
            self.attach_metric(metric)

    @classmethod
    def from_split(
        cls,
        label: str,
        *,
        split: str,
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "list[str | GraphNode] | None" = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> Self:
        """Every active head node takes in its feature set's split of that name.

        Takes the other arguments of an EvalPhase too.
        """
        return cls(
            label,
            input_sources=bindings_for_split(label, split, active_nodes),
            losses=losses,
            active_nodes=active_nodes,
            batch_size=batch_size,
            **options,
        )

    def attach_metric(self, metric: "EvaluationMetric") -> None:
        """Measure one more thing; the losses it needs are computed from now on."""
        if metric.name in self.metric_names:
            raise PhaseError(
                f"The phase {self.label!r} logs {metric.name!r} already; give this metric "
                "another name."
            )
        self.require_losses(metric.needed_losses)
        self.metrics.append(metric)

    @property
    def loss_name(self) -> str:
        return f"{self.label}_loss"

    @property
    def metric_names(self) -> list[str]:
        return [
            self.loss_name,
            *(metric.name for metric in self.metrics),
            *(name for one in self.callbacks for name in one.metric_names),
        ]

    def begin(
        self, experiment: Any, scope: "RunScope", prepared: PreparedEvaluation | None = None
    ) -> EvalRun:
        """With `prepared`, columns and step of an earlier execution are used again."""
        return EvalRun(experiment, self, scope, prepared)

    def _feed_options(self) -> dict[str, Any]:
        return {"batch_size": self.batch_size}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "batch_size": self.batch_size,
            "metrics": [described(metric) for metric in self.metrics],
            "device": self.device,
        }

    @classmethod
    def _rebuilt(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        # Metrics are of a room above this one, so they are found by their names.
        metrics = [rebuilt(one, object) for one in config["metrics"]]
        return {**super()._rebuilt(config), "metrics": metrics}
