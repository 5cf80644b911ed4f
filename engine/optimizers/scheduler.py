"""Learning rate schedules: described first, made when there is an optimizer to change."""

from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Literal, Self

import torch

from engine.errors import CheckpointError, OptimizerError, UnknownMetricError
from engine.optimizers.names import by_name, check_arguments
from engine.saving import Savable, locate, location_of

Interval = Literal["epoch", "step"]
_PLATEAU = torch.optim.lr_scheduler.ReduceLROnPlateau


class Scheduler(Savable):
    """Changes an optimizer's learning rate after each epoch, or after each step.

    `scheduler` is a name or a class of `torch.optim.lr_scheduler`, or a function that makes one
    from the optimizer. `monitor` is the metric that ReduceLROnPlateau looks at.
    """

    saved_as = "scheduler"

    def __init__(
        self,
        scheduler: str | type | Callable[[torch.optim.Optimizer], Any],
        kwargs: Mapping[str, Any] | None = None,
        *,
        interval: Interval = "epoch",
        monitor: str | None = None,
    ) -> None:
        if interval not in ("epoch", "step"):
            raise OptimizerError(f"A scheduler's interval is 'epoch' or 'step', not {interval!r}.")
        self._make = _find_scheduler(scheduler)
        self.kwargs = dict(kwargs or {})
        self.interval = interval
        self.monitor = monitor
        self.instance: Any = None
        # The Optimizer whose rate it changes.
        self._owner: Any = None
        self._pending: Mapping[str, Any] | None = None
        check_arguments(self._make, self.kwargs, given=1)
        if self._make is _PLATEAU and (monitor is None or interval != "epoch"):
            raise OptimizerError(
                "ReduceLROnPlateau looks at a metric after each epoch; name it with "
                "monitor='val_loss'."
            )

    @property
    def name(self) -> str:
        return str(getattr(self._make, "__name__", self._make))

    @property
    def is_built(self) -> bool:
        return self.instance is not None

    def build(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the schedule for this optimizer, anew; if that fails, the optimizer is as before."""
        before = [dict(group) for group in optimizer.param_groups]
        try:
            self.instance = self._make(optimizer, **self.kwargs)
        except Exception as error:
            for group, known in zip(optimizer.param_groups, before, strict=True):
                group.clear()
                group.update(known)
            if not isinstance(self._make, type):
                raise
            raise OptimizerError(
                f"{self.name} cannot be made with {self.kwargs}: {error}"
            ) from error
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.set_state(pending)

    def check_free(self, owner: Any) -> None:
        """OptimizerError if it changes the rate of another optimizer than this."""
        if self._owner is not None and self._owner is not owner:
            raise OptimizerError(
                f"{self!r} belongs to another {self._owner!r} already; give {owner!r} a "
                "Scheduler of its own."
            )

    def belong_to(self, owner: Any) -> None:
        """Be this Optimizer's; None: nobody's, and free for the next."""
        self._owner = owner

    def end_step(self) -> None:
        """An optimizer step was done."""
        if self.interval == "step":
            self.instance.step()

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        """An epoch was trained, with these metrics."""
        if self.interval == "step":
            return
        if self.monitor is None:
            self.instance.step()
        elif self.monitor not in metrics:
            raise UnknownMetricError(self.monitor, metrics)
        else:
            self.instance.step(float(metrics[self.monitor]))

    def get_state(self) -> dict[str, Any]:
        """Where the schedule stands, in plain values."""
        if self.instance is None:
            return dict(self._pending or {})
        state: dict[str, Any] = _plain(self.instance.state_dict())
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_state` gave; before `build`, then."""
        if self.instance is None:
            self._pending = dict(state)
            return
        self.check_state(state)
        self.instance.load_state_dict(_restored(self.instance.state_dict(), state))

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Refuse a state that does not fit, before anything has changed."""
        if self.instance is not None and self.instance.state_dict().keys() != state.keys():
            raise CheckpointError(f"The schedule's state is not one of a {self.name}.")

    def get_config(self) -> dict[str, Any]:
        return {
            "scheduler": location_of(self._make),
            "kwargs": dict(self.kwargs),
            "interval": self.interval,
            "monitor": self.monitor,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Imports the class that the configuration names."""
        return cls(**{**config, "scheduler": locate(config["scheduler"])})

    def __repr__(self) -> str:
        return f"Scheduler({self.name})"


def checked_scheduler(scheduler: Any) -> Scheduler | None:
    """The scheduler itself, if it is one, or None."""
    if scheduler is None or isinstance(scheduler, Scheduler):
        return scheduler
    raise OptimizerError(
        f"A scheduler is given as Scheduler('StepLR', {{'step_size': 2}}) or the like, not as "
        f"{scheduler!r}."
    )


def _find_scheduler(scheduler: str | type | Callable[..., Any]) -> Callable[..., Any]:
    if isinstance(scheduler, str):
        base = torch.optim.lr_scheduler.LRScheduler
        found: Callable[..., Any] = by_name(torch.optim.lr_scheduler, scheduler, base)
        return found
    if not callable(scheduler):
        raise OptimizerError(f"{scheduler!r} is not a scheduler's name or class, nor a function.")
    return scheduler


def _plain(value: Any) -> Any:
    """Without Counter, which MultiStepLR counts its milestones with and no file can hold."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _restored(own: Any, saved: Any) -> Any:
    """A copy of the saved values, with a Counter wherever the schedule itself has one."""
    if isinstance(own, Counter):
        return Counter(saved)
    if isinstance(own, Mapping):
        return {key: _restored(own.get(key), inner) for key, inner in saved.items()}
    if isinstance(own, list) and len(own) == len(saved):
        return [_restored(mine, theirs) for mine, theirs in zip(own, saved, strict=True)]
    return deepcopy(saved)
