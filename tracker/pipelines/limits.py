"""What ends a training from inside: an orderly stop with a checkpoint, while there is time."""

import os
import time
from typing import Any

from engine.phases.reporting import Reporter


class Stopper(Reporter):
    """Asks the experiment that is run to stop."""

    def __init__(self) -> None:
        self.reached = False
        self._experiment: Any = None

    def run_started(self, experiment: Any, *, resumed: bool) -> None:  # noqa: ARG002 - the contract
        self._experiment = experiment

    def stop(self) -> None:
        self.reached = True
        self._experiment.request_stop()


class Deadline(Stopper):
    """Asks an experiment to stop while there is still time for one more pause like the longest.

    The longest pause between two batches covers what an epoch's end takes: evaluation, and
    writing a checkpoint, which is what stopping takes as well.
    """

    MARGIN = 1.5

    def __init__(self, seconds: float, *, clock: Any = time.monotonic) -> None:
        super().__init__()
        self.seconds = seconds
        self._clock = clock
        self._start = self._before = clock()
        self._longest = 0.0

    def run_started(self, experiment: Any, *, resumed: bool) -> None:
        super().run_started(experiment, resumed=resumed)
        self._before = self._clock()

    def batch_ended(self, *, path: tuple[int, ...], epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - the contract
        now = self._clock()
        self._longest = max(self._longest, now - self._before)
        self._before = now
        spent = now - self._start
        if not self.reached and spent + self.MARGIN * self._longest >= self.seconds:
            self.stop()


class Interruption(Stopper):
    """Asks an experiment to stop when it is told to, also before the experiment has begun to run.

    A run begins without any request; what was asked while it was being built is asked again.
    """

    def stop(self) -> None:
        self.reached = True
        if self._experiment is not None:
            super().stop()

    def run_started(self, experiment: Any, *, resumed: bool) -> None:
        super().run_started(experiment, resumed=resumed)
        if self.reached:
            self.stop()


class Orphaned(Stopper):
    """Asks an experiment to stop once the process that this one works for is gone."""

    def __init__(self, parent: int) -> None:
        super().__init__()
        self._parent = parent

    def batch_ended(self, *, path: tuple[int, ...], epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - the contract
        if not self.reached and os.getppid() != self._parent:
            self.stop()
