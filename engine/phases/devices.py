"""Where a phase computes."""

from typing import TYPE_CHECKING

import torch

from engine.errors import PhaseError

if TYPE_CHECKING:
    from engine.graph import ModelGraph


def resolve_device(device: str) -> torch.device:
    """`auto` is a GPU where there is one; one that is not there is an error."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise PhaseError(f"{device!r} is no device; use 'auto', 'cpu' or 'cuda'.") from error
    if found.type == "cuda" and not torch.cuda.is_available():
        raise PhaseError(f"device={device!r}, but torch finds no GPU here; 'auto' or 'cpu' work.")
    return found


def move_to(graph: "ModelGraph", device: str) -> torch.device:
    """Move the graph, unless it is there; the device it is on from now."""
    wanted = resolve_device(device)
    graph.build()
    parameters = (
        parameter
        for node in graph.model_nodes
        if node.is_torch
        for parameter in node.module.parameters()
    )
    if any(parameter.device.type != wanted.type for parameter in parameters):
        graph.to(wanted)
    return wanted
