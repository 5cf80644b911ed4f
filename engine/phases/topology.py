"""The model graph, as phases look at it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.context import ExperimentContext
from engine.errors import PhaseError
from engine.features import FeatureSetReference
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
    """Which head nodes lead to each node, and which nodes are the tails."""
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
    return Topology(heads, tuple(graph.tail_nodes))


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
