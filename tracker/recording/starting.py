"""Beginning to record: a new run, or one that goes on."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.tables import Checkpoint, Experiment, Run
from tracker.recording.environment import Environment, capture
from tracker.recording.place import Place
from tracker.recording.run import RunHandle, RunIdentity
from tracker.recording.session import OpenSession
from tracker.registry.environments import record_environment
from tracker.registry.processes import this_process
from tracker.registry.runs import NewRun, create_run, find_run
from tracker.registry.sessions import NewSession, begin_session


def start_run(
    place: Place,
    *,
    log: str | None = None,
    also: Callable[[Session, NewRun], None] | None = None,
    experiment: str,
    **described: Any,
) -> RunHandle:
    """Makes a run and begins to record it, in one transaction; `also` is part of it.

    `described` is what `registry.runs.create_run` takes: name, params, tags, seed,
    pipeline_id. `log` is where this process writes what it prints, relative to the lab.
    """
    environment = capture(place.root)
    with place.database.write() as session:
        run = create_run(session, experiment=experiment, **described)
        begun = _begin(session, run.id, environment, log=log)
        if also is not None:
            also(session, run)
    return _opened(place, RunIdentity(*run, experiment), begun)


def resume_run(
    place: Place,
    run: Run | str,
    *,
    resume_from: Checkpoint | int | None = None,
    experiment: str | None = None,
    log: str | None = None,
) -> RunHandle:
    """Goes on with a run that is not running.

    `resume_from` is a checkpoint or a step (-1: the beginning): what was recorded beyond it
    goes, in the transaction that begins the session. None keeps everything. StateError if a
    process works on the run.
    """
    environment = capture(place.root)
    with place.database.write() as session:
        found = find_run(session, run, experiment) if isinstance(run, str) else run
        begun = _begin(session, found.id, environment, log=log, resume_from=resume_from)
        named = session.get_one(Experiment, found.experiment_id).name
    return _opened(place, RunIdentity(found.id, found.uuid, found.name, named), begun)


def _begin(session: Session, run_id: int, environment: Environment, **options: Any) -> NewSession:
    return begin_session(
        session,
        run_id,
        this_process(),
        record_environment(session, environment.hash, asdict(environment)),
        command=shlex.join(sys.orig_argv),
        **options,
    )


def _opened(place: Place, identity: RunIdentity, begun: NewSession) -> RunHandle:
    """Once the transaction is committed: what goes on beside the caller's code begins."""
    handle = RunHandle(place, identity, OpenSession(place, identity.id, begun.id))
    for file in begun.files:
        place.files.remove(file)
    return handle
