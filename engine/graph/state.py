"""What a graph has learned, taken out and put back."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import CheckpointError, did_you_mean
from engine.graph.rebuilding import noted
from engine.models.torch_weights import check_weights
from engine.saving import (
    SavedFile,
    holds_arrays,
    read_file,
    with_arrays,
    without_arrays,
    write_file,
)

if TYPE_CHECKING:
    from engine.graph.model_graph import ModelGraph

KIND = "graph checkpoint"
# An experiment's holds its graph's state.
KINDS = (KIND, "experiment checkpoint")


def get_state(graph: "ModelGraph", *, copied: bool) -> dict[str, Any]:
    """What `ModelGraph.get_state` gives."""
    shared = {
        "nodes": {node.label: node.get_state() for node in graph.model_nodes},
        "optimizer": graph.optimizer and graph.optimizer.get_state(),
        "built": noted(graph),
    }
    return copy.deepcopy(shared) if copied else shared


def set_state(graph: "ModelGraph", saved: Mapping[str, Any], *, copied: bool) -> None:
    """Everything, or nothing if it does not fit."""
    nodes = saved["nodes"]
    _check_labels(graph, nodes)
    _check_weights(graph, {label: node["model"]["weights"] for label, node in nodes.items()})
    _check_optimizers(graph, saved)
    for node in graph.model_nodes:
        node.set_state(nodes[node.label], copy=copied)
    if graph.optimizer is not None:
        graph.optimizer.set_state(saved["optimizer"], copy=copied)


def get_weights(graph: "ModelGraph") -> dict[str, Any]:
    """A copy, by node; estimators included."""
    return copy.deepcopy({node.label: node.model.get_weights() for node in graph.model_nodes})


def set_weights(graph: "ModelGraph", weights: Mapping[str, Any]) -> None:
    """Everything, or nothing if it does not fit."""
    _check_labels(graph, weights)
    _check_weights(graph, weights)
    for node in graph.model_nodes:
        node.model.set_weights(weights[node.label])


def save_checkpoint(
    graph: "ModelGraph", path: Path, *, overwrite: bool, meta: Mapping[str, Any] | None
) -> Path:
    """One file with the state."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
    return write_file(path, KIND, graph.get_state(copy=False), meta=meta).path


def restore_checkpoint(graph: "ModelGraph", path: Path, *, trusted: bool) -> None:
    """Take over the state in the file, or the graph's part of an experiment's."""
    if not path.exists():
        near = [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else []
        raise CheckpointError(f"There is no checkpoint {path}.{did_you_mean(path.name, near)}")
    saved, _ = read_file(path, KINDS, trusted=trusted)
    shared = saved.get("graph_in")
    if shared is not None:
        saved = referred_graph(path, shared, trusted=trusted)
    graph.set_state(saved.get("graph", saved), copy=False)


def is_in(path: Path, state: Mapping[str, Any]) -> bool:
    """Whether the experiment's checkpoint there holds all weights and moments of this state."""
    return holds_arrays(path, "graph", state)


def reference_to(file: SavedFile, state: Mapping[str, Any]) -> dict[str, Any]:
    """What `referred_graph` makes the state of again, once its arrays are in that file."""
    return {"file": file.path.name, "sha256": file.sha256, "rest": without_arrays(state)}


def referred_graph(path: Path, shared: Mapping[str, Any], *, trusted: bool) -> dict[str, Any]:
    """The graph's state in the checkpoint that the one at `path` shares it with."""
    name = shared["file"]
    beside = path.parent / Path(name).name
    if beside.name != name or not beside.is_file():
        raise CheckpointError(
            f"The checkpoint {path} refers to the graph in {name}, and that file is not beside it."
        )
    saved, _ = read_file(beside, KINDS[1], sha256=shared["sha256"], trusted=trusted)
    try:
        state: dict[str, Any] = with_arrays(shared["rest"], saved["graph"])
    except KeyError as error:
        raise CheckpointError(
            f"The checkpoint {path} refers to {name}, which does not hold its graph."
        ) from error
    return state


def _check_labels(graph: "ModelGraph", saved: Mapping[str, Any]) -> None:
    own = [node.label for node in graph.model_nodes]
    for label in own:
        if label not in saved:
            raise CheckpointError(
                f"The state holds nothing of the node {label!r}.{did_you_mean(label, saved)}"
            )
    for label in saved:
        if label not in own:
            raise CheckpointError(
                f"The state is of a graph with a node {label!r}, which this one has not."
                f"{did_you_mean(label, own)}"
            )


def _check_weights(graph: "ModelGraph", weights: Mapping[str, Any]) -> None:
    for node in graph.model_nodes:
        given = weights[node.label]
        if given is None and not node.model.is_built:
            # What comes after an estimator that is not fitted yet; nothing is learned in it.
            continue
        if given is None:
            raise CheckpointError(f"The state of the node {node.label!r} was taken unbuilt.")
        if not node.is_torch:
            if "estimator" not in given:
                raise CheckpointError(f"The state of the node {node.label!r} is no estimator's.")
            continue
        try:
            check_weights(node.module, given)
        except CheckpointError as error:
            raise CheckpointError(f"Node {node.label!r}: {error}") from error


def _check_optimizers(graph: "ModelGraph", saved: Mapping[str, Any]) -> None:
    if (graph.optimizer is None) != (saved["optimizer"] is None):
        has, had = ("an", "no") if graph.optimizer else ("no", "an")
        raise CheckpointError(f"The graph has {has} optimizer, and {had} one in the saved state.")
    if graph.optimizer is not None:
        graph.optimizer.check_state(saved["optimizer"])
        return
    for node in graph.model_nodes:
        state = saved["nodes"][node.label]["optimizer"]
        if node.optimizer is not None and state is not None:
            node.optimizer.check_state(state)
