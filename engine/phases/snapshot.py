"""A callback's large state, which checkpoints refer to rather than hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The weights of one epoch, and the value for which they were kept."""

    weights: Mapping[str, Any]
    epoch: int
    value: float

    def get_state(self) -> dict[str, Any]:
        return {"weights": dict(self.weights), "epoch": self.epoch, "value": self.value}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Snapshot":
        return cls(state["weights"], state["epoch"], state["value"])
