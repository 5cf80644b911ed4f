"""An applied loss as training calls it: its inputs are found, it checks, it reduces."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from engine.errors import LossError
from engine.losses.applied import AppliedLoss
from engine.losses.shapes import align, as_tensor

_UNKNOWN: Any = object()


class LossCall:
    """Computes one applied loss from its arguments, in the order it was given."""

    __slots__ = (
        "_aligned",
        "_cast",
        "_classes",
        "_device",
        "_fixed",
        "_function",
        "_hint",
        "_known",
        "_names",
        "_strict",
        "_wraps",
        "applied",
        "label",
        "node_id",
        "weight",
    )

    def __init__(
        self,
        applied: AppliedLoss,
        domains: Sequence[str],
        device: torch.device | None = None,
        *,
        hint: str = "",
    ) -> None:
        """`domains` says of each argument what it is: outputs, targets, features or tags.

        What the loss itself holds, such as the weights of classes, is moved to `device`. `hint`
        says what else there is to know where the shapes do not fit.
        """
        loss = applied.loss
        self.applied = applied
        self.label = applied.label
        self.node_id = applied.node_id
        self.weight = applied.weight
        self._device = device
        self._hint = hint
        self._function = self._moved(loss.function)
        self._fixed = {} if loss.fn is None else loss.kwargs
        self._names = list(applied.named)
        self._classes = loss.takes_classes
        self._wraps = loss.is_torch_loss
        self._cast = loss.is_torch_loss
        self._strict = loss.match_shapes
        self._aligned = _compared(domains)
        self._known: dict[Any, torch.Size | None] = {}

    def _moved(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if self._device is not None and isinstance(function, torch.nn.Module):
            function.to(self._device)
        return function

    def __call__(self, arguments: list[Any]) -> torch.Tensor:
        """The weighted value, one number."""
        value = self._call(self._function, arguments)
        if value.ndim:
            value = value.sum() if self.applied.loss.reduction == "sum" else value.mean()
        return value if self.weight == 1.0 else value * self.weight

    def weighted(self, arguments: list[Any], weights: torch.Tensor) -> torch.Tensor:
        """The same with a weight for each sample: a weighted mean, or a weighted sum."""
        value = self._call(self._moved(self.applied.loss.per_element), arguments)
        if value.dim() == 0 or len(value) != len(weights):
            raise LossError(
                f"The loss {self.label!r} gives {tuple(value.shape)} for {len(weights)} weighted "
                "samples; it must give one value, or row of values, for each."
            )
        rows = value.reshape(len(value), -1).mean(dim=1)
        total = (rows * weights).sum()
        if self.applied.loss.reduction != "sum":
            total = total / weights.sum()
        return total if self.weight == 1.0 else total * self.weight

    def _call(self, function: Callable[..., Any], tensors: list[Any]) -> torch.Tensor:
        for place, values in enumerate(tensors):
            if type(values) is not torch.Tensor:
                tensors[place] = as_tensor(values, tensors[0])
        if self._aligned is not None:
            self._align(tensors, *self._aligned)
        try:
            if self._names:
                named = dict(zip(self._names, tensors, strict=True))
                value = function(**named, **self._fixed)
            else:
                value = function(*tensors, **self._fixed)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            # What a function of the user's own raises reaches the user as it is.
            if self._wraps:
                raise self._failure(tensors, error) from error
            raise
        return value if type(value) is torch.Tensor else self._as_value(value)

    def _align(self, tensors: list[torch.Tensor], outputs: int, others: Sequence[int]) -> None:
        reference = tensors[outputs]
        for place in others:
            other = tensors[place]
            # Batches of one size differ in nothing that counts here, so what was found out about
            # the first of them holds for all.
            key = (place, reference.shape, other.shape, other.dtype)
            shape = self._known.get(key, _UNKNOWN)
            if shape is None:
                continue
            if shape is not _UNKNOWN:
                tensors[place] = other.reshape(shape)
                continue
            aligned = self._aligned_to(reference, other)
            tensors[place] = aligned
            if aligned.dtype is other.dtype:
                self._known[key] = None if aligned is other else aligned.shape

    def _aligned_to(self, outputs: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        try:
            return align(
                outputs, other, classes=self._classes, cast=self._cast, strict=self._strict
            )
        except LossError as error:
            raise LossError(f"The loss {self.label!r}: {error}{self._hint}") from error

    def _as_value(self, value: Any) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value
        if isinstance(value, int | float):
            return torch.tensor(float(value))
        raise LossError(f"The loss {self.label!r} gives {value!r}, which is not a tensor.")

    def _failure(self, tensors: Sequence[torch.Tensor], error: Exception) -> LossError:
        shown = ", ".join(
            f"{tuple(one.shape)} {str(one.dtype).removeprefix('torch.')}" for one in tensors
        )
        return LossError(f"The loss {self.label!r} fails for inputs of {shown}: {error}")


def _compared(domains: Sequence[str]) -> tuple[int, list[int]] | None:
    """Which argument the others must match: the targets match the outputs.

    Of two outputs, as in a reconstruction, the second matches the first. Losses of three and more
    arguments, as of triplets, know themselves what fits beyond that.
    """
    if "outputs" in domains and "targets" in domains:
        targets = [place for place, domain in enumerate(domains) if domain == "targets"]
        return domains.index("outputs"), targets
    if len(domains) == 2 and "tags" not in domains:
        outputs = domains.index("outputs") if "outputs" in domains else 0
        return outputs, [1 - outputs]
    return None


def combined_weights(weights: Sequence[Any], like: torch.Tensor) -> torch.Tensor:
    """One weight per sample: the product over the roles."""
    product = as_tensor(weights[0], like)
    for other in weights[1:]:
        product = product * as_tensor(other, like)
    return product


def used_weights(all_weights: Mapping[str, Any] | None, roles: Sequence[str]) -> list[Any]:
    """The weights of these roles, where there are any."""
    if not all_weights:
        return []
    return [all_weights[role] for role in dict.fromkeys(roles) if role in all_weights]
