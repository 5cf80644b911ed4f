"""A worker's second thread: tells that it lives, and hears what it is to do."""

import os
import signal
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from tracker.database.connection import Database
from tracker.errors import TrackerError
from tracker.recording.forks import writers
from tracker.recording.place import Place
from tracker.registry.sweeps.workers import HEARTBEAT_EVERY_S, Orders, beat, orders_for
from tracker.sweeps.beacon import Beacon, Why
from tracker.sweeps.terms import STUCK, TIMEOUT, Limits

POLL_S = 0.5
_BROKEN = {TIMEOUT: Why.TIMEOUT, STUCK: Why.STUCK}


class Watch:
    """Asks a worker to stop, or to stop its trial, whenever there is a reason to.

    `ask` is given the reason and the seconds after which patience ends. With `parent`, the
    process that has to be there; without one, nobody else sees to the limits of trials, and
    none of them can be enforced on code that does not heed them.
    """

    def __init__(
        self,
        place: Place,
        worker_id: int,
        beacon: Beacon,
        limits: Limits,
        ask: Callable[[Why, float | None], object],
        *,
        began: float,
        parent: int | None,
    ) -> None:
        self.lock = threading.Lock()
        self.orders = Orders()
        self._path = place.database.path
        self._database: Database | None = None
        self._worker_id = worker_id
        self._beacon = beacon
        self._limits = limits
        self._ask = ask
        self._began = began
        self._parent = parent
        self._over = threading.Event()
        self._next_beat = time.monotonic() + HEARTBEAT_EVERY_S
        self._thread = threading.Thread(
            target=self._run, name=f"labkeeper-worker-{worker_id}", daemon=True
        )
        writers.add(self)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def close_connection(self) -> None:
        if self._database is not None:
            self._database.close()

    def _run(self) -> None:
        while not self._over.wait(POLL_S):
            self._look_round()
            with self.lock:
                self._ask_database()
        with self.lock:
            self.close_connection()

    def _look_round(self) -> None:
        """What can be seen without asking anybody."""
        now = time.monotonic()
        hand_in, limit = self._limits.hand_in_s, self._limits.worker_s
        if hand_in is not None and limit is not None and now - self._began >= hand_in:
            self._ask(Why.DEADLINE, self._began + limit - now)
        if self._parent is None:
            began = self._beacon.began
            broken = began and self._limits.broken(now, began, self._beacon.last_sign)
            if broken:
                self._ask(_BROKEN[broken], None)
        elif os.getppid() != self._parent:
            self._ask(Why.ABANDONED, self._limits.grace_s)
            self._end_if_overdue(now)

    def _end_if_overdue(self, now: float) -> None:
        """Nobody else is there to do it."""
        if self._beacon.kill_at and now > self._beacon.kill_at:
            os.killpg(os.getpgid(0), signal.SIGKILL)

    def _ask_database(self) -> None:
        """A database that is busy, full or gone for a while costs a look and nothing else."""
        if self._database is None:
            self._database = Database(self._path)
        try:
            with self._database.read() as session:
                self.orders = orders_for(session, self._worker_id)
            if time.monotonic() >= self._next_beat:
                self._next_beat = time.monotonic() + HEARTBEAT_EVERY_S
                with self._database.write() as session:
                    beat(session, self._worker_id)
        except (TrackerError, SQLAlchemyError):
            return
        if self.orders.stop:
            self._ask(Why.SWEEP_STOPPED, None)
        elif self.orders.cancel_trial:
            self._ask(Why.CANCELLED, self._limits.grace_s)
        elif self.orders.stop_trial:
            self._ask(Why.TRIAL_STOPPED, None)
