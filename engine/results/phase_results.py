"""What a phase leaves behind, and the questions it answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from engine.batches import DEFAULT_ROLE, Batch, ExecutionContext
from engine.errors import PhaseError, UnknownLabelError
from engine.features import FeatureSetView
from engine.results.callback_results import CallbackResult
from engine.results.metric_store import MetricStore
from engine.results.series import (
    BatchDataSeries,
    CallbackDataSeries,
    ExecutionDataSeries,
    LossDataSeries,
    MetricDataSeries,
    TensorDataSeries,
)
from engine.results.tensors import DOMAINS, TargetColumns, as_format, unscaled
from engine.results.topology import Topology

if TYPE_CHECKING:
    from engine.graph.node import GraphNode

Domain = Literal["outputs", "targets", "tags", "sample_uuids"]

_BATCHES_BEHIND = (
    "Batches that were recorded before the run went on from a checkpoint in another process are "
    "not in it; metrics and what callbacks returned are. To have the outputs of a model, evaluate "
    "it again."
)
_VALUES_BEHIND = (
    "Values of single batches that were logged before the run went on from a checkpoint in another "
    "process are not in it; those of whole epochs are."
)


@dataclass(eq=False, repr=False)
class PhaseResults:
    """The recorded batches of a phase, its metrics, and what its callbacks returned.

    Nodes are named by label or given themselves. What was not recorded cannot be asked for; metrics
    are always there.
    """

    label: str
    _execution: list[ExecutionContext] = field(default_factory=list)
    _callbacks: list[CallbackResult] = field(default_factory=list)
    _metrics: MetricStore = field(default_factory=MetricStore)
    _topology: Topology = field(default_factory=Topology)
    # Whether batches were recorded, or their values logged, that a checkpoint did not hold.
    _batches_behind: bool = False
    _values_behind: bool = False

    # Recording

    @property
    def metric_store(self) -> MetricStore:
        return self._metrics

    def add_execution_context(self, ctx: ExecutionContext) -> None:
        self._execution.append(ctx)

    def add_callback_result(self, result: CallbackResult) -> None:
        self._callbacks.append(result)

    # What a checkpoint holds of it

    @property
    def has_recorded(self) -> bool:
        """Whether batches were recorded, be they there or not."""
        return bool(self._execution) or self._batches_behind

    @property
    def has_batch_values(self) -> bool:
        """Whether metrics of single batches were logged, be they there or not."""
        return self._metrics.has_batches or self._values_behind

    @property
    def returned(self) -> list[CallbackResult]:
        """What callbacks returned, in order."""
        return list(self._callbacks)

    def leave_behind(self, *, batches: bool, values: bool) -> None:
        """These results went on from a checkpoint, which held no batches and no values of them."""
        self._batches_behind, self._values_behind = batches, values

    # Everything by its place

    def execution_contexts(self) -> ExecutionDataSeries:
        """The recorded contexts by (epoch, batch)."""
        contexts = self._recorded() if self._batches_behind else self._execution
        keyed = {(ctx.epoch_idx, ctx.batch_idx): ctx for ctx in contexts}
        return ExecutionDataSeries(("epoch", "batch"), keyed).noting(self._why_missing)

    def losses(self, node: "str | GraphNode") -> LossDataSeries:
        """The node's losses by (epoch, batch, label)."""
        label = self._known(node)
        keyed = {
            (ctx.epoch_idx, ctx.batch_idx, record.label): record
            for ctx in self._execution
            for record in (ctx.losses.values() if ctx.losses is not None else ())
            if record.node_id == label
        }
        return LossDataSeries(("epoch", "batch", "label"), keyed).noting(self._why_missing)

    def batches(self, node: "str | GraphNode") -> BatchDataSeries:
        """What the node made of each batch, by (epoch, batch)."""
        keyed = dict(self._outputs(node))
        return BatchDataSeries(("epoch", "batch"), keyed).noting(self._why_missing)

    def tensors(
        self,
        node: "str | GraphNode",
        domain: Domain,
        *,
        role: str = DEFAULT_ROLE,
        fmt: Any = None,
        unscale: bool = False,
    ) -> TensorDataSeries:
        """One domain of the node's batches by (epoch, batch), as it was made or in `fmt`.

        With `unscale`, outputs and targets are in the units of the data as they came; outputs stand
        for the target columns that reach the node.
        """
        if domain not in DOMAINS:
            raise UnknownLabelError("domain", domain, DOMAINS)
        found = {
            key: batch.role_data[role].get_domain_data(domain) for key, batch in self._outputs(node)
        }
        if unscale:
            columns = self._target_columns(node)
            found = {key: unscaled(values, domain, columns) for key, values in found.items()}
        if fmt is not None:
            found = {key: as_format(values, fmt) for key, values in found.items()}
        return TensorDataSeries(("epoch", "batch"), found).noting(self._why_missing)

    def callbacks(self) -> CallbackDataSeries:
        """What callbacks returned, by (kind, label, epoch, batch, edge)."""
        keyed = {
            (one.kind, one.callback_label, one.epoch_idx, one.batch_idx, one.edge): one
            for one in self._callbacks
        }
        return CallbackDataSeries(("kind", "label", "epoch", "batch", "edge"), keyed)

    def metrics(self) -> MetricDataSeries:
        """The logged values by (name, epoch, batch), batch None for a whole epoch.

        What was logged several times at one place stands there with its last value.
        """
        keyed = {
            (entry.name, entry.epoch_idx, entry.batch_idx): entry
            for entry in self._metrics.entries()
        }
        series = MetricDataSeries(("name", "epoch", "batch"), keyed)
        return series.noting(_VALUES_BEHIND if self._values_behind else "")

    def metric_names(self) -> list[str]:
        return self._metrics.names

    def last_metrics(self) -> dict[str, float]:
        """The latest value of every metric over a whole epoch, or the whole phase."""
        return self._metrics.last()

    # Where the samples came from

    def source_views(
        self,
        node: "str | GraphNode",
        *,
        role: str = DEFAULT_ROLE,
        epoch: int | None = None,
        batch: int | None = None,
    ) -> dict[str, FeatureSetView]:
        """The samples that reached the node, each once, as a view of every feature set by label.

        Rows are in the feature set's own order; `tensors` gives them as they were used.
        """
        return self._source_views(node, role, self._chosen(epoch, batch))

    def _source_views(
        self, node: "str | GraphNode", role: str, contexts: list[ExecutionContext]
    ) -> dict[str, FeatureSetView]:
        rows: dict[str, list[Any]] = {}
        sources: dict[str, tuple[Any, Any]] = {}
        for ctx in contexts:
            for (head, reference), view in ctx.inputs.items():
                if head in self._heads_of(node) and role in view.roles:
                    taken = view.get_role_view(role)
                    sources[taken.source.label] = (taken.source, reference)
                    rows.setdefault(taken.source.label, []).append(taken.valid_indices)
        return {
            label: FeatureSetView.from_featureset(
                source,
                rows=np.unique(np.concatenate(rows[label])),
                columns=list(reference.columns),
                label=label,
            )
            for label, (source, reference) in sources.items()
        }

    def source_view(
        self,
        node: "str | GraphNode",
        *,
        role: str = DEFAULT_ROLE,
        epoch: int | None = None,
        batch: int | None = None,
    ) -> FeatureSetView:
        """The same for a node whose samples come from a single feature set."""
        views = self._source_views(node, role, self._chosen(epoch, batch))
        if len(views) != 1:
            raise PhaseError(
                f"The samples of {node_label(node)!r} come from {len(views)} feature sets "
                f"({', '.join(views) or 'none'}); use source_views()."
            )
        return next(iter(views.values()))

    def tail_node(self) -> str:
        """The only node whose outputs no other node takes in; an error where there are several."""
        last = self._recorded()[-1]
        tails = [label for label in self._topology.tails if label in last.outputs]
        if len(tails) != 1:
            raise PhaseError(
                f"The results of {self.label!r} hold {len(tails)} tail nodes "
                f"({', '.join(tails) or 'none'}): say which node is meant."
            )
        return tails[0]

    # Helpers

    def _outputs(self, node: "str | GraphNode") -> Iterator[tuple[tuple[int, int], Batch]]:
        label = self._known(node)
        for ctx in self._execution:
            if label in ctx.outputs:
                yield (ctx.epoch_idx, ctx.batch_idx), ctx.outputs[label]

    def _known(self, node: "str | GraphNode") -> str:
        label = node_label(node)
        known = {name for ctx in self._recorded() for name in ctx.outputs}
        if label not in known:
            raise UnknownLabelError(
                f"output in the results of {self.label!r} from node", label, known
            )
        return label

    @property
    def _why_missing(self) -> str:
        return _BATCHES_BEHIND if self._batches_behind else ""

    def _recorded(self) -> list[ExecutionContext]:
        if not self._execution and self._batches_behind:
            raise PhaseError(f"No recorded batches of {self.label!r} are here. {_BATCHES_BEHIND}")
        if not self._execution:
            raise PhaseError(
                f"No batches of {self.label!r} were recorded, only metrics. Run it with "
                "result_recording='all' or 'last' to keep them."
            )
        return self._execution

    def _chosen(self, epoch: int | None, batch: int | None) -> list[ExecutionContext]:
        return [
            ctx
            for ctx in self._recorded()
            if epoch in (None, ctx.epoch_idx) and batch in (None, ctx.batch_idx)
        ]

    def _heads_of(self, node: "str | GraphNode") -> Iterable[str]:
        label = self._known(node)
        return self._topology.heads.get(label, (label,))

    def _target_columns(self, node: "str | GraphNode") -> list[TargetColumns]:
        label = self._known(node)
        inputs = self._recorded()[-1].inputs
        views = {
            (head, reference.node_label): (v, reference) for (head, reference), v in inputs.items()
        }
        places = self._topology.targets.get(label, tuple(views))
        found = [views[place] for place in places or () if place in views]
        if not found:
            raise PhaseError(f"No target columns of one scale reach {label!r}.")
        if _are_same_samples([view for view, _ in found]):
            # Their targets are there once.
            found = found[:1]
        return [TargetColumns(view.source.to_view().source, ref.targets) for view, ref in found]

    def __repr__(self) -> str:
        names = ", ".join(self.metric_names()) or "none"
        return (
            f"{type(self).__name__}({self.label!r}: {len(self._execution)} batches recorded, "
            f"metrics: {names})"
        )


def node_label(node: "str | GraphNode") -> str:
    """The label of a node that is given by it, or itself."""
    return node if isinstance(node, str) else node.node_id


def _are_same_samples(views: list[Any]) -> bool:
    """Whether all are the same rows of one feature set, in the same order."""
    first, *others = views
    return all(
        one.source.to_view().source is first.source.to_view().source
        and all(
            np.array_equal(one.role_indices[role], rows)
            for role, rows in first.role_indices.items()
        )
        for one in others
    )
