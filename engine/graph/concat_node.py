"""Joining inputs side by side, padded to fit if asked to."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Self

import torch

from engine.context import ExperimentNode, ExperimentNodeReference
from engine.errors import GraphError, did_you_mean
from engine.features import DataFormat
from engine.graph.conversion import in_format
from engine.graph.merge_node import MergeNode, MergeStrategy, as_tensors, resolve_strategy
from engine.graph.node import Upstream, describe_reference, rebuild_reference

SideStrategy = int | str | MergeStrategy | ExperimentNode | ExperimentNodeReference


class PadMode(Enum):
    """What fills the room beside a shorter input."""

    CONSTANT = "constant"
    REFLECT = "reflect"
    REPLICATE = "replicate"
    CIRCULAR = "circular"

    @classmethod
    def from_value(cls, value: "str | PadMode") -> "PadMode":
        if isinstance(value, cls):
            return value
        known = {one.value: one for one in cls}
        if value not in known:
            raise GraphError(f"There is no pad mode {value!r}.{did_you_mean(str(value), known)}")
        return known[str(value)]


class ConcatNode(MergeNode):
    """Concatenates its inputs along an axis of the sample: 0 is the first behind the batch's.

    The other axes must have equal lengths, unless `pad_inputs` fills the shorter ones at their end.
    Targets and tags are concatenated too, along an axis of their own; or `"first"`, `"last"`,
    `"mean"`, or one input's are taken. Inputs that are the same samples have them once.
    """

    def __init__(  # noqa: PLR0913 - the documented settings
        self,
        label: str,
        upstream_refs: Iterable[Upstream],
        concat_axis: int = 0,
        *,
        concat_axis_targets: SideStrategy = -1,
        concat_axis_tags: SideStrategy = -1,
        pad_inputs: bool = False,
        pad_mode: str | PadMode = PadMode.CONSTANT,
        pad_value: float = 0.0,
        node_id: str | None = None,
        register: bool = True,
    ) -> None:
        if concat_axis < -1:
            raise GraphError(f"concat_axis is an axis of the sample, or -1, not {concat_axis!r}.")
        self.concat_axis = concat_axis
        self.pad_inputs = pad_inputs
        self.pad_mode = PadMode.from_value(pad_mode)
        self.pad_value = pad_value
        super().__init__(label, upstream_refs, node_id=node_id, register=register)
        self.target_strategy = resolve_strategy(concat_axis_targets, self, "targets")
        self.tags_strategy = resolve_strategy(concat_axis_tags, self, "tags")

    def side_strategy(self, domain: str) -> Any:
        return self.tags_strategy if domain == "tags" else self.target_strategy

    @property
    def target_axis(self) -> int:
        return self._axis("targets")

    @property
    def tags_axis(self) -> int:
        return self._axis("tags")

    def _axis(self, domain: str) -> int:
        strategy = self.side_strategy(domain)
        if not isinstance(strategy, int):
            raise TypeError(f"The {domain} of {self.label!r} are not concatenated along an axis.")
        return strategy

    def apply_merge(
        self,
        values: list[Any],
        *,
        includes_batch_dim: bool = True,
        fmt: str | DataFormat | None = None,
        domain: str = "features",
    ) -> Any:
        """The values, tensors or arrays, along the axis of their domain: a tensor, or in `fmt`."""
        if not all(isinstance(value, torch.Tensor) for value in values):
            values = as_tensors(values)
        joined = self._joined(values, domain, includes_batch_dim=includes_batch_dim)
        return joined if fmt is None else in_format(joined, fmt)

    def _joined(
        self, values: list[torch.Tensor], domain: str, *, includes_batch_dim: bool
    ) -> torch.Tensor:
        axis = self.concat_axis if domain == "features" else self._axis(domain)
        dimensions = values[0].dim()
        along = axis + int(includes_batch_dim) if axis >= 0 else dimensions - 1
        if any(value.dim() != dimensions for value in values) or along >= dimensions:
            raise GraphError(
                self._misfit(values, f"have not the axis to be concatenated along ({axis})", domain)
            )
        if includes_batch_dim:
            self._check_lengths(values)
        if self.pad_inputs:
            values = self._padded(values, along, first=int(includes_batch_dim))
        shapes = {(*value.shape[:along], *value.shape[along + 1 :]) for value in values}
        if len(shapes) > 1:
            raise GraphError(
                self._misfit(
                    values, f"differ in more than the axis concatenated along ({axis})", domain
                )
            )
        return torch.cat(values, dim=along)

    def _check_lengths(self, values: list[torch.Tensor]) -> None:
        if len({len(value) for value in values}) > 1:
            labels = [reference.node_label for reference in self.get_upstream_refs()]
            shown = ", ".join(
                f"{label} {len(value)}" for label, value in zip(labels, values, strict=False)
            )
            raise GraphError(
                f"Node {self.label!r}: the inputs differ in their number of samples ({shown}). "
                "What is joined comes from samplers with the same batch_size, over splits of "
                "the same length."
            )

    def _misfit(self, values: list[Any], problem: str, domain: str) -> str:
        labels = [reference.node_label for reference in self.get_upstream_refs()]
        shown = ", ".join(
            f"{label} {tuple(value.shape[1:])}"
            for label, value in zip(labels, values, strict=False)
        )
        what = "inputs" if domain == "features" else f"inputs' {domain}"
        return f"Node {self.label!r}: the {what} {shown} {problem}."

    def _padded(self, values: list[Any], along: int, *, first: int) -> list[Any]:
        axes = [axis for axis in range(first, values[0].dim()) if axis != along]
        for axis in axes:
            length = max(value.shape[axis] for value in values)
            values = [self._lengthened(value, axis, length) for value in values]
        return values

    def _lengthened(self, value: torch.Tensor, axis: int, length: int) -> torch.Tensor:
        has = value.shape[axis]
        if has == length:
            return value
        if self.pad_mode is PadMode.CONSTANT:
            shape = list(value.shape)
            shape[axis] = length - has
            return torch.cat([value, value.new_full(shape, self.pad_value)], dim=axis)
        positions = torch.arange(length, device=value.device)
        if self.pad_mode is PadMode.REPLICATE:
            positions = positions.clamp(max=has - 1)
        elif self.pad_mode is PadMode.CIRCULAR:
            positions = positions % has
        else:
            turn = max(2 * (has - 1), 1)
            positions = (has - 1) - ((positions % turn) - (has - 1)).abs()
        return value.index_select(axis, positions)

    def get_config(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "upstream_refs": [describe_reference(one) for one in self.get_upstream_refs()],
            "concat_axis": self.concat_axis,
            "concat_axis_targets": _describe(self.target_strategy),
            "concat_axis_tags": _describe(self.tags_strategy),
            "pad_inputs": self.pad_inputs,
            "pad_mode": self.pad_mode.value,
            "pad_value": self.pad_value,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], *, register: bool = True) -> Self:
        arguments = dict(config)
        arguments["upstream_refs"] = [rebuild_reference(one) for one in config["upstream_refs"]]
        for name in ("concat_axis_targets", "concat_axis_tags"):
            if isinstance(arguments[name], dict):
                arguments[name] = rebuild_reference(arguments[name])
        return cls(**arguments, register=register)


def _describe(strategy: Any) -> Any:
    if isinstance(strategy, MergeStrategy):
        return strategy.value
    return strategy if isinstance(strategy, int) else describe_reference(strategy)
