"""A worker: takes one trial after the other until there is nothing left to do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.errors import TrackerError
from tracker.recording.environment import Environment, capture
from tracker.recording.signals import asking_first
from tracker.recording.slots import use_device
from tracker.registry.processes import this_process
from tracker.registry.sweeps.catalog import find_sweep
from tracker.registry.sweeps.queue import Claim, prospects, settle_lost, take, untake
from tracker.registry.sweeps.trashed import sweep_at
from tracker.registry.sweeps.trials import TrialFacts, find_trial
from tracker.registry.sweeps.workers import (
    beat,
    begin_worker,
    dead_workers,
    end_worker,
    orders_for,
    workers_of,
)
from tracker.sweeps.attempt import REASONS, Assignment, Attempt, Tried
from tracker.sweeps.beacon import Beacon, Why
from tracker.sweeps.trial import Trial
from tracker.sweeps.watch import Watch

# How often one looks after the others, and how often for work where there is none.
SETTLE_S = 1.0
IDLE_S, MOST_IDLE_S = 0.01, 0.2
NOTHING_LEFT = "nothing left to do"
NOT_DUE = "what is left is others' or not due"
DRAINED = "the sweep was drained"


class Left(NamedTuple):
    """Why a worker has left."""

    why: str
    interrupted: bool = False
    # It stopped because its trials failed one after the other.
    gave_up: bool = False


class Turn(NamedTuple):
    """What a worker that asks for something to do is told."""

    claim: Claim | None = None
    left: Left | None = None  # it is to leave
    paused: bool = False


class Worker:
    """One process's work at a sweep.

    With `parent`, the process that watches over it, it keeps what trials print for their logs
    and obeys signals as that process means them; without, it works in its caller's process.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        beacon: Beacon | None = None,
        parent: int | None = None,
        began: float | None = None,
        environment: Environment | None = None,
        ended: Callable[[TrialFacts], object] | None = None,
    ) -> None:
        self._work = assignment
        self._place = assignment.place
        self._beacon = beacon or Beacon()
        self._parent = parent
        self._began = time.monotonic() if began is None else began
        self._ended = ended
        self._trial: Trial | None = None
        self._next: Claim | None = None
        self._leaving = Why.NOTHING
        self._failures = 0
        self._pokes = 0
        self._environment = environment
        self._next_settling = 0.0

    def work(self) -> Left:
        """Works until there is nothing left, it is told to leave, or it has to give up.

        A second Ctrl-C is raised, once what it interrupted is recorded.
        """
        with self._place.database.write() as session:
            sweep_at(session, self._work.sweep_id)
            settle_lost(session, self._work.sweep_id, self._work.terms.most_losses)
            row = begin_worker(
                session, self._work.sweep_id, this_process(), self._work.terms.devices
            )
        self.id = self._beacon.worker_id = row.id
        self._device = use_device(row.device) if self._parent is not None else row.device
        left = Left("it failed")
        try:
            with asking_first(self._signalled), self._watched():
                left = self._take_turns()
        except BaseException as error:
            left = Left(f"ended by {type(error).__name__}", interrupted=True)
            raise
        finally:
            self._end(left)
        return left

    def ask(self, why: Why, kill_in: float | None = None) -> None:
        """Asks for a stop: of the trial at hand, and of the worker where the reason says so."""
        if not self._beacon.ask(why, kill_in=kill_in):
            return
        self._obey(why)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        watch = Watch(
            self._place,
            self.id,
            self._beacon,
            self._work.terms.limits,
            self.ask,
            began=self._began,
            parent=self._parent,
        )
        watch.start()
        try:
            yield
        finally:
            watch.stop()

    def _signalled(self, _number: int) -> bool:
        """Of the process that watches, the beacon says what it means; a trial's limit, perhaps."""
        asked = self._beacon.why
        poked, self._pokes = self._pokes < self._beacon.pokes, self._beacon.pokes
        if poked and not asked:
            return False  # it was about a trial that has ended meanwhile
        if not asked:
            self._beacon.ask(Why.LEAVE)
        why = asked or Why.LEAVE
        self._obey(why)
        return why.leaves

    def _obey(self, why: Why) -> None:
        if why.leaves:
            self._leaving = why
        trial = self._trial
        if trial is not None:
            trial.request_stop()

    # Turns

    def _take_turns(self) -> Left:
        idle = IDLE_S
        while True:
            if self._leaving:
                self._give_back_next()
                return Left(REASONS[self._leaving], interrupted=self._leaving is Why.LEAVE)
            self._settle()
            turn = self._next_turn()
            left = turn.left
            if turn.claim is not None:
                left = self._try(turn.claim)
            elif left is None and not turn.paused:
                left = self._why_idle()
            if left is not None:
                return left
            if turn.claim is not None:
                idle = IDLE_S
                continue
            time.sleep(idle)
            idle = min(2 * idle, MOST_IDLE_S)

    def _next_turn(self) -> Turn:
        if self._next is not None:
            turn, self._next = Turn(self._next), None
            return turn
        with self._place.database.write() as session:
            return self._turn(session)

    def _turn(self, session: Session) -> Turn:
        orders = orders_for(session, self.id)
        if orders.lost:
            beat(session, self.id)
        if orders.stop or orders.drain:
            return Turn(left=Left(REASONS[Why.SWEEP_STOPPED] if orders.stop else DRAINED))
        if orders.pause:
            return Turn(paused=True)
        return Turn(take(session, self._work.sweep_id, self.id, self._work.terms.share))

    def _take_at_once(self, session: Session) -> Claim | None:
        """The next one, in the transaction that ends the one before."""
        return None if self._leaving else self._turn(session).claim

    def _give_back_next(self) -> None:
        if self._next is not None:
            with self._place.database.write() as session:
                untake(session, self._next)

    def _try(self, claim: Claim) -> Left | None:
        attempt = Attempt(
            self._work,
            claim,
            self._beacon,
            environment=self._known_environment(),
            device=self._device,
            divert=self._parent is not None,
            # Who is told of each end may take long over it.
            take=self._take_at_once if self._ended is None else None,
        )
        tried = attempt.run(self._begun)
        self._trial, self._next = None, tried.taken
        if self._ended is not None and tried.end is not None:
            with self._place.database.read() as session:
                sweep = find_sweep(session, self._work.name)
                facts = find_trial(session, sweep, claim.position)
            self._ended(facts)
        if tried.raised is not None:
            raise tried.raised
        return self._after(tried)

    def _begun(self, trial: Trial) -> None:
        self._trial = trial
        if self._beacon.why:  # asked in the moment before
            trial.request_stop()

    def _after(self, tried: Tried) -> Left | None:
        if tried.end is None or tried.end.status is RunStatus.FINISHED:
            self._failures = 0
        elif tried.end.status is RunStatus.FAILED:
            self._failures += 1
        most = self._work.terms.most_failures
        if most is None or self._failures < most:
            return None
        reason = "" if tried.end is None else f": {tried.end.reason}"
        return Left(f"its last {self._failures} trials failed{reason}", gave_up=True)

    def _why_idle(self) -> Left | None:
        """Why to leave where nothing can be taken; None to wait for more."""
        with self._place.database.read() as session:
            left = prospects(session, self._work.sweep_id, self._work.terms.share)
        if not left.waiting and not left.running:
            return Left(NOTHING_LEFT)
        return None if self._work.terms.wait else Left(NOT_DUE)

    def _settle(self) -> None:
        """Sees to trials whose workers are gone, now and then."""
        if time.monotonic() < self._next_settling:
            return
        self._next_settling = time.monotonic() + SETTLE_S
        sweep_id = self._work.sweep_id
        with self._place.database.read() as session:
            dead = dead_workers(workers_of(session, sweep_id))
        if dead:
            with self._place.database.write() as session:
                settle_lost(session, sweep_id, self._work.terms.most_losses)

    def _known_environment(self) -> Environment:
        if self._environment is None:
            self._environment = capture(self._place.root)
        return self._environment

    def _end(self, left: Left) -> None:
        """Whatever is amiss with the lab, the worker's process ends, and others see that."""
        with suppress(TrackerError), self._place.database.write() as session:
            end_worker(session, self.id, left.why)
