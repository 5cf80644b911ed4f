"""Which data reach which node during one phase."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.batches import BatchView
from engine.context import ExperimentContext, resolve_node
from engine.errors import PhaseError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetReference, FeatureSetView
from engine.phases.describing import described, rebuilt
from engine.samplers import STREAM_DEFAULT, BaseSampler

if TYPE_CHECKING:
    from engine.graph.node import GraphNode


@dataclass
class InputBinding:
    """Feeds one input of a head node: a feature set or a split of it, whole or through a sampler.

    Phases work on copies of the sampler, so that one sampler may serve several bindings and phases.
    """

    node_id: str
    upstream_ref: FeatureSetReference
    split: str | None = None
    sampler: BaseSampler | None = None
    stream: str = STREAM_DEFAULT

    def __post_init__(self) -> None:
        if not isinstance(self.upstream_ref, FeatureSetReference):
            raise PhaseError(
                f"The input of node {self.node_id!r} is bound to {self.upstream_ref!r}; "
                "a binding needs a reference to a FeatureSet."
            )
        if self.sampler is not None and not isinstance(self.sampler, BaseSampler):
            raise PhaseError(f"{self.sampler!r} is no sampler; see engine.samplers.")
        self.resolve_input_view()

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
        """Through a sampler; `upstream` may be left out where the node has a single feature set."""
        label, reference, split = _resolve(node, upstream, split)
        return cls(label, reference, split=split, sampler=sampler, stream=stream)

    @classmethod
    def for_evaluation(
        cls,
        *,
        node: "GraphNode | str",
        upstream: FeatureSet | FeatureSetView | str | None = None,
        split: str | None = None,
    ) -> Self:
        """Every sample once, in order; `upstream` may be left out where there is only one."""
        label, reference, split = _resolve(node, upstream, split)
        return cls(label, reference, split=split)

    def resolve_input_view(self) -> FeatureSetView:
        """The rows that this binding feeds, with all columns."""
        feature_set: FeatureSet = resolve_node(self.upstream_ref.node_label, FeatureSet)
        return feature_set.to_view() if self.split is None else feature_set.get_split(self.split)

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
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        sampler = config["sampler"]
        found = None if sampler is None else rebuilt(sampler, BaseSampler)
        reference = FeatureSetReference.from_config(config["upstream_ref"])
        return cls(**{**config, "upstream_ref": reference, "sampler": found})


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


def _resolve(
    node: "GraphNode | str", upstream: FeatureSet | FeatureSetView | str | None, split: str | None
) -> tuple[str, FeatureSetReference, str | None]:
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
        return found.node_id, next(iter(inputs.values())), split
    source, split = _source(upstream, split)
    if source not in inputs:
        raise UnknownLabelError(f"input of node {found.label!r} from feature set", source, inputs)
    return found.node_id, inputs[source], split


def resolve_graph_node(node: "GraphNode | str") -> "GraphNode":
    """The node itself, or the one of this label in the active context."""
    if not isinstance(node, str):
        return node
    found: GraphNode = ExperimentContext.get_active().get_node(node, enforce_type="GraphNode")
    return found


def _source(
    upstream: FeatureSet | FeatureSetView | str, split: str | None
) -> tuple[str, str | None]:
    """The label of the feature set, and the split, which a view of one stands for."""
    if isinstance(upstream, str):
        return upstream, split
    if isinstance(upstream, FeatureSet):
        return upstream.label, split
    source = upstream.source
    if split is None and len(upstream) < len(source):
        if upstream.label not in source.available_splits:
            raise PhaseError(
                f"{upstream!r} is no split of {source.label!r}. Register it with "
                f"{source.label}.add_split(view), so that it can be found by its label."
            )
        split = upstream.label
    return source.label, split
