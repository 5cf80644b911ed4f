"""The values of batches, stored together a few at a time.

A step of a small model takes a fifth of a millisecond; a transaction for each would be felt.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.phases.reporting import happened_ns
from tracker.database.kinds import Axis
from tracker.recording.points import Point
from tracker.recording.values import as_number

# So long after a transaction comes the next: a step that takes longer has one of its own.
HOLD_S = 0.02
# Longer with a GPU, because reading a value there waits for everything before it.
HOLD_ON_GPU_S = 0.2
MOST_HELD = 256


class Held(NamedTuple):
    """The values of one batch: numbers, or tensors that are still on a GPU."""

    values: Mapping[str, Any]
    phase_result_id: int
    step: int
    epoch: int | None
    time: int  # milliseconds since 1970


class BatchValues:
    """Stores the values of batches, those of quick steps together.

    What comes sooner after a transaction than it may is held back until the next batch, or until
    somebody calls `flush`. `store` writes points, all or none.
    """

    def __init__(self, store: Callable[[Sequence[Point]], None]) -> None:
        self._store = store
        self._held: list[Held] = []
        self._on_gpu = False
        self._stored = float("-inf")

    def add(
        self, values: Mapping[str, Any], *, phase_result_id: int, step: int, epoch: int | None
    ) -> None:
        """Takes what one batch measured; InvalidError for what is not a number."""
        on_gpu = any(map(_is_on_gpu, values.values()))
        if not on_gpu:
            values = {name: as_number(name, value) for name, value in values.items()}
        self._on_gpu = self._on_gpu or on_gpu
        moment = happened_ns() // 1_000_000
        self._held.append(Held(values, phase_result_id, step, epoch, moment))
        waited = time.monotonic() - self._stored
        if len(self._held) >= MOST_HELD or waited >= (HOLD_ON_GPU_S if self._on_gpu else HOLD_S):
            self.flush()

    def flush(self) -> None:
        """Stores what is held, in one transaction, and from a GPU in one transfer."""
        if not self._held:
            return
        held, self._held = self._held, []
        on_gpu, self._on_gpu = self._on_gpu, False
        self._stored = time.monotonic()
        flat = [value for batch in held for value in batch.values.values()]
        numbers = iter(_read(flat) if on_gpu else flat)
        self._store(
            [
                Point(
                    (name, Axis.STEP, batch.phase_result_id),
                    batch.step,
                    batch.epoch,
                    next(numbers),
                    batch.time,
                )
                for batch in held
                for name in batch.values
            ]
        )


def _is_on_gpu(value: Any) -> bool:
    if type(value) is float:
        return False
    return getattr(getattr(value, "device", None), "type", "cpu") != "cpu"


def _read(values: Sequence[Any]) -> list[float]:
    """Tensors, and plain numbers among them, as numbers."""
    import torch  # noqa: PLC0415 - there are tensors, so it is there

    tensors = [torch.as_tensor(value) for value in values]
    # Plain numbers follow the tensors to where those are.
    place = max((tensor.device for tensor in tensors), key=lambda device: device.type != "cpu")
    kind = torch.float32 if place.type == "mps" else torch.float64  # all that Apple's have
    numbers: list[float] = torch.stack([one.detach().to(place, kind) for one in tensors]).tolist()
    return numbers
