"""Who hears what a run does while it does it: trackers, progress lines, plots.

A reporter observes. It may ask the experiment to stop (`experiment.request_stop()`) and have it
write a checkpoint (`experiment.write_checkpoint(path)`); both are exact at every event of this
class.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

PhaseKind = Literal["train", "eval", "fit", "group", "fold"]
RunStatus = Literal["completed", "failed", "stopped"]
Path = tuple[int, ...]


class Reporter:
    """Hears the events of a run. Override what is wanted; the rest costs nothing.

    `path` is the phase's place in the plan, one position a level. `step` counts the optimizer steps
    done since the experiment began, over all phases and resumes, and never starts again.
    """

    # Whether `metrics` is to be told each batch's loss too, and not the epochs' values alone.
    wants_batch_metrics: bool = False

    def run_started(self, experiment: Any, *, resumed: bool) -> None:
        """A run begins, or goes on from a checkpoint."""

    def run_ended(self, experiment: Any, *, status: RunStatus, error: BaseException | None) -> None:
        """The run is over; `error` is what it failed with, or what interrupted it."""

    def phase_started(self, phase: Any, *, path: Path, kind: PhaseKind, resumed: bool) -> None:
        """A phase or a group begins, or goes on in its middle."""

    def phase_ended(self, phase: Any, *, path: Path, status: RunStatus, results: Any) -> None:
        """A phase or a group is over; `results` holds what it had when it ended."""

    def phase_done(self, phase: Any, *, path: Path) -> None:
        """A phase or a group that ended by itself has been left, the experiment's callbacks called.

        A checkpoint written here goes on with what comes after it.
        """

    def metrics(
        self,
        values: "dict[str, float | Tensor]",
        *,
        path: Path,
        epoch: int | None,
        batch: int | None,
        step: int,
    ) -> None:
        """New values: of one batch, or with `batch` None of a whole epoch.

        A batch's loss comes as a number on the CPU and as a 0-d tensor from a GPU, where reading it
        would make every step wait for the device.
        """

    def batch_ended(self, *, path: Path, epoch: int, batch: int, step: int) -> None:
        """A batch is done; a checkpoint written here goes on at the next one."""

    def epoch_ended(self, *, path: Path, epoch: int, step: int) -> None:
        """An epoch is done, its callbacks and schedulers too; a checkpoint goes on at the next."""


_happened: ContextVar[int | None] = ContextVar("happened", default=None)


def happened_ns() -> int:
    """When that happened which a Reporter is told of, in nanoseconds since 1970.

    Now, but for what comes from another process, which may be told of late.
    """
    moment = _happened.get()
    return time.time_ns() if moment is None else moment


@contextmanager
def happening_at(moment_ns: int) -> Iterator[None]:
    """Within the block, reporters are told of what happened then."""
    token = _happened.set(moment_ns)
    try:
        yield
    finally:
        _happened.reset(token)


def overriding(listeners: Iterable[Any], method: str, base: type) -> tuple[Callable[..., Any], ...]:
    """The bound `method` of those listeners that do not leave it as `base` has it."""
    bound = (getattr(listener, method) for listener in listeners)
    original = getattr(base, method)
    return tuple(hook for hook in bound if getattr(hook, "__func__", hook) is not original)
