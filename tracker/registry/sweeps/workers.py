"""Workers of sweeps: begun, beating, told what to do, ended, found dead.

As with the sessions of runs: on this host a worker is alive exactly as long as its process;
elsewhere its last heartbeat counts.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import Worker
from tracker.database.types import now
from tracker.errors import StateError
from tracker.registry.processes import Process
from tracker.registry.vanished import why_dead

HEARTBEAT_EVERY_S = 10
LOST = "lost"

_ORDERS = """
SELECT sweeps.paused IS NOT NULL,
       coalesce(sweeps.drain_asked > workers.started, 0),
       coalesce(sweeps.stop_asked > workers.started, 0),
       coalesce(trials.cancel_asked IS NOT NULL, 0),
       coalesce(sessions.stop_asked IS NOT NULL, 0),
       workers.ended IS NOT NULL
FROM workers
JOIN sweeps ON sweeps.id = workers.sweep_id
LEFT JOIN trials ON trials.worker_id = workers.id AND trials.status = 'running'
LEFT JOIN sessions ON sessions.run_id = trials.run_id AND sessions.ended IS NULL
WHERE workers.id = ?
"""


class Orders(NamedTuple):
    """What somebody, at whatever terminal, wants of a worker."""

    pause: bool = False  # take no trial
    drain: bool = False  # finish the trial at hand, and leave
    stop: bool = False  # stop the trial at hand, and leave
    cancel_trial: bool = False  # stop the trial at hand, for good
    stop_trial: bool = False  # stop the trial at hand, until somebody takes it up again
    lost: bool = False  # somebody has taken it for dead; `beat` says that it is not


def begin_worker(
    session: Session, sweep_id: int, process: Process, devices: Sequence[str] = ()
) -> Worker:
    """Registers this process; with `devices`, as the one that has the first that is free.

    A device that stands in the list n times can be had by n workers at once, of any sweep on
    this host. StateError if none is free.
    """
    device = _free_device(session, process.host, devices) if devices else None
    worker = Worker(sweep_id=sweep_id, **process._asdict(), device=device)
    session.add(worker)
    session.flush()
    return worker


def beat(session: Session, worker_id: int) -> None:
    """The worker lives, even if somebody has taken it for dead meanwhile."""
    session.execute(
        update(Worker)
        .where(Worker.id == worker_id, (Worker.ended.is_(None)) | (Worker.exit == LOST))
        .values(heartbeat=now(), ended=None, exit=None)
    )


def orders_for(session: Session, worker_id: int) -> Orders:
    """What the worker is to do; one that is gone from the record is to stop."""
    row = driver_connection(session).execute(_ORDERS, (worker_id,)).fetchone()
    return Orders(stop=True) if row is None else Orders(*map(bool, row))


def end_worker(session: Session, worker_id: int, why: str) -> None:
    """The worker has left, for this reason."""
    session.execute(update(Worker).where(Worker.id == worker_id).values(ended=now(), exit=why))


def workers_of(session: Session, sweep_id: int) -> list[Worker]:
    """Those at work on the sweep, the first one first, dead ones that nobody noticed among them."""
    return list(session.scalars(_open().where(Worker.sweep_id == sweep_id)))


def dead_workers(workers: Iterable[Worker]) -> list[tuple[Worker, str]]:
    """Those of them whose process does not live, and the words that say so; changes nothing."""
    judged = [(worker, why_dead(worker)) for worker in workers]
    return [(worker, reason) for worker, reason in judged if reason]


def is_alive(worker: Worker) -> bool:
    """Whether it is at work, as far as can be known from here."""
    return worker.ended is None and why_dead(worker) is None


def _free_device(session: Session, host: str, devices: Sequence[str]) -> str:
    here = _open().where(Worker.host == host, Worker.device.is_not(None))
    held = Counter(worker.device for worker in session.scalars(here) if is_alive(worker))
    free = [device for device, count in Counter(devices).items() if held[device] < count]
    if not free:
        raise StateError(
            f"No device is free: workers on this machine have {', '.join(dict.fromkeys(devices))}"
            " already. Start fewer workers, or name more devices."
        )
    return min(free, key=lambda device: (held[device], devices.index(device)))


def _open() -> Select[Worker]:
    return select(Worker).where(Worker.ended.is_(None)).order_by(Worker.id)
