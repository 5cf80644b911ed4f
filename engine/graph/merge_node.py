"""Nodes that join several inputs into one."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import torch

from engine.context import ExperimentNode, ExperimentNodeReference
from engine.errors import GraphError, did_you_mean
from engine.features import DataFormat
from engine.graph.conversion import as_list, as_shape
from engine.graph.node import ComputeNode, Upstream
from engine.models.backend import Backend
from engine.models.base import Shape


class MergeStrategy(Enum):
    """How targets or tags of several inputs become one."""

    CONCAT = "concat"
    FIRST = "first"
    LAST = "last"
    MEAN = "mean"

    @classmethod
    def from_value(cls, value: "str | MergeStrategy") -> "MergeStrategy":
        if isinstance(value, cls):
            return value
        known = {one.value: one for one in cls}
        if value not in known:
            raise GraphError(
                f"There is no merge strategy {value!r}.{did_you_mean(str(value), known)}"
            )
        return known[str(value)]


class MergeNode(ComputeNode):
    """Joins its inputs. Targets and tags are joined too, each by a strategy of its own.

    Inputs that are the same samples of one feature set have their targets and tags once.
    """

    def __init__(
        self,
        label: str,
        upstream_refs: Iterable[Upstream],
        *,
        backend: Backend | str | None = None,
        node_id: str | None = None,
        register: bool = True,
    ) -> None:
        self._backend = Backend.TORCH if backend is None else Backend.from_value(backend)
        self._input_shapes: list[Shape] | None = None
        self._output_shape: Shape | None = None
        super().__init__(label, upstream_refs, node_id=node_id, register=register)
        if not self._upstream:
            raise GraphError(f"Node {label!r} has nothing to merge.")

    @property
    def backend(self) -> Backend:
        return self._backend

    @property
    def input_shapes(self) -> list[Shape] | None:
        return self._input_shapes

    @property
    def output_shape(self) -> Shape | None:
        return self._output_shape

    @property
    def is_built(self) -> bool:
        return self._output_shape is not None

    def _facts(self) -> dict[str, str]:
        return {**super()._facts(), "input": self.inputs_text}

    @property
    def inputs_text(self) -> str:
        """The shapes of the inputs' samples; `?` as long as they are not known."""
        return ", ".join(map(str, self._input_shapes)) if self._input_shapes else "?"

    def build(self, input_shapes: Sequence[Shape], output_shape: Shape | None = None) -> None:
        """Note the shapes of the inputs' samples and of the merged ones."""
        self._input_shapes = [tuple(shape) for shape in input_shapes]
        self._output_shape = output_shape

    def get_build(self) -> dict[str, Any]:
        """The shapes that it was built for, as plain values."""
        shapes = [as_list(shape) for shape in self._input_shapes or []]
        return {"inputs": shapes, "output": as_list(self._output_shape)}

    def set_build(self, built: Mapping[str, Any]) -> None:
        """Be built for the shapes that `get_build` gave."""
        self.build(built["inputs"], as_shape(built["output"]))

    @abstractmethod
    def apply_merge(
        self,
        values: list[Any],
        *,
        includes_batch_dim: bool = True,
        fmt: str | DataFormat | None = None,
        domain: str = "features",
    ) -> Any:
        """The values, tensors or arrays, joined to a tensor; or in `fmt`, numpy or torch."""

    def merge(self, values: list[Any]) -> Any:
        """The inputs' features joined."""
        return self.apply_merge(values)

    def compute(self, inputs: list[Any]) -> torch.Tensor:
        joined: torch.Tensor = self.apply_merge(as_tensors(inputs))
        return joined

    @abstractmethod
    def side_strategy(self, domain: str) -> int | MergeStrategy | ExperimentNodeReference:
        """How targets or tags are joined: along an axis, by a strategy, or as in one input."""

    def side_choice(self, domain: str, labels: Sequence[str]) -> int | None:
        """Which input's targets or tags are taken; None if they are joined."""
        strategy = self.side_strategy(domain)
        if isinstance(strategy, ExperimentNodeReference):
            return list(labels).index(strategy.node_label)
        if strategy is MergeStrategy.FIRST:
            return 0
        return len(labels) - 1 if strategy is MergeStrategy.LAST else None

    def merge_side(self, domain: str, values: list[Any]) -> Any:
        """The targets or tags of all inputs joined."""
        if self.side_strategy(domain) is MergeStrategy.MEAN:
            if any(
                isinstance(value, np.ndarray) and value.dtype.kind not in "biuf" for value in values
            ):
                raise GraphError(
                    f"Node {self.label!r} takes the mean of its inputs' {domain}, and they are "
                    "texts. Take those of one input ('first'), or 'concat'."
                )
            return torch.stack(as_tensors(values)).float().mean(dim=0)
        if any(isinstance(value, np.ndarray) for value in values):
            axis = concat_axis(self.side_strategy(domain), values[0].ndim)
            return np.concatenate([np.asarray(value) for value in values], axis=axis)
        return self.apply_merge(values, domain=domain)


def concat_axis(strategy: Any, dimensions: int) -> int:
    """The axis of a whole batch that a sample's axis means."""
    axis = strategy if isinstance(strategy, int) else -1
    return axis if axis < 0 else min(axis + 1, dimensions - 1)


def as_tensors(values: Sequence[Any]) -> list[torch.Tensor]:
    """Tensors of one floating type, or of whole numbers, on one device."""
    first = values[0]
    if type(first) is torch.Tensor and first.dtype is not torch.float64:
        kind, device = first.dtype, first.device
        # As nearly always: nothing is to be done then.
        if all(
            type(one) is torch.Tensor and one.dtype is kind and one.device == device
            for one in values
        ):
            return list(values)
    tensors = [torch.as_tensor(value) for value in values]
    tensors = [one.float() if one.dtype is torch.float64 else one for one in tensors]
    device = next((one.device for one in tensors if not one.is_cpu), torch.device("cpu"))
    kind = tensors[0].dtype
    for one in tensors[1:]:
        kind = torch.promote_types(kind, one.dtype)
    return [one.to(device=device, dtype=kind) for one in tensors]


def resolve_strategy(strategy: Any, node: MergeNode, domain: str) -> Any:
    """A strategy in the form that is kept, checked against the node's inputs."""
    if isinstance(strategy, bool) or not isinstance(
        strategy, int | str | MergeStrategy | ExperimentNode | ExperimentNodeReference
    ):
        raise GraphError(f"{strategy!r} says not how the {domain} of {node.label!r} are merged.")
    if isinstance(strategy, str | MergeStrategy):
        chosen = MergeStrategy.from_value(strategy)
        return -1 if chosen is MergeStrategy.CONCAT else chosen
    if isinstance(strategy, int):
        return strategy
    reference = strategy.reference() if isinstance(strategy, ExperimentNode) else strategy
    labels = [one.node_label for one in node.get_upstream_refs()]
    if reference.node_label not in labels:
        raise GraphError(
            f"The {domain} of {node.label!r} are to come from {reference.node_label!r}, which is "
            f"none of its inputs {', '.join(labels)}."
        )
    return reference
