"""What happens in one step: training, evaluating, fitting. Each is prepared once, then called."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.batches import ExecutionContext, LossCollection, LossRecord
from engine.errors import GraphError, LossError, OptimizerNotSetError
from engine.graph.bound_losses import BoundLoss, bind_losses
from engine.graph.building import evaluating
from engine.graph.conversion import to_numpy
from engine.graph.descent import Descent
from engine.graph.flow import Flow, StepOutputs
from engine.graph.model_node import ModelNode
from engine.graph.plan import MissingInputError, Plan
from engine.models.scikit_modes import fits_at_once, learns_by_batch

if TYPE_CHECKING:
    from engine.graph.model_graph import ModelGraph
    from engine.losses import AppliedLoss
    from engine.optimizers import Optimizer


class Step:
    """What all steps share: the plan, the losses, and the nodes whose inputs are there.

    Where samplers take turns, a step has the inputs of some head nodes only; then the nodes that
    these reach are computed, and the losses that need no others.
    """

    def __init__(
        self,
        graph: "ModelGraph",
        losses: "Sequence[AppliedLoss]" = (),
        active_nodes: Sequence[Any] | None = None,
    ) -> None:
        graph.build()
        self.graph = graph
        self._applied = list(losses)
        nodes = graph.executed(active_nodes)
        self._whole = self._prepare(Plan(nodes))
        self._partial: dict[frozenset[Any], Prepared] = {}

    def _prepare(self, plan: Plan) -> "Prepared":
        return Prepared(plan, bind_losses(self._applied, plan, self.graph.ctx))

    def _start(self, ctx: ExecutionContext) -> "tuple[Prepared, Flow]":
        try:
            return self._whole, self._whole.plan.start(ctx.inputs, ctx.outputs)
        except MissingInputError as error:
            there = frozenset(ctx.inputs)
            prepared = self._partial.get(there)
            if prepared is None:
                prepared = self._partial[there] = self._prepare_partial(there, error)
            return prepared, prepared.plan.start(ctx.inputs, ctx.outputs)

    def _prepare_partial(self, there: frozenset[Any], error: GraphError) -> "Prepared":
        plan = self._whole.plan
        missing = {label for label, reference in plan.keys if (label, reference) not in there}
        nodes = [
            node for label, node in plan.nodes.items() if missing.isdisjoint(plan.heads_of(label))
        ]
        if not nodes:
            raise error
        kept = Plan(nodes)
        losses = [
            one.applied
            for one in self._whole.losses
            if all(label in kept.nodes for label in one.needs)
        ]
        return Prepared(kept, bind_losses(losses, kept, self.graph.ctx))

    def check_turns(self, turns: "Sequence[frozenset[Any]]") -> None:
        """Refuse losses that no turn has all inputs for; `turns` holds the inputs of each."""
        plan = self._whole.plan
        for loss in self._whole.losses:
            needed = {plan.keys[place] for label in loss.needs for place in plan.inputs_of(label)}
            if not any(needed <= turn for turn in turns):
                heads = " and ".join(repr(label) for label, _ in sorted(needed, key=str))
                raise LossError(
                    f"The loss {loss.label!r} on {loss.node_id!r} needs input for {heads} in one "
                    "step, and they take turns. Use the batch_schedule 'zip_strict' or 'zip_cycle'."
                )


class Prepared:
    """A plan with the losses that are computed from it."""

    __slots__ = ("losses", "plan")

    def __init__(self, plan: Plan, losses: list[BoundLoss]) -> None:
        self.plan = plan
        self.losses = losses


class TrainStep(Step):
    """One training step; returns the loss that was trained by, detached.

    With an optimizer of the graph: one forward pass, the sum of the losses, one backward pass, one
    step. Without, each node learns from its own losses with its own optimizer, in topological
    order, from inputs that carry no gradient back. Frozen nodes are computed and not changed.
    """

    def __init__(
        self,
        graph: "ModelGraph",
        losses: "Sequence[AppliedLoss]",
        active_nodes: Sequence[Any] | None = None,
        *,
        descent: Descent | None = None,
    ) -> None:
        """Without a descent, each call is one step in full precision."""
        super().__init__(graph, losses, active_nodes)
        self._computing = nullcontext if descent is None else descent.computing
        self._descend = _descend if descent is None else descent.descend
        for node in self._whole.plan.nodes.values():
            if not node.is_built:
                raise GraphError(
                    f"Node {node.label!r} cannot be built before the estimators that feed it are "
                    "fitted; run a FitPhase first."
                )
        self._refresh()

    def _refresh(self) -> None:
        """Look again at what is frozen."""
        plan = self._whole.plan
        models = [node for node in plan.nodes.values() if isinstance(node, ModelNode)]
        self._seen = [(node, node.is_frozen) for node in models]
        learning = [node for node in models if not node.is_frozen]
        self._modules = [node.module for node in learning if node.is_torch and node.parameters]
        self._by_batch = {node.label for node in learning if learns_by_batch(node.model)}
        trained = [node for node in learning if node.is_torch and node.parameters]
        if not trained and not self._by_batch:
            raise OptimizerNotSetError(
                "There is nothing to train: "
                + _idle(models, module="has no parameters to train", estimator="needs a FitPhase")
            )
        self._optimizer = self.graph.optimizer
        self._stages: dict[str, Optimizer] = {}
        if self._optimizer is None:
            self._stages = self._find_stages(trained)
        else:
            self._check_reached(trained)

    def _check_reached(self, trained: list[ModelNode]) -> None:
        labels = {node.label for node in trained}
        reached = {
            label for one in self._whole.losses for label in self.graph.leading_to(one.needs)
        }
        if trained and labels.isdisjoint(reached):
            losses = [f"{one.label!r} on {one.node_id!r}" for one in self._whole.losses]
            raise LossError(
                f"None of the losses ({', '.join(losses)}) depends on a node that is trained "
                f"({', '.join(labels)}). Apply one on such a node or on one after it, or train "
                "another node."
            )

    def _find_stages(self, trained: list[ModelNode]) -> "dict[str, Optimizer]":
        stages: dict[str, Optimizer] = {}
        self._check_order()
        own = {one.node_id for one in self._whole.losses}
        for node in trained:
            if node.optimizer is None:
                raise OptimizerNotSetError(
                    f"Node {node.label!r} is to be trained and has no optimizer. Give one to the "
                    "node or to the graph, or freeze the node."
                )
            if node.label not in own:
                raise LossError(
                    f"Node {node.label!r} has no loss of its own to learn from. Without an "
                    "optimizer of the graph each node learns from its own losses: add one, freeze "
                    "the node, or give the graph an optimizer."
                )
            stages[node.label] = node.optimizer
        return stages

    def _check_order(self) -> None:
        slots = self._whole.plan.slots
        for loss in self._whole.losses:
            for label in loss.needs:
                if slots[label] > slots[loss.node_id]:
                    raise LossError(
                        f"The loss {loss.label!r} on {loss.node_id!r} needs the output of "
                        f"{label!r}, which is computed later. Apply it on that node, or give the "
                        "graph one optimizer."
                    )

    def __call__(self, ctx: ExecutionContext) -> torch.Tensor:
        for node, frozen in self._seen:
            if node.is_frozen is not frozen:
                self._refresh()
                break
        for module in self._modules:
            if not module.training:
                module.train()
        prepared, flow = self._start(ctx)
        if self._optimizer is None:
            total, records = self._train_stages(prepared, flow)
        else:
            total, records = self._train_whole(prepared, flow, self._optimizer)
        flow.detach()
        ctx.outputs = StepOutputs(prepared.plan, flow)  # type: ignore[assignment]  # reads like a dict
        ctx.losses = LossCollection(records)
        return total

    def _train_whole(
        self, prepared: Prepared, flow: Flow, optimizer: "Optimizer"
    ) -> tuple[torch.Tensor, list[LossRecord]]:
        with self._computing():
            if self._by_batch:
                self._run_learning(prepared.plan, flow)
            else:
                prepared.plan.run(flow)
            total, records = _evaluate(prepared.losses, flow)
        if total is None:
            if self._by_batch and not self._modules:
                return _looked_at(records), records
            raise LossError("No loss of this step depends on a node that is trained.")
        self._descend(optimizer, total)
        return total.detach(), records

    def _run_learning(self, plan: Plan, flow: Flow) -> None:
        for operation in plan.operations:
            if operation.node.label in self._by_batch:
                _learn(plan, operation.node, flow)
            operation(flow)

    def _train_stages(
        self, prepared: Prepared, flow: Flow
    ) -> tuple[torch.Tensor, list[LossRecord]]:
        records: list[LossRecord] = []
        totals: list[torch.Tensor] = []
        for operation in prepared.plan.operations:
            label = operation.node.label
            if label in self._by_batch:
                _learn(prepared.plan, operation.node, flow)
            own = [one for one in prepared.losses if one.node_id == label]
            with self._computing():
                operation(flow)
                total, found = _evaluate(own, flow)
            records += found
            if total is not None:
                self._descend(self._stages[label], total)
                totals.append(total.detach())
            flow.detach()
        if not totals:
            return _looked_at(records), records
        return (totals[0] if len(totals) == 1 else torch.stack(totals).sum()), records


class EvalStep(Step):
    """Outputs and losses with nothing left changed: no gradient, no statistics, no mode."""

    def __call__(self, ctx: ExecutionContext) -> None:
        prepared, flow = self._start(ctx)
        with torch.no_grad(), evaluating(self._models(prepared.plan)):
            prepared.plan.run(flow)
            _, records = _evaluate(prepared.losses, flow)
        ctx.outputs = StepOutputs(prepared.plan, flow)  # type: ignore[assignment]  # reads like a dict
        ctx.losses = LossCollection(records)

    @staticmethod
    def _models(plan: Plan) -> list[ModelNode]:
        return [node for node in plan.nodes.values() if isinstance(node, ModelNode)]


class FitStep(Step):
    """Fits estimators on everything at once, in topological order, and computes all outputs.

    Fitted nodes are frozen afterwards unless `freeze_after_fit` is off; frozen ones are not fitted.
    """

    def __init__(
        self,
        graph: "ModelGraph",
        losses: "Sequence[AppliedLoss] | None" = None,
        active_nodes: Sequence[Any] | None = None,
        *,
        freeze_after_fit: bool = True,
    ) -> None:
        super().__init__(graph, losses or (), active_nodes)
        self._freeze = freeze_after_fit
        models = EvalStep._models(self._whole.plan)  # noqa: SLF001 - of the same family
        self._fitted = [node for node in models if fits_at_once(node.model) and not node.is_frozen]
        if not self._fitted:
            raise GraphError(
                "There is nothing to fit: "
                + _idle(models, module="needs a TrainPhase", estimator="learns by partial_fit only")
            )

    def __call__(self, ctx: ExecutionContext) -> None:
        plan, losses = self._whole.plan, self._whole.losses
        flow = plan.start(ctx.inputs, ctx.outputs)
        fitted = {node.label for node in self._fitted}
        with torch.no_grad(), evaluating(EvalStep._models(plan)):  # noqa: SLF001 - as above
            for operation in plan.operations:
                if operation.node.label in fitted:
                    _fit(plan, operation.node, flow)
                    self.graph.build()
                operation(flow)
            _, records = _evaluate(losses, flow)
        if self._freeze:
            for node in self._fitted:
                node.freeze()
        ctx.outputs = StepOutputs(plan, flow)  # type: ignore[assignment]  # reads like a dict
        ctx.losses = LossCollection(records)


def _idle(models: Sequence[ModelNode], *, module: str, estimator: str) -> str:
    """Why none of these nodes learns anything, node by node."""
    reasons = []
    for node in models:
        reason = module if node.is_torch else estimator
        reasons.append(f"{node.label!r} {'is frozen' if node.is_frozen else reason}")
    return f"{', '.join(reasons) or 'no node that is computed holds a model'}."


def _descend(optimizer: "Optimizer", loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimizer.step()


def _evaluate(losses: list[BoundLoss], flow: Flow) -> tuple[torch.Tensor | None, list[LossRecord]]:
    """The sum of the losses that can be trained by, and a record of each."""
    total: torch.Tensor | None = None
    records: list[LossRecord] = []
    for loss in losses:
        value = loss(flow)
        if value.requires_grad:
            total = value if total is None else total + value
            records.append(LossRecord(loss.label, loss.node_id, trainable=value.detach()))
        else:
            records.append(LossRecord(loss.label, loss.node_id, auxiliary=value))
    return total, records


def _looked_at(records: list[LossRecord]) -> torch.Tensor:
    values = [record.auxiliary for record in records]
    return torch.stack(values).sum() if values else torch.zeros(())


def _learn(plan: Plan, node: Any, flow: Flow) -> None:
    _give(plan, node, flow, node.model.partial_fit)


def _fit(plan: Plan, node: Any, flow: Flow) -> None:
    _give(plan, node, flow, node.model.fit)


def _give(plan: Plan, node: Any, flow: Flow, learn: Any) -> None:
    """The features and targets of all roles, as arrays, to an estimator."""
    source = plan.operations[plan.slots[node.label]].sources[0]
    targets = plan.side(node.label, "targets")
    x = np.concatenate([to_numpy(source(flow, role)) for role in flow.roles])
    if targets is None:
        learn(x)
    else:
        learn(x, np.concatenate([to_numpy(targets(flow, role)) for role in flow.roles]))
