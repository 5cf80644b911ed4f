"""Which optimizer trains which nodes of a graph."""

from itertools import combinations
from typing import TYPE_CHECKING

import torch

from engine.errors import OptimizerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.graph.model_node import ModelNode


def all_parameters(nodes: "Sequence[ModelNode]") -> list[torch.nn.Parameter]:
    """The parameters of all these torch nodes, in order; those that nodes share once."""
    unique = {id(one): one for node in nodes for one in node.module.parameters()}
    return list(unique.values())


def check_own_optimizers(nodes: "Sequence[ModelNode]") -> None:
    """OptimizerError if two nodes have one Optimizer, or their optimizers one Scheduler."""
    for first, second in combinations(nodes, 2):
        mine, theirs = first.optimizer, second.optimizer
        if mine is None or theirs is None:
            continue
        both = f"nodes {first.label!r} and {second.label!r}"
        if mine is theirs:
            raise OptimizerError(
                f"The {both} have one and the same {mine!r}, which can train one of them only. "
                "Make an Optimizer for each, or give one to the graph, which trains all nodes."
            )
        if mine.scheduler is not None and mine.scheduler is theirs.scheduler:
            raise OptimizerError(
                f"The optimizers of the {both} have one and the same {mine.scheduler!r}, which "
                "can change the rate of one of them only. Make a Scheduler for each."
            )
