"""Changing a graph that is there already; what the other nodes have learned stays."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from engine.errors import GraphError, LabelTakenError
from engine.graph.model_node import ModelNode
from engine.graph.node import ComputeNode, GraphNode
from engine.graph.structure import topological_order, upstream_labels

if TYPE_CHECKING:
    import torch

    from engine.optimizers import Optimizer


class Editing(ABC):
    """The part of ModelGraph that adds, inserts, replaces and removes nodes.

    A change that would not give a sound graph is undone and raises GraphError.
    """

    _nodes: list[ComputeNode]
    _order: list[str]
    _built: bool
    _steps: dict[Any, Any]

    @property
    @abstractmethod
    def nodes(self) -> dict[str, ComputeNode]: ...

    @abstractmethod
    def find(self, node: str | GraphNode) -> ComputeNode: ...

    @abstractmethod
    def _check_own_optimizers(self) -> None: ...

    @property
    @abstractmethod
    def optimizers(self) -> "list[Optimizer]": ...

    def add_node(self, node: ComputeNode) -> Self:
        """Add a node that is wired already."""
        return self._change(lambda: self._append(node))

    def insert_node_after(self, new_node: ComputeNode, *, upstream: str | GraphNode) -> Self:
        """Add a node that takes the output of `upstream`, whose other connections stay."""
        source = self.find(upstream)

        def change() -> None:
            new_node.set_upstream_refs([source])
            self._append(new_node)

        return self._change(change, new_node)

    def insert_node_before(self, new_node: ComputeNode, *, downstream: str | GraphNode) -> Self:
        """Put a node between another one and all its inputs."""
        target = self.find(downstream)

        def change() -> None:
            new_node.set_upstream_refs(target.get_upstream_refs())
            target.set_upstream_refs([new_node])
            self._append(new_node)

        return self._change(change, new_node)

    def insert_node_between(
        self, new_node: ComputeNode, *, upstream: str | GraphNode, downstream: str | GraphNode
    ) -> Self:
        """Put a node into an existing connection."""
        source, target = self.find(upstream), self.find(downstream)
        if source.label not in upstream_labels(target):
            raise GraphError(f"{source.label!r} does not feed {target.label!r}.")

        def change() -> None:
            new_node.set_upstream_refs([source])
            target.replace_upstream_ref(source, new_node)
            self._append(new_node)

        return self._change(change, new_node)

    def remove_node(self, node: str | GraphNode) -> Self:
        """Take a node out; what it fed is fed by its inputs instead."""
        gone = self.find(node)

        def change() -> None:
            for other in self._fed_by(gone):
                kept = []
                for reference in other.get_upstream_refs():
                    same = reference.node_label == gone.label
                    kept += gone.get_upstream_refs() if same else [reference]
                other.set_upstream_refs(dict.fromkeys(kept))
            self._nodes.remove(gone)

        return self._change(change)

    def replace_node(self, old_node: str | GraphNode, new_node: ComputeNode) -> Self:
        """Put another node in the place of one, with the same connections."""
        old = self.find(old_node)

        def change() -> None:
            new_node.set_upstream_refs(old.get_upstream_refs())
            for other in self._fed_by(old):
                other.replace_upstream_ref(old, new_node)
            place = self._nodes.index(old)
            if new_node.label in self.nodes and new_node.label != old.label:
                raise LabelTakenError(f"The graph has a node {new_node.label!r} already.")
            self._nodes[place] = new_node

        return self._change(change, new_node)

    def _append(self, node: ComputeNode) -> None:
        if node.label in self.nodes:
            raise LabelTakenError(f"The graph has a node {node.label!r} already.")
        self._nodes.append(node)

    def _fed_by(self, node: ComputeNode) -> list[ComputeNode]:
        return [other for other in self._nodes if node.label in upstream_labels(other)]

    def _change(self, change: Any, *others: ComputeNode) -> Self:
        nodes = list(self._nodes)
        wiring = [(node, node.get_upstream_refs()) for node in [*nodes, *others]]
        try:
            change()
            order = topological_order(self.nodes)
            self._check_own_optimizers()
        except BaseException:
            self._nodes = nodes
            for node, references in wiring:
                node.set_upstream_refs(references)
            raise
        self._order = order
        self._carry_on()
        return self

    def _carry_on(self) -> None:
        """Have new nodes built on next use, and keep the moments of the parameters that stay."""
        self._steps.clear()
        if not self._built:
            return
        self._built = False
        for optimizer in self.optimizers:
            optimizer.keep_moments()

    def _torch_parameters(self) -> "list[torch.nn.Parameter]":
        models = [node for node in self._nodes if isinstance(node, ModelNode) and node.is_torch]
        return [one for node in models if node.is_built for one in node.module.parameters()]
