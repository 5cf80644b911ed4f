"""Training for a limited time: an orderly stop, with a checkpoint, before the time is up."""

import math
import re
import time
from typing import Any

from engine.phases.reporting import Reporter
from tracker.errors import InvalidError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)


def parse_duration(value: str | float) -> float:
    """Seconds: `90s`, `10m`, `1.5h`, `1h30m`, or a plain number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        text = str(value).strip()
        parts = _PART.findall(text)
        if re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        elif parts and not _PART.sub("", text).strip():
            seconds = sum(float(amount) * _UNITS[unit.lower()] for amount, unit in parts)
        else:
            seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidError(f"{value!r} is no length of time; write it as 90s, 10m or 1h30m.")
    return seconds


class Deadline(Reporter):
    """Asks an experiment to stop while there is still time for one more pause like the longest.

    The longest pause between two batches covers what an epoch's end takes: evaluation, and
    writing a checkpoint, which is what stopping takes as well.
    """

    MARGIN = 1.5

    def __init__(self, seconds: float, *, clock: Any = time.monotonic) -> None:
        self.seconds = seconds
        self.reached = False
        self._clock = clock
        self._start = self._before = clock()
        self._longest = 0.0
        self._experiment: Any = None

    def run_started(self, experiment: Any, *, resumed: bool) -> None:  # noqa: ARG002 - the contract
        self._experiment = experiment
        self._before = self._clock()

    def batch_ended(self, *, path: tuple[int, ...], epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - the contract
        now = self._clock()
        self._longest = max(self._longest, now - self._before)
        self._before = now
        spent = now - self._start
        if not self.reached and spent + self.MARGIN * self._longest >= self.seconds:
            self.reached = True
            self._experiment.request_stop()
