"""Results of one pass over the data: what evaluations and fits have in common."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.batches import DEFAULT_ROLE, Batch
from engine.errors import PhaseError, did_you_mean
from engine.features import FeatureSetView
from engine.results.phase_results import Domain, PhaseResults
from engine.results.sums import exact_sum

if TYPE_CHECKING:
    from engine.graph.node import GraphNode

Weighted = tuple[float, int]


@dataclass(eq=False, repr=False)
class PassResults(PhaseResults):
    """Batches in order, each sample once; they can be had as a whole."""

    def stacked_tensors(
        self,
        node: "str | GraphNode",
        domain: Domain,
        *,
        role: str = DEFAULT_ROLE,
        fmt: Any = None,
        unscale: bool = False,
    ) -> Any:
        """One domain of all the node's samples, in order; see `tensors`."""
        series = self.tensors(node, domain, role=role, fmt=fmt, unscale=unscale)
        return series.collapse("batch", "concat").one()

    def stacked_batches(self, node: "str | GraphNode", *, fmt: Any = None) -> Batch:
        """All the node's samples as one batch."""
        return Batch.concat(*self.batches(node).values(), fmt=fmt)

    def aggregated_losses(
        self, node: "str | GraphNode", *, reducer: Literal["mean", "sum"] = "mean"
    ) -> dict[str, float]:
        """The node's losses by label: over all batches their mean by samples, or their sum."""
        if reducer not in ("mean", "sum"):
            hint = did_you_mean(reducer, ("mean", "sum"))
            raise PhaseError(f"Losses are aggregated by 'mean' or 'sum', not {reducer!r}.{hint}")
        found = self._reduced(_weighted_mean if reducer == "mean" else _sum)
        return {label: loss for (of, label), loss in found.items() if of == self._known(node)}

    def mean_loss(self) -> float | None:
        """The sum of all losses' means over the samples; None where no loss was computed."""
        found = self._reduced(_weighted_mean)
        return math.fsum(found.values()) if found else None

    def _reduced(self, reduce: Callable[[list[Weighted]], float]) -> dict[tuple[str, str], float]:
        """Each loss, by node and label, over all batches."""
        weighted: dict[tuple[str, str], list[Weighted]] = {}
        for ctx in self._execution:
            for (node, label), record in ctx.losses.items() if ctx.losses is not None else ():
                pair = (float(record.total), ctx.outputs[node].batch_size)
                weighted.setdefault((node, label), []).append(pair)
        return {key: reduce(values) for key, values in weighted.items()}

    def source_views(  # type: ignore[override]  # one pass has one epoch
        self, node: "str | GraphNode", *, role: str = DEFAULT_ROLE, batch: int | None = None
    ) -> dict[str, FeatureSetView]:
        """The samples that reached the node, as a view of every feature set by label."""
        return super().source_views(node, role=role, batch=batch)

    def source_view(  # type: ignore[override]  # one pass has one epoch
        self, node: "str | GraphNode", *, role: str = DEFAULT_ROLE, batch: int | None = None
    ) -> FeatureSetView:
        """The same for a node whose samples come from a single feature set."""
        return super().source_view(node, role=role, batch=batch)


def _weighted_mean(values: list[Weighted]) -> float:
    samples = sum(size for _, size in values)
    return _sum([(value * size, size) for value, size in values]) / samples


def _sum(values: list[Weighted]) -> float:
    return exact_sum(value for value, _ in values)
