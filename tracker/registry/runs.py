"""Runs: made, found, moved along, ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, PhaseResult, Run
from tracker.database.types import now, stored
from tracker.errors import InvalidError, NotFoundError, TakenError
from tracker.registry.names import checked_name, free_name
from tracker.registry.params import store_params
from tracker.registry.tags import add_tags

# So many names are compared for a suggestion; comparing them all could take seconds.
SUGGESTIONS_FROM = 2_000
SHORTEST_PREFIX = 4

_NAMED = "SELECT id FROM runs WHERE experiment_id = ? AND name = ? AND deleted IS NULL"


class NewRun(NamedTuple):
    """What the caller needs to write into a run it has made."""

    id: int
    uuid: str
    name: str


def create_run(
    session: Session,
    *,
    name: str,
    experiment: str,
    pipeline_id: int | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Iterable[str] = (),
    seed: int | None = None,
) -> NewRun:
    """Makes a queued run; a session makes it a running one.

    A name that is taken in the experiment gets `-2`, `-3` and so on. The experiment is
    made if it is not there.
    """
    experiment_id = ensure_experiment(session, experiment)
    connection = driver_connection(session)

    def taken(wanted: str) -> bool:
        return bool(connection.execute(_NAMED, (experiment_id, wanted)).fetchone())

    free = free_name(checked_name("run", name), taken)
    uuid = uuid4().hex
    run_id = connection.execute(
        "INSERT INTO runs (uuid, name, experiment_id, pipeline_id, status, seed, created)"
        " VALUES (?, ?, ?, ?, 'queued', ?, ?)",
        (uuid, free, experiment_id, pipeline_id, seed, stored(now())),
    ).lastrowid
    store_params(session, run_id, params or {})
    add_tags(session, tags, run_id=run_id)
    return NewRun(run_id, uuid, free)


def ensure_experiment(session: Session, name: str) -> int:
    """The id of the experiment with this name; makes it if it is not there."""
    connection = driver_connection(session)
    found = connection.execute("SELECT id FROM experiments WHERE name = ?", (name,)).fetchone()
    if found is not None:
        return int(found[0])
    return session.scalars(
        insert(Experiment).returning(Experiment.id),
        {"name": checked_name("experiment", name), "created": now()},
    ).one()


def find_run(session: Session, name: str, experiment: str | None = None) -> Run:
    """The run with this name, this uuid, or this beginning of a uuid.

    `experiment/name` says which where several experiments have a run of that name; so
    does `experiment`. InvalidError if several are meant, NotFoundError if none is.
    """
    for matching in _meanings(name, experiment):
        found = session.scalars(matching.limit(5)).all()
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(session, name, found)
    raise NotFoundError("run", name, newest_names(session))


def newest_names(session: Session) -> Sequence[str]:
    """The names that are suggested for one that is not there."""
    newest = select(Run.name).where(Run.deleted.is_(None)).order_by(Run.id.desc())
    return session.scalars(newest.limit(SUGGESTIONS_FROM)).all()


def get_run(session: Session, run_id: int) -> Run:
    """The run with this id; NotFoundError if it is gone."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFoundError("run", f"#{run_id}")
    return run


def set_progress(
    session: Session,
    run_id: int,
    *,
    phase: str | None = None,
    epoch: int | None = None,
    batch: int | None = None,
) -> None:
    """How far the run is. What is not said, is not known any more."""
    session.execute(
        update(Run).where(Run.id == run_id).values(phase=phase, epoch=epoch, batch=batch)
    )


def set_note(session: Session, run_id: int, note: str | None) -> None:
    """Replaces the run's note; an empty one takes it away."""
    session.execute(update(Run).where(Run.id == run_id).values(note=note or None))


def rename_run(session: Session, run_id: int, name: str) -> None:
    """TakenError if another run of the experiment has that name."""
    run = get_run(session, run_id)
    other = _id_of(session, checked_name("run", name), run.experiment_id)
    if other not in (None, run_id):
        raise TakenError(f"There is a run named {name!r} in this experiment already.")
    run.name = name


def finish_run(
    session: Session,
    run_id: int,
    status: RunStatus,
    *,
    reason: str | None = None,
    traceback: str | None = None,
    ended: datetime | None = None,
) -> None:
    """Ends the run, and those of its phases that are still running, with this status."""
    if status in (RunStatus.QUEUED, RunStatus.RUNNING):
        raise InvalidError(f"A run does not end as {status.value!r}.")
    ended = ended or now()
    session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values(status=status, reason=reason, traceback=traceback, ended=ended)
    )
    session.execute(
        update(PhaseResult)
        .where(PhaseResult.run_id == run_id, PhaseResult.status == RunStatus.RUNNING)
        .values(status=status, ended=ended)
    )


def _id_of(session: Session, name: str, experiment_id: int) -> int | None:
    return session.scalar(
        select(Run.id).where(
            Run.experiment_id == experiment_id, Run.name == name, Run.deleted.is_(None)
        )
    )


def _meanings(name: str, experiment: str | None) -> Iterator[Select[Run]]:
    """What a name can mean, the first that is there being meant."""
    runs = _visible() if experiment is None else _within(experiment)
    yield runs.where(Run.name == name)
    if experiment is None:
        # Both names may have slashes of their own.
        for place in (place for place, letter in enumerate(name) if letter == "/"):
            yield _within(name[:place]).where(Run.name == name[place + 1 :])
    prefix = name.lower()
    if len(prefix) >= SHORTEST_PREFIX and set(prefix) <= set("0123456789abcdef"):
        # A range, so that the index is used; `g` follows every hexadecimal digit.
        yield runs.where(Run.uuid >= prefix, Run.uuid < f"{prefix}g")


def _visible() -> Select[Run]:
    return select(Run).where(Run.deleted.is_(None))


def _within(experiment: str) -> Select[Run]:
    return (
        _visible()
        .join(Experiment, Experiment.id == Run.experiment_id)
        .where(Experiment.name == experiment)
    )


def _ambiguous(session: Session, name: str, runs: Sequence[Run]) -> InvalidError:
    names = dict(session.execute(select(Experiment.id, Experiment.name)).all())
    listed = ", ".join(f"{names[run.experiment_id]}/{run.name} ({run.uuid[:8]})" for run in runs)
    return InvalidError(f"{name!r} could be more than one run: {listed}. Say which.")
