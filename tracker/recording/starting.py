"""Beginning to record: a new run, or one that goes on."""

import shlex
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.tables import Checkpoint, Experiment, Run
from tracker.recording.environment import Environment, capture
from tracker.recording.place import Place
from tracker.recording.run import RunHandle, RunIdentity
from tracker.recording.session import OpenSession
from tracker.registry.beginnings import begin_first_session, known_environment
from tracker.registry.environments import record_environment
from tracker.registry.processes import this_process
from tracker.registry.runs import NewRun, create_run, find_run
from tracker.registry.sessions import begin_session


def start_run(
    place: Place,
    *,
    log: str | None = None,
    also: Callable[[Session, NewRun], None] | None = None,
    environment: Environment | None = None,
    experiment: str,
    **described: Any,
) -> RunHandle:
    """Makes a run and begins to record it, in one transaction; `also` is part of it.

    `described` is what `registry.runs.create_run` takes: name, params, tags, seed,
    pipeline_id. `log` is where this process writes what it prints, relative to the lab;
    `environment` is what `capture` said of it before, if it did.
    """
    environment = environment or capture(place.root)
    with place.database.write() as session:
        run = create_run(session, experiment=experiment, **described)
        session_id = begin_first_session(
            session,
            run.id,
            this_process(),
            _recorded(session, environment),
            command=shlex.join(sys.orig_argv),
            log=log,
        )
        if also is not None:
            also(session, run)
    return RunHandle(place, RunIdentity(*run, experiment), OpenSession(place, run.id, session_id))


def resume_run(
    place: Place,
    run: Run | str,
    *,
    resume_from: Checkpoint | int | None = None,
    experiment: str | None = None,
    log: str | None = None,
    also: Callable[[Session], None] | None = None,
    environment: Environment | None = None,
) -> RunHandle:
    """Goes on with a run that is not running.

    `resume_from` is a checkpoint or a step (-1: the beginning): what was recorded beyond it
    goes, in the transaction that begins the session. None keeps everything. `log`, `also`
    and `environment` are as in `start_run`. StateError if a process works on the run.
    """
    environment = environment or capture(place.root)
    with place.database.write() as session:
        # By its uuid: whoever read it, did so before this transaction.
        found = find_run(session, run if isinstance(run, str) else run.uuid, experiment)
        begun = begin_session(
            session,
            found.id,
            this_process(),
            _recorded(session, environment),
            resume_from=resume_from,
            command=shlex.join(sys.orig_argv),
            log=log,
        )
        if also is not None:
            also(session)
        named = session.get_one(Experiment, found.experiment_id).name
    identity = RunIdentity(found.id, found.uuid, found.name, named)
    handle = RunHandle(place, identity, OpenSession(place, found.id, begun.id))
    for file in begun.files:
        place.files.remove(file)
    return handle


def _recorded(session: Session, environment: Environment) -> int:
    known = known_environment(session, environment.hash)
    if known is not None:
        return known
    return record_environment(session, environment.hash, environment.facts)
