"""What a graph was built for, noted down, and a graph built for the same without its data."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from engine.errors import CheckpointError
from engine.graph.building import weight_seed
from engine.graph.merge_node import MergeNode
from engine.graph.model_node import ModelNode
from engine.seeding import generators

if TYPE_CHECKING:
    from engine.graph.model_graph import ModelGraph


def noted(graph: "ModelGraph") -> dict[str, Any]:
    """The shapes of every built node, as plain values, and which weights several nodes share."""
    return {
        "nodes": {
            label: node.get_build()
            for label, node in graph.nodes.items()
            if isinstance(node, ModelNode | MergeNode) and node.is_built
        },
        "shared": _shared(graph),
    }


def rebuild(graph: "ModelGraph", built: Mapping[str, Any]) -> None:
    """Build the nodes that are not built yet, for the shapes noted down."""
    nodes = graph.nodes
    waiting = [label for label in graph.order if not nodes[label].is_built]
    for label in waiting:
        node, saved = nodes[label], built["nodes"].get(label)
        if saved is not None and isinstance(node, ModelNode | MergeNode):
            # The weights are replaced; what is drawn for them is nobody else's.
            with generators(weight_seed(graph.ctx, label)):
                node.set_build(saved)
    _share(graph, built["shared"], set(waiting))
    if waiting:
        graph.finish_building()


def _shared(graph: "ModelGraph") -> list[list[list[str]]]:
    """Groups of [node, name], each of one parameter or buffer."""
    places = defaultdict(list)
    for label, name, tensor in _tensors(graph):
        places[id(tensor)].append([label, name])
    return [group for group in places.values() if len(group) > 1]


def _tensors(graph: "ModelGraph") -> Iterator[tuple[str, str, torch.Tensor]]:
    for node in graph.model_nodes:
        if node.is_torch and node.is_built:
            module = node.module
            for name, parameter in module.named_parameters(remove_duplicate=False):
                yield node.label, name, parameter
            for name, buffer in module.named_buffers(remove_duplicate=False):
                yield node.label, name, buffer


def _share(graph: "ModelGraph", groups: list[list[list[str]]], new: set[str]) -> None:
    """Make what was one tensor one again, in the nodes that are new."""
    there = {(label, name): tensor for label, name, tensor in _tensors(graph)}
    for group in groups:
        first, *others = (tuple(place) for place in group)
        for place in others:
            if first not in there or place not in there:
                raise CheckpointError(f"The graph has no weight {'.'.join(place)!r} to share.")
            if place[0] in new and there[place] is not there[first]:
                _replace(graph.find(place[0]), place[1], there[first])


def _replace(node: Any, name: str, tensor: torch.Tensor) -> None:
    path, _, last = name.rpartition(".")
    owner = node.module.get_submodule(path)
    if getattr(owner, last).shape != tensor.shape:
        raise CheckpointError(f"The weight {name!r} of {node.label!r} has not the shape it shares.")
    setattr(owner, last, tensor)
    node.adopt(again=True)
