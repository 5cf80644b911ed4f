"""A loss at its place: on a node, with its inputs, weight and label."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch

from engine.context import ExperimentNode, ExperimentNodeReference
from engine.errors import LossError
from engine.features.references import FeatureSetColumnReference, FeatureSetReference
from engine.losses.inputs import check_input
from engine.losses.loss import Loss
from engine.models.backend import Backend
from engine.saving import Savable, locate, location_of
from engine.summary import boxed

if TYPE_CHECKING:
    from engine.batches import ExecutionContext

_CONFIGURABLE = (ExperimentNodeReference, FeatureSetColumnReference, FeatureSetReference)


class AppliedLoss(Savable):
    """A loss of one node, computed from references given by position or by argument name.

    References are `"outputs"`, `"targets"` (of the node itself), `"node.outputs"`, one of several
    roles as `"outputs.anchor"`, a node, or columns of a feature set. The value is multiplied by
    `weight`.
    """

    saved_as = "applied_loss"

    def __init__(
        self,
        loss: Loss | Any,
        on: str | ExperimentNode,
        inputs: Sequence[Any] | Mapping[str, Any] = ("outputs", "targets"),
        *,
        weight: float = 1.0,
        label: str | None = None,
    ) -> None:
        if not isinstance(on, str | ExperimentNode):
            raise TypeError(f"A loss is applied on a node or a node's label, not on {on!r}.")
        if isinstance(inputs, str) or not isinstance(inputs, Sequence | Mapping):
            raise TypeError(
                f"A loss's inputs are a list or a mapping of references, not {inputs!r}."
            )
        self.loss = loss if isinstance(loss, Loss) else Loss(loss)
        self._on = on
        self.weight = float(weight)
        self.label = label or f"{self.node_id}.{self.loss.name}"
        self.positional: list[Any] = []
        self.named: dict[str, Any] = {}
        if isinstance(inputs, Mapping):
            self.named = {name: check_input(one) for name, one in inputs.items()}
            self._check_names()
        else:
            self.positional = [check_input(one) for one in inputs]
        if not inputs:
            raise LossError(f"The loss {self.label!r} has no inputs.")

    def _check_names(self) -> None:
        known = self.loss.allowed_keywords
        for name in self.named:
            if known and name not in known:
                raise LossError(
                    f"The loss {self.loss.name!r} has no argument {name!r}; "
                    f"it takes {', '.join(known)}."
                )

    @property
    def node_id(self) -> str:
        return self._on if isinstance(self._on, str) else self._on.label

    @property
    def inputs(self) -> dict[str, Any]:
        """The references by argument; those given by position are named by it."""
        return {str(place): one for place, one in enumerate(self.positional)} | self.named

    @property
    def backend(self) -> Backend:
        return self.loss.backend

    def compute(self, ctx: "ExecutionContext") -> torch.Tensor:
        """The weighted value for a step whose outputs are there already."""
        from engine.losses.computing import compute  # noqa: PLC0415 - it needs this class

        return compute(self, ctx)

    def get_config(self) -> dict[str, Any]:
        positional = [_describe(one) for one in self.positional]
        named = {name: _describe(one) for name, one in self.named.items()}
        return {
            "loss": self.loss.get_config(),
            "on": self.node_id,
            "inputs": named or positional,
            "weight": self.weight,
            "label": self.label,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Imports what the loss's configuration names."""
        inputs = config["inputs"]
        rebuilt = (
            {name: _rebuild(one) for name, one in inputs.items()}
            if isinstance(inputs, Mapping)
            else [_rebuild(one) for one in inputs]
        )
        return cls(**{**config, "loss": Loss.from_config(config["loss"]), "inputs": rebuilt})

    def get_state(self) -> dict[str, Any]:
        return self.loss.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.loss.set_state(state)

    def summary(self, max_width: int = 88) -> str:
        """What is compared with what, in a box of plain text."""
        arguments = ", ".join(
            f"{name}={one!r}" if name in self.named else repr(one)
            for name, one in self.inputs.items()
        )
        rows = {
            "loss": f"{self.loss.name}({arguments})",
            "node": self.node_id,
            "weight": f"{self.weight:g}",
        }
        return boxed(repr(self), rows, max_width)

    def __repr__(self) -> str:
        return f"AppliedLoss({self.label!r}, on={self.node_id!r})"


def _describe(reference: Any) -> Any:
    if isinstance(reference, str):
        return reference
    if isinstance(reference, ExperimentNode):
        return f"{reference.label}.outputs"
    return {"class": location_of(type(reference)), "config": reference.get_config()}


def _rebuild(described: Any) -> Any:
    if isinstance(described, str):
        return described
    found = locate(described["class"])
    if found not in (*_CONFIGURABLE, *ExperimentNodeReference.__subclasses__()):
        raise LossError(f"{described['class']} is not a reference.")
    return found.from_config(described["config"])
