"""Which data reach which node during one phase."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from engine.batches import BatchView
from engine.context import ExperimentContext, resolve_node
from engine.errors import PhaseError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetReference, FeatureSetView
from engine.phases.describing import described, rebuilt
from engine.samplers import STREAM_DEFAULT, BaseSampler

if TYPE_CHECKING:
    from engine.graph.node import GraphNode


@dataclass(eq=False)
class InputBinding:
    """Feeds one input of a head node: a feature set or some rows of it, whole or through a sampler.

    Which rows is said by a split's name, and then they are those that the split has when the phase
    runs, or by `rows`: positions in the feature set, which stay as they are, in every fold of a
    cross-validation too. Phases work on copies of the sampler, so that one sampler may serve
    several bindings and phases.
    """

    node_id: str
    upstream_ref: FeatureSetReference
    split: str | None = None
    sampler: BaseSampler | None = None
    stream: str = STREAM_DEFAULT
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.upstream_ref, FeatureSetReference):
            raise PhaseError(
                f"The input of node {self.node_id!r} is bound to {self.upstream_ref!r}; "
                "a binding needs a reference to a FeatureSet."
            )
        if self.sampler is not None and not isinstance(self.sampler, BaseSampler):
            raise PhaseError(f"{self.sampler!r} is no sampler; see engine.samplers.")
        if self.split is not None and self.rows is not None:
            raise PhaseError(f"Give rows or the split {self.split!r}, not both.")
        if self.rows is not None:
            self.rows = self.resolve_input_view().indices
        self.resolve_input_view()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InputBinding):
            return NotImplemented
        mine, theirs = (
            (one.node_id, one.upstream_ref, one.split, one.sampler, one.stream)
            for one in (self, other)
        )
        return mine == theirs and self.same_rows(other)

    __hash__ = None  # type: ignore[assignment]  # as of any class that can be changed

    @classmethod
    def for_training(
        cls,
        *,
        node: "GraphNode | str",
        sampler: BaseSampler,
        upstream: FeatureSet | FeatureSetView | str | None = None,
        split: str | None = None,
        stream: str = STREAM_DEFAULT,
    ) -> Self:
        """Through a sampler; `upstream` may be left out where the node has a single feature set.

        A view as `upstream` binds exactly its rows, in its order.
        """
        label, reference, rows = _resolve(node, upstream, split)
        return cls(label, reference, rows.split, sampler, stream, rows.positions)

    @classmethod
    def for_evaluation(
        cls,
        *,
        node: "GraphNode | str",
        upstream: FeatureSet | FeatureSetView | str | None = None,
        split: str | None = None,
    ) -> Self:
        """Every sample once, in order; `upstream` may be left out where there is only one.

        A view as `upstream` binds exactly its rows, in its order.
        """
        label, reference, rows = _resolve(node, upstream, split)
        return cls(label, reference, rows.split, rows=rows.positions)

    def resolve_input_view(self) -> FeatureSetView:
        """The rows that this binding feeds, with all columns."""
        feature_set: FeatureSet = resolve_node(self.upstream_ref.node_label, FeatureSet)
        if self.rows is not None:
            return FeatureSetView.from_featureset(feature_set, rows=self.rows)
        return feature_set.to_view() if self.split is None else feature_set.get_split(self.split)

    def same_rows(self, other: "InputBinding") -> bool:
        """Whether both name the same rows: by the same split, or position by position."""
        if self.rows is None or other.rows is None:
            return self.rows is other.rows and self.split == other.split
        return np.array_equal(self.rows, other.rows)

    def materialize_batches(self, *, show_progress: bool = True) -> list[BatchView]:
        """The batches of the first epoch; without a sampler, all samples as one batch."""
        view = self.resolve_input_view()
        if self.sampler is None:
            return [BatchView(view, {"default": slice(0, len(view))})]
        sampler = copy.copy(self.sampler)
        sampler.bind_sources([view])
        return sampler.materialize_batches(show_progress=show_progress).get_stream(self.stream)

    def get_config(self) -> dict[str, Any]:
        return {
            "node_id": self.node_id,
            "upstream_ref": self.upstream_ref.get_config(),
            "split": self.split,
            "sampler": described(self.sampler),
            "stream": self.stream,
            "rows": None if self.rows is None else self.rows.tolist(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        sampler = config["sampler"]
        found = None if sampler is None else rebuilt(sampler, BaseSampler)
        reference = FeatureSetReference.from_config(config["upstream_ref"])
        rows = config.get("rows")
        rows = None if rows is None else np.asarray(rows, dtype=np.int64)
        return cls(**{**config, "upstream_ref": reference, "sampler": found, "rows": rows})


def described_bindings(bindings: Sequence[InputBinding]) -> list[dict[str, Any]]:
    """The bindings of a phase as plain values.

    Bindings that share a sampler draw alike, so one that came before is referred to by its place.
    """
    configs = [binding.get_config() for binding in bindings]
    for place, binding in enumerate(bindings):
        first = next(at for at, one in enumerate(bindings) if one.sampler is binding.sampler)
        if binding.sampler is not None and first < place:
            configs[place]["sampler"] = {"same_as": first}
    return configs


def rebuilt_bindings(configs: Sequence[Mapping[str, Any]]) -> list[InputBinding]:
    """The bindings that `described_bindings` described."""
    bindings: list[InputBinding] = []
    for config in configs:
        shared = (config["sampler"] or {}).get("same_as")
        binding = InputBinding.from_config(
            config if shared is None else {**config, "sampler": None}
        )
        if shared is not None:
            binding.sampler = bindings[shared].sampler
        bindings.append(binding)
    return bindings


def feature_set_references(node: "GraphNode") -> list[FeatureSetReference]:
    """The inputs of a node that come from feature sets."""
    return [ref for ref in node.get_upstream_refs() if isinstance(ref, FeatureSetReference)]


class _Rows(NamedTuple):
    """Some rows of a feature set: all of them, those of a split, or these positions."""

    split: str | None = None
    positions: NDArray[np.int64] | None = None


def _resolve(
    node: "GraphNode | str", upstream: FeatureSet | FeatureSetView | str | None, split: str | None
) -> tuple[str, FeatureSetReference, _Rows]:
    found = resolve_graph_node(node)
    inputs = {ref.node_label: ref for ref in feature_set_references(found)}
    if not inputs:
        raise PhaseError(
            f"Node {found.label!r} takes in no feature set, so nothing can be bound to it."
        )
    if upstream is None:
        if len(inputs) > 1:
            raise PhaseError(
                f"Node {found.label!r} takes in several feature sets, {', '.join(inputs)}; "
                "say which with `upstream`."
            )
        return found.node_id, next(iter(inputs.values())), _Rows(split)
    source = upstream if isinstance(upstream, str) else _source(upstream).label
    if source not in inputs:
        raise UnknownLabelError(f"input of node {found.label!r} from feature set", source, inputs)
    if isinstance(upstream, FeatureSetView):
        return found.node_id, inputs[source], _rows_of(upstream, split)
    return found.node_id, inputs[source], _Rows(split)


def resolve_graph_node(node: "GraphNode | str") -> "GraphNode":
    """The node itself, or the one of this label in the active context."""
    if not isinstance(node, str):
        return node
    found: GraphNode = ExperimentContext.get_active().get_node(node, enforce_type="GraphNode")
    return found


def _source(upstream: FeatureSet | FeatureSetView) -> FeatureSet:
    """The feature set itself, or that of a view, if it is the one that its label stands for."""
    source = upstream if isinstance(upstream, FeatureSet) else upstream.source
    context = ExperimentContext.find_active()
    known = None if context is None else context.available_nodes.get(source.label)
    if isinstance(known, FeatureSet) and known != source:
        raise PhaseError(
            f"{upstream!r} is of another feature set than the one that is registered as "
            f"{source.label!r} now; take the view from that one."
        )
    return source


def _rows_of(view: FeatureSetView, split: str | None) -> _Rows:
    """The view's rows: by name where it is the split of this name, or the whole set, as it is."""
    source, label = view.source, view.label
    if not len(view):
        raise PhaseError(f"{view!r} has no samples to be fed to a node.")
    if label in source.available_splits and _same(view, source.get_split(str(label))):
        if split in (None, label):
            return _Rows(label)
    elif _same(view, source.to_view()):
        return _Rows(split)
    if split is None:
        return _Rows(positions=view.indices)
    raise PhaseError(
        f"The upstream is a view of {len(view)} rows of {source.label!r} already; split={split!r} "
        f"would be other rows. Leave it out, or bind view.take_intersection({source.label}"
        f"[{split!r}])."
    )


def _same(view: FeatureSetView, other: FeatureSetView) -> bool:
    return np.array_equal(view.indices, other.indices)
