"""What a worker and the process that watches over it tell each other, in shared memory.

It works while the worker computes without ever letting another of its threads run, and it
costs a logged point nothing.
"""

import time
from enum import IntEnum
from multiprocessing.sharedctypes import RawArray


class Why(IntEnum):
    """Why a trial, or its whole worker, is to stop."""

    NOTHING = 0
    LEAVE = 1  # Ctrl-C, SIGTERM
    DEADLINE = 2  # the worker's time is over
    SWEEP_STOPPED = 3
    ABANDONED = 4  # who watched over the worker is gone
    TIMEOUT = 5  # the trial's time is over
    STUCK = 6
    CANCELLED = 7
    TRIAL_STOPPED = 8

    @property
    def leaves(self) -> bool:
        """Whether the worker is to leave, and not only to stop its trial."""
        return self in (Why.LEAVE, Why.DEADLINE, Why.SWEEP_STOPPED, Why.ABANDONED)


WORKER, BEGAN, SIGN, WHY, MEANT, KILL_AT, TRIALS, TRIAL, POKES = range(9)


class Beacon:
    """Moments are monotonic seconds, 0 where there are none."""

    def __init__(self) -> None:
        self._cells = RawArray("d", 9)

    @property
    def worker_id(self) -> int:
        return int(self._cells[WORKER])

    @worker_id.setter
    def worker_id(self, worker_id: int) -> None:
        self._cells[WORKER] = worker_id

    @property
    def began(self) -> float:
        """When the trial at hand began."""
        return float(self._cells[BEGAN])

    @property
    def last_sign(self) -> float:
        return float(self._cells[SIGN])

    @property
    def trials(self) -> int:
        """How many have begun."""
        return int(self._cells[TRIALS])

    @property
    def why(self) -> Why:
        """What was asked of the worker, or of the trial that it has now."""
        why = Why(int(self._cells[WHY]))
        return why if why.leaves or self._cells[MEANT] == self._cells[BEGAN] else Why.NOTHING

    @property
    def kill_at(self) -> float:
        return float(self._cells[KILL_AT]) if self.why else 0.0

    @property
    def trial(self) -> int | None:
        """The number of the trial at hand."""
        return int(self._cells[TRIAL]) if self.began else None

    def begin_trial(self, number: int) -> None:
        self._cells[TRIALS] += 1
        self._cells[TRIAL] = number
        self.restart_trial()

    def restart_trial(self) -> None:
        """What the trial at hand has taken up to now counts for nothing."""
        self._cells[SIGN] = self._cells[BEGAN] = time.monotonic()

    def end_trial(self) -> None:
        self._cells[BEGAN] = 0.0

    def sign(self) -> None:
        """The trial lives and gets on."""
        self._cells[SIGN] = time.monotonic()

    @property
    def pokes(self) -> int:
        """How many signals only mean that there is something to be read here."""
        return int(self._cells[POKES])

    def poke(self) -> None:
        """Goes before such a signal: what it was about may be over when it arrives."""
        self._cells[POKES] += 1

    def ask(self, why: Why, *, kill_in: float | None = None) -> bool:
        """Notes what is asked, and when patience ends; False if as much was asked before.

        What is asked of a trial says nothing to the next one.
        """
        before = self.why
        kill_at = 0.0 if kill_in is None else time.monotonic() + kill_in
        if before.leaves or (before and not why.leaves):
            # Patience may still become shorter.
            self._cells[KILL_AT] = min(self.kill_at or kill_at, kill_at or self.kill_at)
            return False
        if not why.leaves and not self.began:
            return False
        self._cells[MEANT] = self._cells[BEGAN]
        self._cells[KILL_AT] = kill_at
        self._cells[WHY] = why
        return True
