"""The losses of the running epoch, and what happens when one of them is no finite number."""

import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch

from engine.errors import NonFiniteLossError, PhaseError, did_you_mean
from engine.results.sums import exact_sum

if TYPE_CHECKING:
    from torch import Tensor

NonFinitePolicy = Literal["stop", "warn", "ignore"]
# Reading a value makes the host wait for the GPU, so many are read at once.
READ_EVERY = 50


def checked_policy(policy: str) -> NonFinitePolicy:
    """The policy, if it is one."""
    if policy not in get_args(NonFinitePolicy):
        hint = did_you_mean(policy, get_args(NonFinitePolicy))
        raise PhaseError(f"non_finite={policy!r} is no policy for losses.{hint}")
    return policy  # type: ignore[return-value]  # checked in the line above


class EpochLosses:
    """Each batch's loss and number of samples; read from a GPU only now and then."""

    def __init__(self, label: str, policy: NonFinitePolicy) -> None:
        self._label = label
        self._policy = policy
        self._warned = False
        self.begin(0)

    def begin(self, epoch: int) -> None:
        """Forget the epoch before."""
        self._epoch = epoch
        self.values: list[float] = []
        self._weights: list[int] = []
        self._unread: list[Tensor] = []

    def add(self, loss: "Tensor", n_samples: int) -> "float | Tensor":
        """Count one more batch; its loss as a number where that costs nothing."""
        self._weights.append(n_samples)
        if loss.is_cpu:
            value = loss.item()  # on the CPU there is nothing to wait for
            self.values.append(value)
            if value - value != 0.0:  # NaN and both infinities, in the cheapest way
                self._complain(len(self.values) - 1)
            return value
        self._unread.append(loss)
        if len(self._unread) >= READ_EVERY:
            self.read()
        return loss

    def read(self) -> None:
        """Fetch what is still on the device, in one transfer."""
        if not self._unread:
            return
        first = len(self.values)
        self.values += torch.stack(self._unread).double().tolist()
        self._unread = []
        for batch in range(first, len(self.values)):
            if not math.isfinite(self.values[batch]):
                self._complain(batch)
                break

    def mean(self) -> float:
        """The mean over the samples of the epoch; NaN where there were none."""
        self.read()
        samples = sum(self._weights)
        if not samples:
            return math.nan
        weighted = (value * n for value, n in zip(self.values, self._weights, strict=True) if n)
        return exact_sum(weighted) / samples

    def _complain(self, batch: int) -> None:
        if self._policy == "ignore":
            return
        message = (
            f"The loss of {self._label!r} became {self.values[batch]} in epoch {self._epoch}, "
            f"batch {batch}."
        )
        if self._policy == "stop":
            raise NonFiniteLossError(
                f"{message} Lower the learning rate or look at that batch; "
                "non_finite='warn' or 'ignore' trains on."
            )
        if not self._warned:
            self._warned = True
            warnings.warn(f"{message} Training goes on.", RuntimeWarning, stacklevel=3)

    def get_state(self) -> dict[str, Any]:
        self.read()
        return {
            "values": np.array(self.values, dtype=np.float64),
            "weights": np.array(self._weights, dtype=np.int64),
            "warned": self._warned,
        }

    def set_state(self, state: Mapping[str, Any], epoch: int) -> None:
        self.begin(epoch)
        self.values = state["values"].tolist()
        self._weights = state["weights"].tolist()
        self._warned = state["warned"]
