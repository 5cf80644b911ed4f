"""The model graph: which nodes there are, how they are wired, and what is learned in them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch

from engine.context import ExperimentContext
from engine.errors import BackendMismatchError, UnknownLabelError
from engine.features.diagram import Diagram
from engine.graph.building import build_nodes
from engine.graph.describing import rebuild_nodes, rebuild_optimizer
from engine.graph.diagram import mermaid, summarize
from engine.graph.editing import Editing
from engine.graph.keeping import Keeping
from engine.graph.model_node import ModelNode
from engine.graph.node import ComputeNode, GraphNode
from engine.graph.optimizing import all_parameters, check_own_optimizers
from engine.graph.structure import (
    ancestors,
    collect,
    is_inner,
    topological_order,
    upstream_labels,
)
from engine.models.backend import Backend
from engine.optimizers import Optimizer
from engine.saving.aside import aside

if TYPE_CHECKING:
    from engine.batches import Batch, ExecutionContext
    from engine.losses import AppliedLoss


class ModelGraph(Editing, Keeping):
    """Nodes wired to feature sets and to each other, without circles.

    With an optimizer, all torch nodes are trained by it together; without, each node by its own.
    Nodes are built on first use, when the shapes that reach them are known.
    """

    def __init__(
        self,
        nodes: Sequence[str | GraphNode] | None = None,
        optimizer: Optimizer | None = None,
        label: str = "model-graph",
        *,
        ctx: ExperimentContext | None = None,
        register: bool = True,
    ) -> None:
        self.label = label
        self.ctx = ExperimentContext.active_or_default() if ctx is None else ctx
        self._nodes: list[ComputeNode] = collect(nodes, self.ctx)
        self._optimizer = optimizer
        self._built = False
        self._device: torch.device | None = None
        self._steps: dict[Any, Any] = {}
        self._order = topological_order(self.nodes)
        self._check_optimizers()
        if register:
            self.ctx.register_model_graph(self)

    def _check_optimizers(self) -> None:
        self._check_own_optimizers()
        if self._optimizer is not None and not any(
            isinstance(node, ModelNode) and node.is_torch for node in self._nodes
        ):
            raise BackendMismatchError(
                "The graph has an optimizer and no torch model that it could train."
            )

    def _check_own_optimizers(self) -> None:
        if self._optimizer is None:
            check_own_optimizers(self.model_nodes)

    # Nodes

    @property
    def nodes(self) -> dict[str, ComputeNode]:
        return {node.label: node for node in self._nodes}

    @property
    def node_labels(self) -> set[str]:
        return set(self.nodes)

    @property
    def order(self) -> list[str]:
        """The labels so that each node comes after all that feed it."""
        return list(self._order)

    @property
    def head_nodes(self) -> dict[str, ComputeNode]:
        """The nodes that take in feature sets and nothing else."""
        return {
            label: node
            for label, node in self.nodes.items()
            if not any(map(is_inner, node.get_upstream_refs()))
        }

    @property
    def tail_nodes(self) -> dict[str, ComputeNode]:
        """The nodes whose output no other node takes in."""
        feeding = {label for node in self._nodes for label in upstream_labels(node)}
        return {label: node for label, node in self.nodes.items() if label not in feeding}

    @property
    def model_nodes(self) -> list[ModelNode]:
        """The nodes that hold models, in the graph's order."""
        return [node for node in self._nodes if isinstance(node, ModelNode)]

    @property
    def frozen_nodes(self) -> dict[str, ModelNode]:
        return {node.label: node for node in self.model_nodes if node.is_frozen}

    def find(self, node: str | GraphNode) -> ComputeNode:
        """The graph's node that is meant by a label or is given itself."""
        label = node if isinstance(node, str) else node.label
        if label not in self.nodes:
            raise UnknownLabelError(f"node of the graph {self.label!r} called", label, self.nodes)
        return self.nodes[label]

    def executed(self, active_nodes: Sequence[str | GraphNode] | None) -> list[ComputeNode]:
        """The nodes that a step computes, in order: the active ones and all that lead to them."""
        if active_nodes is None:
            return [self.nodes[label] for label in self._order]
        needed = self.leading_to(self.find(node).label for node in active_nodes)
        return [self.nodes[label] for label in self._order if label in needed]

    def leading_to(self, labels: Iterable[str]) -> set[str]:
        """These nodes and all that come before them."""
        return ancestors(self.nodes, labels)

    def input_forms(self) -> dict[str, str]:
        """Whether each node that takes in feature sets computes on torch or numpy blocks."""
        return {
            node.label: node.data_form
            for node in self._nodes
            if not all(map(is_inner, node.get_upstream_refs()))
        }

    # Building

    @property
    def is_built(self) -> bool:
        return self._built

    def build(self, *, force: bool = False) -> None:
        """Build models and optimizers; again only with `force`, which draws new weights.

        What comes after an estimator is built once that is fitted, for only then is it known what
        it gives.
        """
        if self._built and not force:
            return
        for optimizer, nodes in self._optimizers_with_nodes():
            optimizer.check_free(nodes)
        build_nodes(self.nodes, self._order, self.ctx, force=force)
        self.finish_building(force=force)

    def finish_building(self, *, force: bool = False) -> None:
        """Make the optimizers once every node is built."""
        self._built = all(node.is_built for node in self._nodes)
        if self._device is not None:
            self._place(self._device)
        if self._built:
            self._build_optimizers(force=force)
        self._steps.clear()

    def _build_optimizers(self, *, force: bool) -> None:
        for optimizer, nodes in self._optimizers_with_nodes():
            parameters = all_parameters(nodes)
            if parameters and (force or not optimizer.is_built):
                optimizer.build(parameters=parameters, force_rebuild=True, nodes=nodes)

    def _optimizers_with_nodes(self) -> list[tuple[Optimizer, list[ModelNode]]]:
        torch_nodes = [node for node in self.model_nodes if node.is_torch]
        if self._optimizer is not None:
            return [(self._optimizer, torch_nodes)]
        return [(node.optimizer, [node]) for node in torch_nodes if node.optimizer is not None]

    @property
    def optimizer(self) -> Optimizer | None:
        """The graph's own optimizer; None if each node has its own."""
        return self._optimizer

    @property
    def optimizers(self) -> list[Optimizer]:
        """All that train: the graph's, or those of its nodes."""
        if self._optimizer is not None:
            return [self._optimizer]
        return [node.optimizer for node in self.model_nodes if node.optimizer is not None]

    @property
    def backend(self) -> Backend | None:
        return None if self._optimizer is None else self._optimizer.backend

    def get_optimizer_parameters(self) -> dict[str, Any]:
        """What the graph's optimizer works on, in the graph's order.

        Frozen nodes are part of it, so that freezing one does not change what the others' moments
        belong to; without a gradient they are passed over.
        """
        contributing = [
            node for node in self.model_nodes if node.is_torch and list(node.module.parameters())
        ]
        return {
            "backend": Backend.TORCH,
            "contributing_nodes": {node.label for node in contributing},
            "parameters": all_parameters(contributing),
        }

    def to(self, device: str | torch.device) -> "ModelGraph":
        """Move all torch models, those built later too, and the moments of their optimizers."""
        self._device = torch.device(device)
        self._place(self._device)
        for optimizer in self.optimizers:
            if optimizer.is_built:
                optimizer.move_state()
        return self

    def _place(self, device: torch.device) -> None:
        for node in self.model_nodes:
            if node.is_torch and node.model.is_built:
                node.module.to(device)

    # Freezing

    def freeze(self, nodes: Sequence[str | GraphNode] | None = None) -> None:
        """Keep these nodes, or all, from being trained."""
        for node in self._models(nodes):
            node.freeze()

    def unfreeze(self, nodes: Sequence[str | GraphNode] | None = None) -> None:
        """Let these nodes, or all, be trained again."""
        for node in self._models(nodes):
            node.unfreeze()

    def _models(self, nodes: Sequence[str | GraphNode] | None) -> list[ModelNode]:
        chosen = self._nodes if nodes is None else [self.find(node) for node in nodes]
        return [node for node in chosen if isinstance(node, ModelNode)]

    def frozen_state(self) -> dict[str, Any]:
        """What is frozen and which modules train, to be put back later; plain values, and cheap."""
        return {node.label: node.get_mode() for node in self.model_nodes}

    def set_frozen_state(self, modes: Mapping[str, Any]) -> None:
        for node in self.model_nodes:
            if node.label in modes:
                node.set_mode(modes[node.label])

    # Steps

    def forward(
        self,
        inputs: Mapping[Any, Any],
        *,
        active_nodes: Sequence[str | GraphNode] | None = None,
    ) -> "dict[str, Batch]":
        """Every executed node's output for these inputs, by label; gradients can flow.

        Keys are (head node's label, its reference to the feature set); values are batch views,
        batches, or arrays of features.
        """
        from engine.graph.flow import StepOutputs  # noqa: PLC0415 - used by hand only
        from engine.graph.plan import Plan  # noqa: PLC0415 - as above

        self.build()
        plan = Plan(self.executed(active_nodes))
        flow = plan.start(inputs, {})
        plan.run(flow)
        return dict(StepOutputs(plan, flow))

    def train_step(
        self,
        ctx: "ExecutionContext",
        losses: "Sequence[AppliedLoss]",
        *,
        active_nodes: Sequence[str | GraphNode] | None = None,
    ) -> torch.Tensor:
        """One training step on the context's inputs; see `TrainStep`."""
        found: torch.Tensor = self._step("TrainStep", losses, active_nodes)(ctx)
        return found

    def eval_step(
        self,
        ctx: "ExecutionContext",
        losses: "Sequence[AppliedLoss]" = (),
        *,
        active_nodes: Sequence[str | GraphNode] | None = None,
    ) -> None:
        """Outputs and losses for the context's inputs, with nothing left changed."""
        self._step("EvalStep", losses, active_nodes)(ctx)

    def fit_step(
        self,
        ctx: "ExecutionContext",
        losses: "Sequence[AppliedLoss] | None" = None,
        *,
        active_nodes: Sequence[str | GraphNode] | None = None,
        freeze_after_fit: bool = True,
    ) -> None:
        """Fit the estimators on the context's inputs, which are all samples; see `FitStep`."""
        from engine.graph.steps import FitStep  # noqa: PLC0415 - steps are made of graphs

        FitStep(self, losses, active_nodes, freeze_after_fit=freeze_after_fit)(ctx)

    def _step(
        self,
        kind: str,
        losses: "Sequence[AppliedLoss]",
        active_nodes: Sequence[str | GraphNode] | None,
    ) -> Any:
        from engine.graph import steps  # noqa: PLC0415 - steps are made of graphs

        labels = (
            None if active_nodes is None else tuple(self.find(one).label for one in active_nodes)
        )
        # The losses themselves are part of the key, so that none of them can be another one's.
        key = (kind, tuple(losses), labels)
        if key not in self._steps:
            self._steps[key] = getattr(steps, kind)(self, losses, active_nodes)
        return self._steps[key]

    # Description

    @classmethod
    def from_config(cls, config: dict[str, Any], *, register: bool = True) -> Self:
        """An equal graph without what was learned; imports the classes that are named.

        The nodes and the graph are registered in the active context, or nothing is.
        """
        with aside(register=register):
            graph = cls(rebuild_nodes(config), rebuild_optimizer(config), config["label"])
        graph.ctx = ExperimentContext.active_or_default()
        return graph

    def summary(self) -> str:
        """A line for each node: model, input, shapes, parameters."""
        return summarize(self)

    def visualize(
        self,
        *,
        show_features: bool = False,
        show_targets: bool = False,
        show_tags: bool = False,
        show_frozen: bool = True,
        show_splits: bool = False,
    ) -> Diagram:
        """The graph as a Mermaid diagram: text, which notebooks draw."""
        shown = {"features": show_features, "targets": show_targets, "tags": show_tags}
        domains = [domain for domain, show in shown.items() if show]
        return mermaid(self, domains, show_frozen=show_frozen, show_splits=show_splits)

    def _repr_markdown_(self) -> str:
        # What a notebook shows.
        return self.visualize()._repr_markdown_()

    def __repr__(self) -> str:
        return f"ModelGraph({self.label!r}, nodes: {', '.join(self.nodes)})"
