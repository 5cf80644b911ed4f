"""A graph's losses, each with the places its arguments come from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from engine.context import ExperimentContext
from engine.errors import LossError, UnknownLabelError
from engine.features.schema import TARGETS
from engine.graph.flow import Flow
from engine.graph.plan import Plan
from engine.losses.bound import LossCall, combined_weights
from engine.losses.inputs import LossInput, resolve_input

if TYPE_CHECKING:
    from engine.losses import AppliedLoss


class BoundLoss:
    """One applied loss of a plan, computed from a step's flow."""

    __slots__ = (
        "_arguments",
        "_call",
        "_names_roles",
        "_roles",
        "_weighted_by",
        "applied",
        "label",
        "needs",
        "node_id",
    )

    def __init__(
        self, applied: "AppliedLoss", plan: Plan, context: ExperimentContext | None
    ) -> None:
        if applied.node_id not in plan.nodes:
            raise UnknownLabelError(
                f"node of the loss {applied.label!r} among the executed ones, called",
                applied.node_id,
                plan.nodes,
            )
        self.applied = applied
        self.label = applied.label
        self.node_id = applied.node_id
        wanted = [
            resolve_input(one, plan.nodes, context)
            for one in [*applied.positional, *applied.named.values()]
        ]
        self.needs = _needed(wanted, applied.node_id)
        self._arguments = [plan.loss_source(one, applied.node_id) for one in wanted]
        self._roles = [one.role for one in wanted]
        self._names_roles = any(role is not None for role in self._roles)
        hint = _joined_targets(wanted, applied.node_id, plan)
        self._call = LossCall(applied, [one.domain for one in wanted], plan.device, hint=hint)
        self._weighted_by = plan.first_input(applied.node_id)

    def __call__(self, flow: Flow) -> torch.Tensor:
        """The weighted value, one number."""
        role = flow.role
        if role is None or self._names_roles:
            arguments = self._by_role(flow)
        else:
            arguments = [source(flow, role) for source in self._arguments]
        if self._weighted_by is not None:
            weights = flow.inputs[self._weighted_by].role_indice_weights
            if weights:
                return self._with_weights(arguments, weights, flow)
        return self._call(arguments)

    def _by_role(self, flow: Flow) -> list[Any]:
        arguments = []
        for source, named in zip(self._arguments, self._roles, strict=True):
            role = flow.role if named is None else named
            if role is None:
                raise LossError(
                    f"The loss {self.label!r} must say which role it takes, as 'outputs."
                    f"{flow.roles[0]}'; the roles are {', '.join(flow.roles)}."
                )
            if role not in flow.rows:
                raise UnknownLabelError(f"role of the loss {self.label!r} called", role, flow.roles)
            arguments.append(source(flow, role))
        return arguments

    def _with_weights(self, arguments: list[Any], weights: Any, flow: Flow) -> torch.Tensor:
        used = dict.fromkeys(role or flow.roles[0] for role in self._roles)
        present = [weights[role] for role in used if role in weights]
        if not present:
            return self._call(arguments)
        like = next(one for one in arguments if isinstance(one, torch.Tensor))
        return self._call.weighted(arguments, combined_weights(present, like))


def bind_losses(
    losses: "Sequence[AppliedLoss]", plan: Plan, context: ExperimentContext | None
) -> list[BoundLoss]:
    """Each loss with its inputs found; raises where one cannot be."""
    return [BoundLoss(one, plan, context) for one in losses]


def _needed(wanted: Sequence[LossInput], on: str) -> list[str]:
    """The nodes whose outputs the loss is computed from."""
    return list(dict.fromkeys([on, *(one.node for one in wanted if one.node is not None)]))


def _joined_targets(wanted: Sequence[LossInput], on: str, plan: Plan) -> str:
    """What to do where several inputs' targets, joined on the way, are too many."""
    for one in wanted:
        label = on if one.node is None else one.node
        if one.domain == TARGETS and one.feature_set is None and label in plan.nodes:
            joining = plan.joining(label, TARGETS)
            if joining is not None:
                return (
                    f" Node {joining!r} joins the targets of its inputs; with "
                    "concat_axis_targets='first' a ConcatNode takes those of one."
                )
    return ""
