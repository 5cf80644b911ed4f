"""An applied loss computed by hand, from a context whose outputs are there."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.context import ExperimentContext
from engine.errors import LossError, UnknownLabelError
from engine.losses.bound import LossCall, combined_weights
from engine.losses.inputs import LossInput, resolve_input

if TYPE_CHECKING:
    import torch

    from engine.batches import Batch, BatchView, ExecutionContext
    from engine.losses.applied import AppliedLoss


def compute(applied: "AppliedLoss", ctx: "ExecutionContext") -> "torch.Tensor":
    """The weighted value. Training steps do the same with everything looked up beforehand."""
    references = [*applied.positional, *applied.named.values()]
    context = ExperimentContext.find_active()
    wanted = [resolve_input(one, ctx.outputs, context) for one in references]
    arguments = [_argument(one, applied.node_id, ctx) for one in wanted]
    call = LossCall(applied, [one.domain for one in wanted])
    weights = _weights(wanted, ctx)
    if not weights:
        return call(arguments)
    return call.weighted(arguments, combined_weights(weights, arguments[0]))


def _argument(wanted: LossInput, on: str, ctx: "ExecutionContext") -> Any:
    if wanted.feature_set is not None:
        view = _view(lambda _, reference: reference.node_label == wanted.feature_set, ctx)
        if view is None:
            raise LossError(f"No input of this step comes from {wanted.feature_set!r}.")
        return view.take(wanted.columns, _role(view.roles, wanted.role))
    label = on if wanted.node is None else wanted.node
    if label not in ctx.outputs:
        raise UnknownLabelError("output of node", label, ctx.outputs)
    batch = _features_of(label, ctx) if wanted.domain == "features" else ctx.outputs[label]
    role = _role(batch.available_roles, wanted.role)
    found = batch.role_data[role].get_domain_data(wanted.domain)
    if found is None:
        raise LossError(f"The output of {label!r} comes with no {wanted.domain}.")
    return found


def _features_of(label: str, ctx: "ExecutionContext") -> "Batch":
    view = _view(lambda node, _: node == label, ctx)
    if view is None:
        raise LossError(f"Node {label!r} takes in no feature set in this step.")
    return view.batch


def _view(fits: Any, ctx: "ExecutionContext") -> "BatchView | None":
    return next((view for key, view in ctx.inputs.items() if fits(*key)), None)


def _role(roles: list[str], wanted: str | None) -> str:
    if wanted is None:
        if len(roles) > 1:
            raise LossError(f"Say which role a loss takes: {', '.join(roles)}.")
        return roles[0]
    if wanted not in roles:
        raise UnknownLabelError("role", wanted, roles)
    return wanted


def _weights(wanted: Iterable[LossInput], ctx: "ExecutionContext") -> list[Any]:
    for view in ctx.inputs.values():
        weights = view.role_indice_weights
        if weights:
            used = dict.fromkeys(_role(view.roles, one.role) for one in wanted)
            return [weights[role] for role in used if role in weights]
    return []
