"""How a loss moves parameters: in which precision, over how many batches, clipped to what."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from engine.errors import GraphError

if TYPE_CHECKING:
    from engine.optimizers import Optimizer

Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class DescentSettings:
    """What is wanted of a descent; the defaults are one step a batch, as the gradients are.

    `accumulate` batches make one step, with the mean of their gradients; so do those that are left
    at an epoch's end. `clip_norm` bounds the norm of all gradients of an optimizer together,
    `clip_value` each of them. Below `float32`, torch's autocast chooses what is computed in the
    lower precision; parameters and gradients stay as they are.
    """

    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if (
            isinstance(self.accumulate, bool)
            or self.accumulate != int(self.accumulate)
            or (self.accumulate < 1)
        ):
            raise GraphError(
                f"accumulate is a number of batches of at least 1, not {self.accumulate!r}."
            )
        for name in ("clip_norm", "clip_value"):
            bound = getattr(self, name)
            if bound is not None and not 0 < bound < float("inf"):
                raise GraphError(f"{name} is a bound greater than 0, not {bound!r}.")
        if self.precision not in PRECISIONS:
            raise GraphError(
                f"There is no precision {self.precision!r}; there are {', '.join(PRECISIONS)}."
            )

    @property
    def is_plain(self) -> bool:
        return self == DescentSettings()


class Descent:
    """Turns losses into steps of optimizers, one batch after another."""

    def __init__(self, settings: DescentSettings, device: torch.device) -> None:
        self.settings = settings
        self._device = device
        # Small gradients would vanish in float16.
        self._scaler = (
            torch.amp.GradScaler(device.type) if settings.precision == "float16" else None
        )
        self._begins = self._ends = True
        self._share = 1.0

    def at(self, batch: int, n_batches: int) -> None:
        """The next losses are those of this batch of the epoch."""
        place = batch % self.settings.accumulate
        size = min(self.settings.accumulate, n_batches - (batch - place))
        self._begins, self._ends, self._share = place == 0, place == size - 1, 1 / size

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Inside, outputs and losses are computed in the precision that is wanted."""
        dtype = PRECISIONS[self.settings.precision]
        lower = dtype is not torch.float32
        with torch.autocast(self._device.type, dtype=dtype if lower else None, enabled=lower):
            yield

    def descend(self, optimizer: "Optimizer", loss: torch.Tensor) -> None:
        """Add the loss's gradients, and let the optimizer step where enough are gathered."""
        if self._begins:
            optimizer.zero_grad()
        scaled = loss * self._share
        if self._scaler is not None:
            scaled = self._scaler.scale(scaled)
        scaled.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if self._ends:
            self._step(optimizer)

    def _step(self, optimizer: "Optimizer") -> None:
        if self._scaler is not None:
            self._scaler.unscale_(optimizer.built)
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(optimizer.parameters, self.settings.clip_norm)
        if self.settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(optimizer.parameters, self.settings.clip_value)
        optimizer.step(self._scaler)

    def get_state(self, optimizers: "Sequence[Optimizer]") -> dict[str, Any]:
        """The gradients gathered so far, and the scale."""
        return {
            "gradients": None
            if self._ends
            else [[_copied(one.grad) for one in each.parameters] for each in optimizers],
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
        }

    def set_state(self, state: Mapping[str, Any], optimizers: "Sequence[Optimizer]") -> None:
        """Go on from what `get_state` gave."""
        if self._scaler is not None and state["scaler"] is not None:
            self._scaler.load_state_dict(state["scaler"])
        if state["gradients"] is None:
            return
        self._ends = False
        for each, gradients in zip(optimizers, state["gradients"], strict=True):
            for parameter, gradient in zip(each.parameters, gradients, strict=True):
                parameter.grad = None if gradient is None else gradient.to(parameter.device)


def _copied(gradient: torch.Tensor | None) -> torch.Tensor | None:
    return None if gradient is None else gradient.detach().clone()
