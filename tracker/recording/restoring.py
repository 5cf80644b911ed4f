"""Going on with a recorded engine experiment, in another process perhaps."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from tracker.database.tables import Checkpoint
from tracker.errors import DamagedFileError, StateError
from tracker.files import StoredFile
from tracker.recording.place import Place
from tracker.recording.run import RunHandle
from tracker.recording.starting import resume_run
from tracker.registry.checkpoints import candidates
from tracker.registry.runs import find_run

if TYPE_CHECKING:
    from engine.experiment import Experiment


def resume_tracked(place: Place, experiment: "Experiment", name: str, collection: str) -> RunHandle:
    """Restores the run's last good checkpoint, and begins a session that goes on from it.

    `collection` is the lab's experiment that the run belongs to. Damaged checkpoints are
    warned of.
    """
    with place.database.read() as session:
        run = find_run(session, name, collection)
        checkpoint, damaged = last_good(place, session, run.id)
    for line in damaged:
        warnings.warn(line, stacklevel=4)
    if checkpoint is None:
        raise StateError(
            f"Run {name!r} has no checkpoint to go on from; record a new run with `lab.track`."
        )
    restore(place, checkpoint, experiment)
    return resume_run(place, run, resume_from=checkpoint)


def restore(place: Place, checkpoint: Checkpoint, experiment: "Experiment") -> None:
    """Takes the state back from the checkpoint's file, with the trust that it has earned."""
    with trusting(place, checkpoint) as trusted:
        path = place.files.path(checkpoint.path)
        experiment.restore_checkpoint(path, sha256=checkpoint.sha256, trusted=trusted)


@contextmanager
def trusting(place: Place, checkpoint: Checkpoint) -> Iterator[bool]:
    """Whether estimators of any type may be rebuilt from the checkpoint's files.

    They may if this lab wrote and hashed them, not if they came in a bundle that nobody has
    said to be trustworthy: then what is refused in the block becomes a StateError.
    """
    from engine.errors import UntrustedTypesError  # noqa: PLC0415 - recording alone needs no engine

    try:
        yield place.files.is_trusted(checkpoint.path)
    except UntrustedTypesError as error:
        raise StateError(
            f"Checkpoint {checkpoint.name!r} came in a bundle, and holds an estimator of types"
            " that are not known to be safe. If you know who wrote it, `labkeeper transfer trust`"
            " its pipeline or run."
        ) from error


def last_good(
    place: Place, session: Session, run_id: int, *, of_training: bool = False
) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and a line for each newer one that is not.

    `of_training`: one in which a training can go on for longer, if there is any.
    """
    damaged = []
    states = candidates(session, run_id)
    if of_training:
        states = [row for row in states if row.epoch is not None] or states
    for checkpoint in states:
        needed = [checkpoint]
        if checkpoint.best_id is not None:
            needed.append(session.get_one(Checkpoint, checkpoint.best_id))
        try:
            for row in needed:
                place.files.verify(StoredFile(row.path, row.bytes, row.sha256))
        except DamagedFileError as error:
            damaged.append(f"Checkpoint {checkpoint.name!r} is left out: {error}")
            continue
        return checkpoint, damaged
    return None, damaged
