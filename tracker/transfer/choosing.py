"""Which pipelines, runs and sweeps are meant, and that nobody is working on them."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.connection import Database, driver_connection
from tracker.database.tables import Pipeline, Run, Sweep, Trial
from tracker.errors import InvalidError, NotFoundError, StateError, UnsaidError
from tracker.registry.details import find_named
from tracker.registry.listing import find_runs, list_pipelines
from tracker.registry.sessions import settle_dead
from tracker.registry.sweeps.trashed import IN_TRASH, in_trash
from tracker.registry.vanished import dead_sessions


class Wanted(NamedTuple):
    """Names of pipelines, runs and sweeps; filters over pipelines and runs; or everything."""

    names: Sequence[str] = ()
    pipelines: str | None = None
    runs: str | None = None
    everything: bool = False


class Chosen(NamedTuple):
    """Ids: what a bundle is about. The order says nothing."""

    pipelines: frozenset[int]
    runs: frozenset[int]
    sweeps: frozenset[int]


def choose(database: Database, wanted: Wanted) -> Chosen:
    """What is meant. Runs whose process has vanished are recorded as lost first.

    A pipeline comes with all its runs, a run with its pipeline, a sweep with the runs of its
    trials. A sweep all of whose runs are chosen comes along unasked. What is in the trash stays
    there. StateError if a process
    works on one of them, NotFoundError for a name that is not there.
    """
    if not any(wanted):
        raise UnsaidError("Say what: names of pipelines, runs or sweeps, a filter, or everything.")
    with database.read() as session:
        chosen = _chosen(session, wanted)
        vanished = [
            run_id for run_id in _running(session, chosen) if dead_sessions(session, run_id)
        ]
    if not any(chosen):
        raise InvalidError("There is nothing that this describes.")
    if vanished:
        with database.write() as session:
            for run_id in vanished:
                settle_dead(session, run_id)
    return chosen


def refuse_running(session: Session, chosen: Chosen) -> None:
    """StateError if a process works on one of the runs, or on a trial."""
    for run_id in _running(session, chosen):
        name = session.get_one(Run, run_id).name
        raise StateError(f"Run {name!r} is running; `labkeeper stop {name}` first.")
    working = _ids(
        driver_connection(session),
        "SELECT id FROM trials WHERE status = 'running' AND sweep_id IN {0}",
        chosen.sweeps,
    )
    if working:
        sweep = session.get_one(Sweep, session.get_one(Trial, min(working)).sweep_id)
        raise StateError(f"Sweep {sweep.name!r} is running; stop its workers first.")


def _chosen(session: Session, wanted: Wanted) -> Chosen:
    pipelines, runs, sweeps = _named(session, wanted.names)
    if wanted.everything:
        pipelines |= set(session.scalars(select(Pipeline.id).where(Pipeline.deleted.is_(None))))
        runs |= set(session.scalars(select(Run.id).where(Run.deleted.is_(None))))
        sweeps |= set(session.scalars(select(Sweep.id).where(~in_trash())))
    if wanted.pipelines:
        found = list_pipelines(session, filter=wanted.pipelines, archived=None, columns=["name"])
        pipelines |= set(found.ids)
    if wanted.runs:
        runs |= set(find_runs(session, filter=wanted.runs).ids)
    connection = driver_connection(session)
    runs |= _ids(
        connection, "SELECT id FROM runs WHERE deleted IS NULL AND pipeline_id IN {0}", pipelines
    )
    runs |= _ids(
        connection,
        "SELECT runs.id FROM trials JOIN runs ON runs.id = trials.run_id"
        " WHERE runs.deleted IS NULL AND sweep_id IN {0}",
        sweeps,
    )
    pipelines |= _ids(
        connection,
        "SELECT pipeline_id FROM runs WHERE pipeline_id IS NOT NULL AND id IN {0}",
        runs,
    )
    sweeps |= _ids(
        connection,
        "SELECT sweep_id FROM trials JOIN sweeps ON sweeps.id = sweep_id"  # noqa: S608 - a constant
        f" WHERE run_id IS NOT NULL AND NOT {IN_TRASH} GROUP BY sweep_id"
        " HAVING min(run_id IN {0})",
        runs,
    )
    return Chosen(frozenset(pipelines), frozenset(runs), frozenset(sweeps))


def _named(session: Session, names: Iterable[str]) -> tuple[set[int], set[int], set[int]]:
    pipelines: set[int] = set()
    runs: set[int] = set()
    sweeps: set[int] = set()
    for name in names:
        try:
            found = find_named(session, name)
        except NotFoundError:
            sweep = session.scalar(select(Sweep.id).where(Sweep.name == name))
            if sweep is None:
                raise
            sweeps.add(sweep)
        else:
            (pipelines if isinstance(found, Pipeline) else runs).add(found.id)
            # A sweep may be called as its experiment's pipeline; both are meant.
            with suppress(StopIteration):
                sweeps.add(next(iter(session.scalars(select(Sweep.id).where(Sweep.name == name)))))
    return pipelines, runs, sweeps


def _running(session: Session, chosen: Chosen) -> list[int]:
    return sorted(
        _ids(
            driver_connection(session),
            "SELECT id FROM runs WHERE status = 'running' AND id IN {0}",
            chosen.runs,
        )
    )


def _ids(connection: object, question: str, among: Iterable[int]) -> set[int]:
    """The ids that a question about `{0}`, the numbers in `among`, is answered with."""
    text = question.format("(SELECT value FROM json_each(?))")
    rows = connection.execute(text, (json.dumps(sorted(among)),))  # type: ignore[attr-defined]  # the driver has no types
    return {int(number) for (number,) in rows}
