"""Several workers in processes of their own, and the one that watches over them.

Each is a child as `tracker.recording.children` has them.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from tracker.database.kinds import RunStatus
from tracker.database.types import now
from tracker.errors import StateError, TrackerError
from tracker.recording.children import Child, can_fork, has_fork, start_child
from tracker.recording.environment import Environment, capture
from tracker.recording.place import Place, place_at
from tracker.recording.signals import Terminated, asking_first
from tracker.recording.slots import use_threads
from tracker.registry.sweeps.catalog import find_sweep
from tracker.registry.sweeps.queue import settle_lost
from tracker.registry.sweeps.trials import TrialFacts, ended_since, find_trial
from tracker.sweeps.attempt import Assignment
from tracker.sweeps.beacon import Beacon, Why
from tracker.sweeps.killed import record_killed
from tracker.sweeps.targets import Function, is_local, refuse_local, target_of
from tracker.sweeps.terms import STUCK, TIMEOUT, Terms
from tracker.sweeps.worker import Left, Worker

TICK_S, LEAST_S = 0.1, 0.005
TELL_S = 0.3
# From a second Ctrl-C until what is left is killed.
LAST_S = 5.0
# So often in a row may workers die before their first trial; more often where each was killed,
# which may be somebody's will, and may be a system that is out of memory.
MOST_STILLBORN, MOST_KILLED = 3, 50
_BROKEN = {TIMEOUT: Why.TIMEOUT, STUCK: Why.STUCK}


class Job(NamedTuple):
    """What workers of one command work at, in a form that reaches another process."""

    root: Path
    sweep_id: int
    name: str
    experiment: str
    metrics: list[str] | None
    target: str
    terms: Terms

    def assignment(self, function: Function | None = None) -> Assignment:
        """The same in this process, with the lab open and the target found."""
        place = place_at(self.root)
        target = target_of(self.target, self.root, function)
        _, sweep_id, name, experiment, metrics, _, terms = self
        return Assignment(place, sweep_id, name, experiment, metrics, target, terms)


class Death(NamedTuple):
    """A worker that died without being asked to leave, and what became of what it had."""

    pid: int
    ending: str  # "SIGKILL", "exit code 1"
    trial: TrialFacts | None  # as it stands now; None where it had none


class Member(Child):
    """One worker's process; at its end it tells a `Left`, or in words what was in the way."""

    def __init__(self, process: BaseProcess, messages: Connection, beacon: Beacon) -> None:
        super().__init__(process, messages)
        self.beacon = beacon
        self.killed = Why.NOTHING


