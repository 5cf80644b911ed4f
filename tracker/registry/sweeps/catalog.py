"""Sweeps: made, grown, found, and told what their workers are to do."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, Sweep, Trial, Worker
from tracker.database.types import now
from tracker.errors import NotFoundError, TakenError
from tracker.registry.names import checked_name
from tracker.registry.runs import ensure_experiment
from tracker.registry.sweeps.trashed import in_trash, name_and_moment


class Point(NamedTuple):
    """One configuration of a grid, and the hash that it is known by."""

    config: Mapping[str, Any]
    hash: str


class SweepFacts(NamedTuple):
    """How a sweep stands: one line of a list."""

    name: str
    target: str
    trials: int
    counts: dict[RunStatus, int]  # of those that there are
    workers: int  # alive or not yet known to be dead
    paused: datetime | None
    created: datetime
    deleted: datetime | None = None  # when it went to the trash


def create_sweep(
    session: Session,
    *,
    name: str,
    experiment: str,
    target: str,
    grid: Mapping[str, Any],
    grid_hash: str,
    metrics: Iterable[str] | None = None,
) -> Sweep:
    """Makes a sweep without trials; TakenError if there is one of this name."""
    if _named(session, checked_name("sweep", name)) is not None:
        raise TakenError(f"There is a sweep named {name!r} already.")
    sweep = Sweep(
        name=name,
        experiment_id=ensure_experiment(session, experiment),
        target=target,
        grid=dict(grid),
        grid_hash=grid_hash,
        metrics=None if metrics is None else list(metrics),
    )
    session.add(sweep)
    session.flush()
    return sweep


def add_trials(session: Session, sweep_id: int, points: Iterable[Point]) -> int:
    """Queues the points that the sweep does not have yet, after those it has; returns how many.

    A point that stands twice is one trial.
    """
    connection = driver_connection(session)
    ((last,),) = connection.execute(
        "SELECT coalesce(max(position), -1) FROM trials WHERE sweep_id = ?", (sweep_id,)
    ).fetchall()
    known = {
        row[0]
        for row in connection.execute(
            "SELECT config_hash FROM trials WHERE sweep_id = ?", (sweep_id,)
        ).fetchall()
    }
    new = {point.hash: point.config for point in points if point.hash not in known}
    connection.executemany(
        "INSERT INTO trials (sweep_id, position, config, config_hash, status, waiting, attempts)"
        " VALUES (?, ?, ?, ?, 'queued', 1, 0)",
        [
            (sweep_id, position, json.dumps(config, ensure_ascii=False), digest)
            for position, (digest, config) in enumerate(new.items(), start=last + 1)
        ],
    )
    return len(new)


def set_grid(session: Session, sweep_id: int, grid: Mapping[str, Any], grid_hash: str) -> None:
    """The sweep has this grid from now on; its trials stay."""
    session.execute(
        update(Sweep).where(Sweep.id == sweep_id).values(grid=dict(grid), grid_hash=grid_hash)
    )


def find_sweep(session: Session, name: str) -> Sweep:
    """The sweep of this name; NotFoundError suggests the nearest."""
    sweep = _named(session, name)
    if sweep is None:
        known = session.scalars(select(Sweep.name).where(~in_trash())).all()
        raise NotFoundError("sweep", name, known)
    return sweep


def experiment_of(session: Session, sweep: Sweep) -> str:
    """The name of the experiment that its runs belong to."""
    return session.get_one(Experiment, sweep.experiment_id).name


def has_sweep(session: Session, name: str) -> bool:
    """Whether there is a sweep of this name."""
    return _named(session, name) is not None


def pause(session: Session, sweep_id: int) -> None:
    """Workers finish what they have and wait; new ones wait from the start."""
    session.execute(
        update(Sweep).where(Sweep.id == sweep_id, Sweep.paused.is_(None)).values(paused=now())
    )


def unpause(session: Session, sweep_id: int) -> None:
    """Workers that wait go on."""
    session.execute(update(Sweep).where(Sweep.id == sweep_id).values(paused=None))


def drain(session: Session, sweep_id: int) -> None:
    """The workers that there are finish what they have and leave; later ones do not care."""
    session.execute(update(Sweep).where(Sweep.id == sweep_id).values(drain_asked=now()))


def stop(session: Session, sweep_id: int) -> None:
    """The workers that there are stop what they have and leave; later ones do not care."""
    session.execute(update(Sweep).where(Sweep.id == sweep_id).values(stop_asked=now()))


def counts_of(session: Session, sweep_id: int) -> dict[RunStatus, int]:
    """How many of the sweep's trials stand how; a status that none has is left out."""
    rows = session.execute(
        select(Trial.status, func.count())
        .where(Trial.sweep_id == sweep_id)
        .group_by(Trial.status)
        .order_by(Trial.status)
    )
    return dict(rows.all())


def list_sweeps(session: Session, *, deleted: bool = False) -> list[SweepFacts]:
    """All sweeps, or those in the trash, the newest first."""
    chosen = select(Sweep).where(in_trash() if deleted else ~in_trash())
    counts: dict[int, dict[RunStatus, int]] = {}
    rows = session.execute(
        select(Trial.sweep_id, Trial.status, func.count()).group_by(Trial.sweep_id, Trial.status)
    )
    for sweep_id, status, count in rows:
        counts.setdefault(sweep_id, {})[status] = count
    workers = dict(
        session.execute(
            select(Worker.sweep_id, func.count())
            .where(Worker.ended.is_(None))
            .group_by(Worker.sweep_id)
        ).all()
    )
    return [
        SweepFacts(
            name=name_and_moment(sweep.name)[0],
            target=sweep.target,
            trials=sum(counts.get(sweep.id, {}).values()),
            counts=counts.get(sweep.id, {}),
            workers=workers.get(sweep.id, 0),
            paused=sweep.paused,
            created=sweep.created,
            deleted=name_and_moment(sweep.name)[1],
        )
        for sweep in session.scalars(chosen.order_by(Sweep.id.desc()))
    ]


def facts_of(session: Session, sweep: Sweep) -> SweepFacts:
    """How one sweep stands."""
    counts = counts_of(session, sweep.id)
    at_work = select(func.count()).where(Worker.sweep_id == sweep.id, Worker.ended.is_(None))
    return SweepFacts(
        name=sweep.name,
        target=sweep.target,
        trials=sum(counts.values()),
        counts=counts,
        workers=session.scalar(at_work) or 0,
        paused=sweep.paused,
        created=sweep.created,
    )


def _named(session: Session, name: str) -> Sweep | None:
    return session.scalar(select(Sweep).where(Sweep.name == name, ~in_trash()))
