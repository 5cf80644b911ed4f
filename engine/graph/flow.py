"""The values of one step on their way through the graph, and the batches read from them."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from engine.batches import Batch, BatchView, RoleData, SampleData
from engine.errors import GraphError
from engine.features.samples import OUTPUTS
from engine.features.schema import FEATURES, SAMPLE_UUIDS, TAGS, TARGETS

if TYPE_CHECKING:
    from engine.batches import ExecutionContext
    from engine.graph.plan import Plan

Source = Callable[["Flow", str], Any]


class Flow:
    """One step's inputs, and each node's output by role and slot."""

    __slots__ = ("given", "inputs", "role", "row", "rows")

    def __init__(self, inputs: Sequence[Any], given: Any, slots: int) -> None:
        self.inputs = inputs
        # What the context holds of nodes that are not part of the plan.
        self.given = given
        roles = inputs[0].roles if inputs else next(iter(given.values())).available_roles
        # The only role, as nearly always; None if there are several.
        self.role: str | None = roles[0] if len(roles) == 1 else None
        self.row: list[Any] = [None] * slots
        self.rows: dict[str, list[Any]] = {roles[0]: self.row}
        for role in roles[1:]:
            self.rows[role] = [None] * slots
        if len(inputs) > 1:
            self._check_roles(roles)

    def _check_roles(self, roles: list[str]) -> None:
        for view in self.inputs[1:]:
            if view.roles != roles:
                raise GraphError(
                    f"Inputs with the roles {roles} and {view.roles} cannot flow together."
                )

    @property
    def roles(self) -> list[str]:
        return list(self.rows)

    def detach(self) -> None:
        """Let go of the graph that gradients flowed along."""
        for row in self.rows.values():
            for slot, value in enumerate(row):
                if isinstance(value, torch.Tensor) and value.requires_grad:
                    row[slot] = value.detach()


class GivenBatch:
    """A batch that the caller made, read like a batch view."""

    __slots__ = ("batch", "role_indice_weights", "roles")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.roles = batch.available_roles
        self.role_indice_weights = None

    def take(self, columns: Sequence[str], role: str) -> Any:
        """The whole domain that the columns belong to."""
        domain = columns[0].partition(".")[0]
        return self.batch.role_data[role].get_domain_data(domain)


def as_input(value: Any, node: Any) -> Any:
    """A batch view of its store, or what can be read like one."""
    if isinstance(value, BatchView):
        if value.store is not None:
            return value
        form = node.data_form
        return GivenBatch(value.materialize_batch(form, node=node))
    if isinstance(value, Batch):
        return GivenBatch(value)
    if isinstance(value, RoleData):
        return GivenBatch(Batch(value.n_samples, value))
    if isinstance(value, SampleData):
        return GivenBatch(Batch(value.n_samples, {"default": value}))
    return GivenBatch(Batch(len(value), {"default": SampleData(features=value)}))


class StepOutputs(MutableMapping[str, Batch]):
    """The outputs of a step by node; a Batch is made when it is read."""

    __slots__ = ("_batches", "_flow", "_plan")

    def __init__(self, plan: "Plan", flow: Flow) -> None:
        self._plan = plan
        self._flow = flow
        self._batches: dict[str, Batch] = {}

    def __getitem__(self, label: str) -> Batch:
        batch = self._batches.get(label)
        if batch is None:
            if label not in self._plan.slots:
                given: Batch = self._flow.given[label]
                return given
            batch = self._batches[label] = self._make(label)
        return batch

    def _make(self, label: str) -> Batch:
        plan, flow = self._plan, self._flow
        roles = {
            role: SampleData(
                features=flow.rows[role][plan.slots[label]],
                kind="output",
                source=OutputSource(plan, flow, label, role),
            )
            for role in flow.roles
        }
        first = plan.first_input(label)
        if first is None:
            return Batch(next(iter(flow.given.values())).batch_size, RoleData(roles))
        source: Batch = flow.inputs[first].batch
        return source.with_roles(roles)

    def __iter__(self) -> Iterator[str]:
        yield from (label for label in self._flow.given if label not in self._plan.slots)
        yield from self._plan.slots
        yield from (label for label in self._batches if label not in self._plan.slots)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, label: object) -> bool:
        return label in self._plan.slots or label in self._batches or label in self._flow.given

    def __setitem__(self, label: str, batch: Batch) -> None:
        self._batches[label] = batch

    def __delitem__(self, label: str) -> None:
        del self._batches[label]

    def __repr__(self) -> str:
        return f"StepOutputs({', '.join(self)})"


class OutputSource:
    """Where an output's targets, tags and ids come from: the inputs that led to it."""

    __slots__ = ("_flow", "_label", "_plan", "_role")

    def __init__(self, plan: "Plan", flow: Flow, label: str, role: str) -> None:
        self._plan = plan
        self._flow = flow
        self._label = label
        self._role = role

    @property
    def n_samples(self) -> int:
        return len(self._flow.rows[self._role][self._plan.slots[self._label]])

    def get_domain_data(self, domain: str) -> Any:
        if domain in (FEATURES, OUTPUTS):
            return self._flow.rows[self._role][self._plan.slots[self._label]]
        if domain in (TARGETS, TAGS):
            source = self._plan.side(self._label, domain)
            return None if source is None else source(self._flow, self._role)
        return self._uuids() if domain == SAMPLE_UUIDS else None

    def _uuids(self) -> Any:
        first = self._plan.first_input(self._label)
        if first is None:
            return next(iter(self._flow.given.values())).role_data[self._role].sample_uuids
        return self._flow.inputs[first].batch.role_data[self._role].sample_uuids


def given_outputs(ctx: "ExecutionContext") -> Any:
    """What earlier steps left in the context."""
    return ctx.outputs
