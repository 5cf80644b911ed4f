"""A graph as plain values, and a graph made of them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import GraphError
from engine.graph.node import ComputeNode, GraphNode
from engine.optimizers import Optimizer
from engine.saving import locate, location_of

if TYPE_CHECKING:
    from engine.graph.model_graph import ModelGraph


def describe(graph: "ModelGraph") -> dict[str, Any]:
    """Nodes, wiring and optimizer; nothing that was learned."""
    return {
        "label": graph.label,
        "nodes": [
            {"class": location_of(type(node)), "config": node.get_config()}
            for node in graph.nodes.values()
        ],
        "optimizer": graph.optimizer and graph.optimizer.get_config(),
    }


def rebuild_nodes(config: Mapping[str, Any]) -> list[str | GraphNode]:
    """The nodes, each made by the class that is named."""
    nodes: list[str | GraphNode] = []
    for described in config["nodes"]:
        found = locate(described["class"])
        if not (isinstance(found, type) and issubclass(found, ComputeNode)):
            raise GraphError(f"{described['class']} is not a node of a graph.")
        nodes.append(found.from_config(described["config"]))
    return nodes


def rebuild_optimizer(config: Mapping[str, Any]) -> Optimizer | None:
    """The graph's optimizer, if it had one."""
    described = config["optimizer"]
    return None if described is None else Optimizer.from_config(described)
