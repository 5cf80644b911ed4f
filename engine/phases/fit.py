"""Fitting models that learn from all samples at once."""

from typing import TYPE_CHECKING, Any, Self

from engine.phases.base import ExperimentPhase, bindings_for_split
from engine.phases.hooks import Callback
from engine.phases.passing import FitRun

if TYPE_CHECKING:
    from engine.graph.node import GraphNode
    from engine.losses import AppliedLoss
    from engine.phases.binding import InputBinding
    from engine.phases.running import RunScope


class FitPhase(ExperimentPhase):
    """Fits the active nodes that learn by one `fit`, such as scikit-learn's, in the graph's order.

    Other nodes only pass their outputs on. Fitted nodes are frozen afterwards, unless told
    otherwise, so that they can feed nodes that are trained later. Losses are computed for the
    record.
    """

    kind = "fit"

    def __init__(
        self,
        label: str,
        *,
        input_sources: "list[InputBinding]",
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "list[str | GraphNode] | None" = None,
        freeze_after_fit: bool = True,
        callbacks: list[Callback] | None = None,
    ) -> None:
        super().__init__(label, input_sources, losses, active_nodes, callbacks)
        self.freeze_after_fit = freeze_after_fit

    @classmethod
    def from_split(
        cls,
        label: str,
        *,
        split: str,
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "list[str | GraphNode] | None" = None,
        freeze_after_fit: bool = True,
        callbacks: list[Callback] | None = None,
    ) -> Self:
        """Every active head node takes in its feature set's split of that name."""
        return cls(
            label,
            input_sources=bindings_for_split(label, split, active_nodes),
            losses=losses,
            active_nodes=active_nodes,
            freeze_after_fit=freeze_after_fit,
            callbacks=callbacks,
        )

    @property
    def loss_name(self) -> str:
        return f"{self.label}_loss"

    @property
    def metric_names(self) -> list[str]:
        return [self.loss_name, *(name for one in self.callbacks for name in one.metric_names)]

    def begin(self, experiment: Any, scope: "RunScope") -> FitRun:
        return FitRun(experiment, self, scope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "freeze_after_fit": self.freeze_after_fit}
