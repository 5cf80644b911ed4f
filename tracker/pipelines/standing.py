"""Where a pipeline stands: its run, what that was asked to do, what it can go on from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint, Pipeline, Run
from tracker.errors import DamagedFileError, StateError
from tracker.files import StoredFile
from tracker.pipelines.recipes.base import policy_of
from tracker.recording.place import Place
from tracker.recording.restoring import last_good
from tracker.registry.checkpoints import candidates, had_checkpoint
from tracker.registry.params import read_params
from tracker.registry.pipelines import current_run, find_pipeline, refuse_archived
from tracker.registry.sessions import sessions_of
from tracker.registry.vanished import dead_sessions


@dataclass(frozen=True)
class Standing:
    """A pipeline as the record has it; `run` is the one that training carries on, if any."""

    pipeline: Pipeline
    run: Run | None
    params: Mapping[str, Any]  # of the run, by dotted key
    running: str | None  # who is working on it, in words
    candidates: list[Checkpoint] = field(default_factory=list)  # to go on from, newest first


def look_up(place: Place, name: str) -> Standing:
    """Where the pipeline of this name stands; changes nothing."""
    with place.database.read() as session:
        pipeline = find_pipeline(session, name)
        run = current_run(session, pipeline)
        if run is None:
            return Standing(pipeline, None, {}, None)
        dead = dead_sessions(session, run.id) if run.status is RunStatus.RUNNING else []
        working = None
        if run.status is RunStatus.RUNNING and not dead:
            last = sessions_of(session, run.id)[-1]
            working = f"process {last.pid} on {last.host}"
        return Standing(
            pipeline,
            run,
            read_params(session, [run.id])[run.id],
            working,
            candidates(session, run.id),
        )


def ready_to_train(place: Place, name: str) -> Standing:
    """The same of a pipeline that can be trained; StateError if it is archived or running."""
    standing = look_up(place, name)
    refuse_archived(standing.pipeline)
    if standing.running is not None:
        raise StateError(
            f"Pipeline {name!r} is running already: {standing.running} works on it."
            f" `labkeeper stop {name}` asks it to stop."
        )
    return standing


def to_go_on_from(
    place: Place, standing: Standing, *, to_train_on: bool = False
) -> tuple[Checkpoint | None, list[str]]:
    """The run's newest checkpoint whose files are whole, and what to say of damaged ones.

    `to_train_on`: in a training, which is to have more epochs, and not after it.
    None where there never was a checkpoint. StateError where there is none any more, and
    DamagedFileError where all that there are are damaged: what was recorded is not begun anew.
    """
    if standing.run is None:
        return None, []
    every = policy_of(standing.pipeline.config.get("strategy") or {}).every
    with place.database.read() as session:
        checkpoint, damaged = last_good(place, session, standing.run.id, of_training=to_train_on)
        gone = checkpoint is None and had_checkpoint(session, standing.run.id, every=every)
    if gone and not damaged:
        name = standing.pipeline.name
        raise StateError(
            f"{name!r} has a history and no checkpoint to go on from: it was removed, or did not"
            f" come along. `labkeeper train --fresh {name}` starts another run."
        )
    if damaged and checkpoint is None:
        raise DamagedFileError(
            f"{damaged[0]} There is no other checkpoint of {standing.pipeline.name!r};"
            f" `labkeeper train --fresh {standing.pipeline.name}` starts another run."
        )
    if damaged and checkpoint is not None:
        damaged.append(f"Going on from checkpoint {checkpoint.name!r} instead.")
    return checkpoint, damaged


def verify(place: Place, checkpoint: Checkpoint) -> None:
    """DamagedFileError if the checkpoint's file is not what was written."""
    place.files.verify(StoredFile(checkpoint.path, checkpoint.bytes, checkpoint.sha256))
