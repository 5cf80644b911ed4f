"""The shape of a graph: what comes after what."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.context import ExperimentContext, ExperimentNodeReference
from engine.errors import GraphError, LabelTakenError
from engine.features import FeatureSetReference
from engine.graph.node import ComputeNode, GraphNode


def collect(
    nodes: Sequence[str | GraphNode] | None, context: ExperimentContext
) -> list[ComputeNode]:
    """The nodes that a graph is made of: those given, or all that the context knows."""
    given: Sequence[Any] = list(context.available_computenodes.values()) if nodes is None else nodes
    found: dict[str, ComputeNode] = {}
    for one in given:
        node = context.get_node(one, enforce_type=ComputeNode) if isinstance(one, str) else one
        if not isinstance(node, ComputeNode):
            raise GraphError(f"{node!r} is not a node of a graph.")
        if node.label in found:
            raise LabelTakenError(f"The graph has two nodes {node.label!r}.")
        found[node.label] = node
    if not found:
        raise GraphError("A graph needs at least one node.")
    return list(found.values())


def upstream_labels(node: GraphNode) -> list[str]:
    """The labels of the graph's nodes that feed this one."""
    return [one.node_label for one in node.get_upstream_refs() if is_inner(one)]


def is_inner(reference: ExperimentNodeReference) -> bool:
    """Whether the reference leads to a node of the graph rather than to a feature set."""
    return not isinstance(reference, FeatureSetReference)


def topological_order(nodes: Mapping[str, GraphNode]) -> list[str]:
    """The labels so that each comes after all that feed it; otherwise in the given order.

    Raises GraphError for inputs from outside the graph, and for a circle.
    """
    waiting = {label: upstream_labels(node) for label, node in nodes.items()}
    for label, upstream in waiting.items():
        for one in upstream:
            if one not in nodes:
                raise GraphError(
                    f"Node {label!r} takes its input from {one!r}, which is not in the graph "
                    f"({', '.join(nodes)})."
                )
    order: list[str] = []
    while waiting:
        ready = next((one for one in waiting if all(up in order for up in waiting[one])), None)
        if ready is None:
            raise GraphError(f"The nodes form a circle: {' -> '.join(_circle(waiting))}.")
        order.append(ready)
        del waiting[ready]
    return order


def ancestors(nodes: Mapping[str, GraphNode], labels: Iterable[str]) -> set[str]:
    """These nodes, and all that lead to them."""
    found: set[str] = set()
    waiting = list(labels)
    while waiting:
        label = waiting.pop()
        if label not in found:
            found.add(label)
            waiting.extend(upstream_labels(nodes[label]))
    return found


def path_to(nodes: Mapping[str, GraphNode], label: str) -> str:
    """`features -> encoder -> head`: a way from a feature set to the node."""
    path = [label]
    while True:
        node = nodes.get(path[0])
        references: Sequence[ExperimentNodeReference] = node.get_upstream_refs() if node else []
        if not references:
            return " -> ".join(path)
        path.insert(0, references[0].node_label)


def _circle(waiting: Mapping[str, list[str]]) -> list[str]:
    path = [next(iter(waiting))]
    while True:
        label = next(up for up in waiting[path[-1]] if up in waiting)
        if label in path:
            # Against the direction of the walk, which went from nodes to their inputs.
            return [*path[path.index(label) :], label][::-1]
        path.append(label)
