"""One node's step outside of a graph's: it takes what the context holds of the nodes before it."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.context import ExperimentContext
from engine.errors import GraphError
from engine.graph.steps import EvalStep, FitStep, TrainStep

if TYPE_CHECKING:
    from engine.batches import ExecutionContext
    from engine.graph.model_node import ModelNode
    from engine.losses import AppliedLoss

_STEPS: dict[str, Any] = {"TrainStep": TrainStep, "EvalStep": EvalStep, "FitStep": FitStep}


class _OneNode:
    """What a step asks of its graph, answered for a single node."""

    optimizer = None

    def __init__(self, node: "ModelNode") -> None:
        self._node = node
        self.ctx = ExperimentContext.find_active()

    def build(self) -> None:
        if self._node.is_built:
            return
        graph = None if self.ctx is None else self.ctx.model_graph
        if graph is None or self._node.label not in graph.nodes:
            raise GraphError(
                f"Node {self._node.label!r} is not built and in no graph that could do it."
            )
        graph.build()

    def executed(self, _active_nodes: Sequence[Any] | None) -> "list[ModelNode]":
        return [self._node]

    def leading_to(self, labels: Iterable[str]) -> set[str]:
        return set(labels)


def run(kind: str, node: "ModelNode", ctx: "ExecutionContext", losses: "list[AppliedLoss]") -> Any:
    """One step of this kind, with those of the losses that are the node's own."""
    own = [loss for loss in losses if loss.node_id == node.label]
    graph = _OneNode(node)
    graph.build()
    if kind == "TrainStep" and node.optimizer is not None:
        if not node.optimizer.is_built:
            node.optimizer.build(parameters=node.module.parameters(), nodes=[node])
        node.optimizer.check_free([node])
    return _STEPS[kind](graph, own)(ctx)
