"""Sweeps into the trash, back, and really gone; the runs of their trials go and come with them."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, Run, Sweep, Trial
from tracker.database.types import now
from tracker.errors import InvalidError, NotFoundError, StateError, TakenError
from tracker.files import LabFiles
from tracker.registry.keeping.change import Change
from tracker.registry.keeping.choosing import Chosen, listed, refuse_running, run_label, told
from tracker.registry.keeping.holdings import holdings
from tracker.registry.keeping.purging import delete_unreferred, purge
from tracker.registry.keeping.trash import is_taken
from tracker.registry.names import checked_name, free_name
from tracker.registry.sweeps.catalog import find_sweep, has_sweep
from tracker.registry.sweeps.queue import settle_lost
from tracker.registry.sweeps.trashed import in_trash, name_and_moment, trashed
from tracker.registry.sweeps.workers import is_alive, workers_of


def delete_sweeps(session: Session, files: LabFiles, names: Sequence[str]) -> Change:
    """Puts sweeps into the trash with the runs of their trials, or none of them.

    StateError if one has workers, or one of its runs is running.
    """
    sweeps = [find_sweep(session, name) for name in dict.fromkeys(names)]
    refuse_at_work(session, sweeps, "delete")
    runs = _runs_of(session, sweeps, Run.deleted.is_(None))
    refuse_running(session, Chosen([], runs, []), "delete")
    held = holdings(session, files, [run.id for run in runs])
    change = _change(session, [sweep.name for sweep in sweeps], runs)
    moment = now()
    for sweep in sweeps:
        sweep.name = trashed(sweep.name, moment)
    for run in runs:
        run.deleted = moment
    session.flush()
    return change._replace(files=len(held.paths), bytes=held.bytes)


def restore_sweeps(session: Session, names: Sequence[str], *, name: str | None = None) -> Change:
    """Takes sweeps out of the trash, or none: of several of one name, the last that went there.

    With their own names, or the one that is meant with `name`; TakenError if it is taken
    meanwhile. The runs that went with them come back, and get `-2` where theirs are taken.
    """
    if name is not None and len(names) != 1:
        raise InvalidError(f"Only one can be called {name!r}; restore them one by one.")
    found = [_deleted_named(session, wanted)[0] for wanted in dict.fromkeys(names)]
    back: list[Run] = []
    for sweep in found:
        back += _restore(session, sweep, name)
    return _change(session, [sweep.name for sweep in found], back)


def purge_sweeps(
    session: Session,
    files: LabFiles,
    names: Sequence[str] | None = None,
    *,
    before: datetime | None = None,
    pinned: bool = False,
) -> Change:
    """Deletes sweeps in the trash for good, with the runs of their trials that are there too.

    A name means every one there that had it; None, all. `before`: only what went there before
    that moment. As `keeping.purge` in all else.
    """
    if names is not None:
        sweeps = [sweep for name in dict.fromkeys(names) for sweep in _deleted_named(session, name)]
    else:
        sweeps = list(session.scalars(select(Sweep).where(in_trash()).order_by(Sweep.id)))
    sweeps = [sweep for sweep in sweeps if before is None or _moment(sweep) < before]
    called = [name_and_moment(sweep.name)[0] for sweep in sweeps]
    runs = _runs_of(session, sweeps, Run.deleted.is_not(None))
    experiments = {sweep.experiment_id for sweep in sweeps}
    ids = [sweep.id for sweep in sweeps]
    change = purge(session, files, Chosen([], runs, []), pinned=pinned)
    session.execute(sa.delete(Sweep).where(Sweep.id.in_(listed(ids))))
    delete_unreferred(session, Experiment, experiments)
    session.expire_all()
    return change._replace(sweeps=tuple(called))


def make_way(session: Session, ids: Collection[int]) -> None:
    """Puts sweeps into the trash, and leaves the runs of their trials where they are.

    StateError if one has workers.
    """
    meant = select(Sweep).where(Sweep.id.in_(listed(ids)), ~in_trash())
    sweeps = list(session.scalars(meant))
    refuse_at_work(session, sweeps, "replace")
    for sweep in sweeps:
        sweep.name = trashed(sweep.name, now())
    session.flush()


def refuse_at_work(session: Session, sweeps: Collection[Sweep], verb: str) -> None:
    """StateError, which says what cannot be done, if one of them has workers that live."""
    for sweep in sweeps:
        settle_lost(session, sweep.id)
    busy = [
        sweep.name
        for sweep in sweeps
        if any(map(is_alive, workers_of(session, sweep.id))) or _has_running(session, sweep)
    ]
    if busy:
        are = "is" if len(busy) == 1 else "are"
        raise StateError(
            f"Cannot {verb}: {told(busy)} {are} at work; `labkeeper sweep stop {busy[0]}` first."
            " Nothing was changed."
        )


def _has_running(session: Session, sweep: Sweep) -> bool:
    running = select(Trial.id).where(Trial.sweep_id == sweep.id, Trial.status == RunStatus.RUNNING)
    return session.scalar(running.limit(1)) is not None


def _runs_of(
    session: Session, sweeps: Collection[Sweep], condition: sa.ColumnElement[bool]
) -> list[Run]:
    mine = select(Trial.run_id).where(
        Trial.sweep_id.in_(listed(sweep.id for sweep in sweeps)), Trial.run_id.is_not(None)
    )
    return list(session.scalars(select(Run).where(Run.id.in_(mine), condition).order_by(Run.id)))


def _deleted_named(session: Session, name: str) -> list[Sweep]:
    """Those in the trash that had this name, the last one first; NotFoundError for none."""
    there = list(session.scalars(select(Sweep).where(in_trash())))
    found = [sweep for sweep in there if name_and_moment(sweep.name)[0] == name]
    if not found:
        known = {name_and_moment(sweep.name)[0] for sweep in there}
        raise NotFoundError("deleted sweep", name, known)
    return sorted(found, key=_moment, reverse=True)


def _moment(sweep: Sweep) -> datetime:
    moment = name_and_moment(sweep.name)[1]
    assert moment is not None  # noqa: S101 - only of those in the trash
    return moment


def _restore(session: Session, sweep: Sweep, name: str | None) -> list[Run]:
    before, went = name_and_moment(sweep.name)
    wanted = before if name is None else checked_name("sweep", name)
    if has_sweep(session, wanted):
        raise TakenError(
            f"There is a sweep named {wanted!r} already. Restore it under another name with"
            f" `labkeeper sweep restore {before} --as NAME`."
        )
    sweep.name = wanted
    runs = _runs_of(session, [sweep], Run.deleted == went)
    for run in runs:
        # A sweep's runs are called after it.
        own = run.name.removeprefix(f"{before}/")
        called = f"{wanted}/{own}" if own != run.name else run.name
        run.name = free_name(called, lambda name, run=run: is_taken(session, run, name))  # type: ignore[misc]  # mypy sees no types in a lambda's defaults
        run.deleted = None
        session.flush()
    return runs


def _change(session: Session, sweeps: Sequence[str], runs: Sequence[Run]) -> Change:
    return Change([], [run_label(session, run) for run in runs], sweeps=tuple(sweeps))
