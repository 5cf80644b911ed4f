"""The model graph, as phases look at it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.context import ExperimentContext
from engine.errors import PhaseError
from engine.features import FeatureSetReference
from engine.graph import MergeNode, MergeStrategy
from engine.results.topology import Topology

if TYPE_CHECKING:
    from engine.graph import ModelGraph


def active_graph() -> "ModelGraph":
    """The model graph of the active context."""
    graph = ExperimentContext.get_active().model_graph
    if graph is None:
        raise PhaseError("There is no model graph yet: make a ModelGraph before its phases.")
    return graph


def topology_of(graph: "ModelGraph") -> Topology:
    """Which head nodes lead to each node, whose targets it has, and which nodes are the tails."""
    heads: dict[str, tuple[str, ...]] = {}

    def trace(label: str) -> tuple[str, ...]:
        if label not in heads:
            found: dict[str, None] = {}
            for reference in graph.nodes[label].get_upstream_refs():
                inner = isinstance(reference, FeatureSetReference)
                found.update(dict.fromkeys([label] if inner else trace(reference.node_label)))
            heads[label] = tuple(found)
        return heads[label]

    for label in graph.nodes:
        trace(label)
    targets = {label: _targets_of(graph, label) for label in graph.nodes}
    return Topology(heads, targets, tuple(graph.tail_nodes))


def _targets_of(graph: "ModelGraph", label: str) -> tuple[tuple[str, str], ...] | None:
    node = graph.nodes[label]
    references = node.get_upstream_refs()
    parts = [_targets_from(graph, label, reference) for reference in references]
    if not isinstance(node, MergeNode):
        return parts[0]
    chosen = node.side_choice("targets", [reference.node_label for reference in references])
    if chosen is not None:
        return parts[chosen]
    joined: list[tuple[str, str]] = []
    for part in parts:
        if part is None:
            return None
        joined += part
    is_mean = node.side_strategy("targets") is MergeStrategy.MEAN
    return None if is_mean and len(joined) > 1 else tuple(joined)


def _targets_from(
    graph: "ModelGraph", label: str, reference: Any
) -> tuple[tuple[str, str], ...] | None:
    if not isinstance(reference, FeatureSetReference):
        return _targets_of(graph, reference.node_label)
    return ((label, reference.node_label),) if reference.targets else ()


def unbound_inputs(
    graph: "ModelGraph", bound: Iterable[tuple[str, str]], active_nodes: Sequence[str] | None
) -> list[tuple[str, str]]:
    """What the executed nodes take in and no binding gives: node and feature set, by label."""
    given = set(bound)
    return [
        (node.label, reference.node_label)
        for node in graph.executed(active_nodes)
        for reference in node.get_upstream_refs()
        if isinstance(reference, FeatureSetReference)
        and (node.label, reference.node_label) not in given
    ]
