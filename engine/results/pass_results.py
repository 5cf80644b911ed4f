"""Results of one pass over the data: what evaluations and fits have in common."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from engine.batches import DEFAULT_ROLE, Batch, LossRecord
from engine.errors import PhaseError, did_you_mean
from engine.features import FeatureSetView
from engine.results.phase_results import Domain, PhaseResults, node_label
from engine.results.series import LossDataSeries
from engine.results.sums import exact_sum

if TYPE_CHECKING:
    from engine.graph.node import GraphNode

Weighted = tuple[float, int]


@dataclass(eq=False, repr=False)
class PassResults(PhaseResults):
    """Batches in order, each sample once; they can be had as a whole."""

    # What a checkpoint held of the losses, where it held no batches.
    _reduced_before: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    _losses_before: list[dict[str, Any]] | None = None

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

    def losses(self, node: "str | GraphNode") -> LossDataSeries:
        """The node's losses by (epoch, batch, label)."""
        if self._execution or self._losses_before is None:
            return super().losses(node)
        label = self._with_losses(node)
        keyed = {
            (0, one["batch"], one["label"]): LossRecord(
                one["label"], label, one["trainable"], one["auxiliary"]
            )
            for one in self._losses_before
            if one["node"] == label
        }
        return LossDataSeries(("epoch", "batch", "label"), keyed)

    def aggregated_losses(
        self, node: "str | GraphNode", *, reducer: Literal["mean", "sum"] = "mean"
    ) -> dict[str, float]:
        """The node's losses by label: over all batches their mean by samples, or their sum."""
        if reducer not in ("mean", "sum"):
            hint = did_you_mean(reducer, ("mean", "sum"))
            raise PhaseError(f"Losses are aggregated by 'mean' or 'sum', not {reducer!r}.{hint}")
        wanted = self._with_losses(node)
        found = self.reduced_losses()
        place = 0 if reducer == "mean" else 1
        return {label: pair[place] for (of, label), pair in found.items() if of == wanted}

    def mean_loss(self) -> float | None:
        """The sum of all losses' means over the samples; None where no loss was computed."""
        found = [mean for mean, _ in self._reduced_before.values()]
        if self._execution:
            found = [_weighted_mean(values) for values in self._weighted().values()]
        return math.fsum(found) if found else None

    def reduced_losses(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Each loss, by node and label, over all batches: its mean by samples, and its sum."""
        if not self._execution:
            return dict(self._reduced_before)
        return {key: (_weighted_mean(each), _sum(each)) for key, each in self._weighted().items()}

    def batch_losses(self) -> list[dict[str, Any]]:
        """Each loss of each batch, in plain numbers."""
        if not self._execution:
            return list(self._losses_before or ())
        return [
            {"node": node, "label": label, "batch": ctx.batch_idx, **_plain(record)}
            for ctx in self._execution
            for (node, label), record in (ctx.losses.items() if ctx.losses is not None else ())
        ]

    def take_back_losses(
        self,
        reduced: Mapping[tuple[str, str], tuple[float, float]],
        by_batch: list[dict[str, Any]] | None = None,
    ) -> None:
        """Take over what `reduced_losses` and `batch_losses` gave, in place of batches."""
        self._reduced_before, self._losses_before = dict(reduced), by_batch

    def _with_losses(self, node: "str | GraphNode") -> str:
        """The node's label; an error if there are neither batches of it nor losses."""
        label = node_label(node)
        if self._execution or label not in {of for of, _ in self._reduced_before}:
            return self._known(node)
        return label

    def _weighted(self) -> dict[tuple[str, str], list[Weighted]]:
        """The batches' values of each loss, by node and label, and the samples in each."""
        weighted: dict[tuple[str, str], list[Weighted]] = {}
        for ctx in self._execution:
            for (node, label), record in ctx.losses.items() if ctx.losses is not None else ():
                pair = (float(record.total), ctx.outputs[node].batch_size)
                weighted.setdefault((node, label), []).append(pair)
        return weighted

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


def _plain(record: LossRecord) -> dict[str, float | None]:
    plain = record.to_float()
    return {"trainable": plain.trainable, "auxiliary": plain.auxiliary}


def _weighted_mean(values: list[Weighted]) -> float:
    samples = sum(size for _, size in values)
    return _sum([(value * size, size) for value, size in values]) / samples


def _sum(values: list[Weighted]) -> float:
    return exact_sum(value for value, _ in values)