class Crew:
    """Starts workers, replaces those that die, enforces limits, and leaves nobody behind."""

    def __init__(
        self,
        place: Place,
        job: Job,
        size: int,
        *,
        function: Function | None = None,
        ended: Callable[[TrialFacts], object] | None = None,
        died: Callable[[Death], object] | None = None,
    ) -> None:
        self._place = place
        self._job = job
        self._size = size
        self._function = function
        self._ended = ended
        self._died = died
        self._began = time.monotonic()
        # Looked at once, for all of them.
        self._environment = capture(place.root)
        self._members: list[Member] = []
        self._left: list[Left] = []
        self._leaving = False
        self._stillborn = 0
        self._told_until = now()
        self._told: set[tuple[int, int]] = set()
        self._next_telling = 0.0

    def work(self) -> list[Left]:
        """Until all workers have left; tells why each did.

        The first Ctrl-C or SIGTERM has them save what they have and leave, the second
        interrupts. StateError if they cannot begin.
        """
        self._refuse_the_impossible()
        try:
            with asking_first(self._asked):
                self._start_all()
                while self._members:
                    self._tick()
                    # Who leaves says so; who dies lets go of its end.
                    wait([member.messages for member in self._members], TICK_S)
                    time.sleep(LEAST_S)
                self._tell(last=True)
        except (KeyboardInterrupt, Terminated):
            self._interrupt()
            raise
        finally:
            self._leave_nobody()
        return self._left

    def _refuse_the_impossible(self) -> None:
        if self._function is None:
            refuse_local(self._job.target)
        devices = self._job.terms.devices
        if devices and self._size > len(devices):
            raise StateError(
                f"{self._size} workers need a device each, and {len(devices)} are named:"
                f" {', '.join(devices)}."
            )

    def _asked(self, number: int) -> None:
        """Has all leave. Ctrl-C waits for them as long as it takes; a system does not."""
        self._leaving = True
        grace = None if number == signal.SIGINT else self._job.terms.limits.grace_s
        for member in self._members:
            member.beacon.ask(Why.LEAVE, kill_in=grace)
            member.signal(signal.SIGTERM)

    def _start_all(self) -> None:
        for _ in range(self._size):
            if not self._leaving:
                self._start()

    def _start(self) -> None:
        beacon = Beacon()
        process, messages = start_child(
            _context(self._job, self._function),
            _be_worker,
            *(self._job, self._function, beacon, self._began, self._environment),
            name=f"labkeeper-worker-{self._job.name}",
        )
        self._members.append(Member(process, messages, beacon))
        if self._leaving:  # asked meanwhile
            self._asked(signal.SIGINT)

    # Watching

    def _tick(self) -> None:
        for member in list(self._members):
            if member.has_ended():
                self._members.remove(member)
                self._after(member)
            else:
                self._enforce(member)
        self._tell()

    def _enforce(self, member: Member) -> None:
        """Asks for what has passed a limit, and kills what was asked too long ago."""
        moment, beacon = time.monotonic(), member.beacon
        began = beacon.began
        broken = began and self._job.terms.limits.broken(moment, began, beacon.last_sign)
        if broken and beacon.ask(_BROKEN[broken], kill_in=self._job.terms.limits.grace_s):
            beacon.poke()
            member.signal(signal.SIGTERM)
        if beacon.kill_at and moment > beacon.kill_at:
            member.killed = beacon.why
            member.kill()

    def _after(self, member: Member) -> None:
        """Sees to what a worker that is gone has left undone, and replaces it if it died."""
        if isinstance(member.told, str):
            raise StateError(member.told)
        if member.told is not None:
            self._left.append(member.told)
            return
        with self._place.database.write() as session:
            if member.killed:
                record_killed(session, member.beacon.worker_id, member.killed, self._job.terms)
            settle_lost(session, self._job.sweep_id, self._job.terms.most_losses)
        if not member.killed and not self._leaving:
            self._tell_death(member)
        self._stillborn = 0 if member.beacon.trials else self._stillborn + 1
        most = MOST_KILLED if member.ending == "SIGKILL" else MOST_STILLBORN
        if self._stillborn >= most:
            raise StateError(
                f"{self._stillborn} workers died before their first trial; the last one ended with"
                f" {member.ending}."
            )
        if self._leaving or member.killed.leaves:
            self._left.append(Left("it was killed", interrupted=self._leaving))
        else:
            self._start()

    def _tell_death(self, member: Member) -> None:
        """Tells the listener who died; that the trial was lost need not be told again."""
        number, trial = member.beacon.trial, None
        if self._died is None:
            return
        if number is not None:
            with self._place.database.read() as session:
                trial = find_trial(session, find_sweep(session, self._job.name), number)
            if trial.status is RunStatus.LOST:  # and not taken by another worker meanwhile
                self._told.add((number, trial.attempts))
        self._died(Death(member.pid, member.ending, trial))

    def _tell(self, *, last: bool = False) -> None:
        """Tells the listener which trials have ended, whoever ran them."""
        if self._ended is None or (not last and time.monotonic() < self._next_telling):
            return
        self._next_telling = time.monotonic() + TELL_S
        with self._place.database.read() as session:
            found = ended_since(session, self._job.sweep_id, self._told_until)
        for trial in found:
            key = (trial.number, trial.attempts)
            if key not in self._told:
                self._told.add(key)
                self._ended(trial)
        ends = [trial.ended for trial in found if trial.ended is not None]
        self._told_until = max([self._told_until, *ends], key=datetime.timestamp)

    # Ending

    def _interrupt(self) -> None:
        """The second Ctrl-C: has each record what it can, now."""
        for member in self._members:
            member.beacon.ask(Why.LEAVE)
            member.signal(signal.SIGINT)
        deadline = time.monotonic() + LAST_S
        while self._members and time.monotonic() < deadline:
            self._members = [member for member in self._members if not member.has_ended()]
            time.sleep(TICK_S)

    def _leave_nobody(self) -> None:
        """However this ended: no child is left, and no trial is left as if one ran it."""
        if not self._members:
            return
        for member in self._members:
            member.kill()
        for member in self._members:
            member.bury()
        self._members = []
        with suppress(TrackerError), self._place.database.write() as session:
            settle_lost(session, self._job.sweep_id)


def _context(job: Job, function: Function | None) -> Any:
    """How its processes are made."""
    must_fork = function is not None and is_local(job.target)
    if must_fork and not has_fork():
        raise StateError(
            f"{job.target} can be run by several processes only where the system can fork. Run it"
            " with one worker, or move the function into a module."
        )
    return multiprocessing.get_context("fork" if must_fork or can_fork() else "spawn")


def _be_worker(
    job: Job,
    function: Function | None,
    beacon: Beacon,
    began: float,
    environment: Environment,
) -> Left | str:
    """The child: works; says why it leaves, or in words what was in the way."""
    use_threads(job.terms.threads)
    try:
        worker = Worker(
            job.assignment(function),
            beacon=beacon,
            parent=os.getppid(),
            began=began,
            environment=environment,
        )
        return worker.work()
    except TrackerError as error:
        return " ".join(str(error).split())
    except (KeyboardInterrupt, Terminated):
        return Left("it was interrupted", interrupted=True)
