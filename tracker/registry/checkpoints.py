"""The files that a run can go back to.

A file is written and synced before it is registered, and its path is never written to
again. One that is no longer wanted is first marked as removed, and deleted only when that
is committed: a crash between the two leaves a file too many (`labkeeper doctor` deletes
it), never a registered file too few.
"""

import math
from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, exists, or_, select, update
from sqlalchemy.orm import Session

from tracker.database.kinds import CheckpointKind, Goal, RunStatus
from tracker.database.tables import Checkpoint, PhaseResult, Pipeline, Run
from tracker.database.types import now
from tracker.errors import InvalidError, NotFoundError, StateError
from tracker.files import StoredFile
from tracker.filters.goals import goal_of
from tracker.registry.phases import newest_phase


def register_checkpoint(
    session: Session,
    run_id: int,
    file: StoredFile,
    *,
    name: str,
    kind: CheckpointKind = CheckpointKind.STATE,
    **details: Any,
) -> int:
    """Registers a file that is written and synced; returns the checkpoint's id.

    `details`: step, epoch, batch, phase_result_id, metric, value, best_id, pinned. The very
    same file registered before keeps its row; another content at its path is an
    InvalidError.
    """
    before = session.scalar(
        select(Checkpoint).where(Checkpoint.path == file.path, Checkpoint.removed.is_(None))
    )
    if before is not None:
        if (before.sha256, before.run_id) == (file.sha256, run_id):
            return before.id
        raise InvalidError(
            f"{file.path} is registered with another content: a checkpoint is never overwritten."
        )
    checkpoint = Checkpoint(
        run_id=run_id,
        name=name,
        kind=kind,
        path=file.path,
        bytes=file.bytes,
        sha256=file.sha256,
        newest_phase_id=newest_phase(session, run_id),
        **details,
    )
    session.add(checkpoint)
    session.flush()
    return checkpoint.id


def checkpoints_of(
    session: Session, run_id: int, kind: CheckpointKind | None = None
) -> list[Checkpoint]:
    """The run's checkpoints whose files are there, newest first."""
    chosen = _kept(run_id)
    if kind is not None:
        chosen = chosen.where(Checkpoint.kind == kind)
    return list(session.scalars(chosen))


def candidates(session: Session, run_id: int) -> list[Checkpoint]:
    """What the run could go on from, newest first: try the next where one is damaged."""
    states = _kept(run_id).where(
        Checkpoint.kind == CheckpointKind.STATE, Checkpoint.abandoned.is_(None)
    )
    return list(session.scalars(states))


def had_checkpoint(session: Session, run_id: int, *, every: int) -> bool:
    """Whether there was something to go on from, whatever has become of it.

    `every`: after how many epochs one was written. What was removed tells it; and so does what was
    recorded, where the files never came along, as in a bundle without checkpoints.
    """
    removed = exists().where(
        Checkpoint.run_id == run_id,
        Checkpoint.kind != CheckpointKind.BEST,
        Checkpoint.abandoned.is_(None),
    )
    recorded = exists().where(
        PhaseResult.run_id == run_id,
        or_(PhaseResult.status == RunStatus.FINISHED, PhaseResult.epochs > every),
    )
    return bool(session.scalar(select(or_(removed, recorded))))


def find_checkpoint(session: Session, run_id: int, which: str | int) -> Checkpoint:
    """The run's checkpoint called so, of that epoch, or simply the `last` or `best`.

    `best` is the newest file of best weights; without one, the state that was saved with the
    best value of what was monitored. An epoch has its newest state.
    """
    chosen = _kept(run_id)
    if isinstance(which, int):
        chosen = chosen.where(Checkpoint.epoch == which, Checkpoint.kind == CheckpointKind.STATE)
    elif which == "best":
        chosen = chosen.where(Checkpoint.kind == CheckpointKind.BEST)
    elif which == "last":
        chosen = chosen.where(Checkpoint.kind != CheckpointKind.BEST)
    else:
        chosen = chosen.where(Checkpoint.name == which)
    found = session.scalars(chosen.where(Checkpoint.abandoned.is_(None)).limit(1)).first()
    if found is None and which == "best":
        found = _best_state(session, run_id)
    if found is None:
        if isinstance(which, int):
            states = checkpoints_of(session, run_id, CheckpointKind.STATE)
            raise NotFoundError(
                "checkpoint", f"epoch {which}", [f"epoch {row.epoch}" for row in states]
            )
        names = [checkpoint.name for checkpoint in checkpoints_of(session, run_id)]
        raise NotFoundError(
            "checkpoint", which, {*names, "best", "last"} - {which} if names else ()
        )
    return found


def set_pinned(session: Session, checkpoint_id: int, *, pinned: bool) -> None:
    """A pinned checkpoint is never retired."""
    session.execute(update(Checkpoint).where(Checkpoint.id == checkpoint_id).values(pinned=pinned))


def pin(session: Session, run_id: int, which: str | int) -> Checkpoint:
    """Pins the checkpoint that `find_checkpoint` finds: it is never retired."""
    found = find_checkpoint(session, run_id, which)
    set_pinned(session, found.id, pinned=True)
    return found


def unpin(session: Session, run_id: int, which: Collection[str | int] = ()) -> list[Checkpoint]:
    """Takes the pins off: of these (by name, epoch, `last` or `best`), or of all the run's.

    NotFoundError for one that is not pinned.
    """
    pinned = [row for row in checkpoints_of(session, run_id) if row.pinned]
    found = [_pinned(session, run_id, pinned, each) for each in which] if which else pinned
    for row in found:
        set_pinned(session, row.id, pinned=False)
    return found


def _pinned(
    session: Session, run_id: int, pinned: list[Checkpoint], which: str | int
) -> Checkpoint:
    # One that belongs to a history that is gone is found by no other name.
    own = next((row for row in pinned if which in (row.name, row.epoch)), None)
    if own is None and which in ("last", "best"):
        named = find_checkpoint(session, run_id, which)
        own = named if named in pinned else None
    if own is None:
        wanted = f"epoch {which}" if isinstance(which, int) else which
        raise NotFoundError("pinned checkpoint", wanted, [row.name for row in pinned])
    return own


def retire(
    session: Session, run_id: int, ids: Collection[int], *, to_the_last: bool = False
) -> list[str]:
    """Marks checkpoints of the run as removed; returns the files to delete after the commit.

    Left alone are pinned ones, files that a state which stays goes on from, and others'
    checkpoints. StateError if the run would be left without a state to go on from,
    unless it may go `to_the_last`.
    """
    kept = checkpoints_of(session, run_id)
    gone = _removable(kept, ids)
    states = [row for row in gone if _can_go_on(row)]
    if states and not to_the_last and not any(map(_can_go_on, set(kept) - set(gone))):
        names = ", ".join(row.name for row in states)
        raise StateError(f"{names} is the last state that the run can go on from; it stays.")
    return _remove(gone)


def abandon_beyond(
    session: Session, run_id: int, step: int, *, newer_than: Checkpoint | None = None
) -> list[str]:
    """The run goes on from `step`: states beyond it belong to a history that is gone.

    So do those of the same step that came after the checkpoint it goes on from.

    Returns the files to delete after the commit; pinned ones stay, but nothing goes on from
    them unasked. -1 abandons all.
    """
    kept = checkpoints_of(session, run_id)
    beyond = [
        row
        for row in kept
        if (row.step or 0) > step or (newer_than is not None and row.id > newer_than.id)
    ]
    moment = now()
    for row in beyond:
        row.abandoned = row.abandoned or moment
    return _remove(_removable(kept, [row.id for row in beyond]))


def _best_state(session: Session, run_id: int) -> Checkpoint | None:
    """The state with the best value, of those that have one; the newest where none has."""
    states = candidates(session, run_id)
    valued = [row for row in states if row.value is not None and not math.isnan(row.value)]
    if not valued:
        return states[0] if states else None
    goal = _said_mode(session, run_id) or goal_of(session, valued[0].metric or "")
    best = max if goal == Goal.MAX else min
    return best(valued, key=lambda row: row.value or 0.0)


def _said_mode(session: Session, run_id: int) -> str | None:
    """Whether the configuration of the run's pipeline says that low or high is better."""
    config = session.scalar(
        select(Pipeline.config).join(Run, Run.pipeline_id == Pipeline.id).where(Run.id == run_id)
    )
    mode = ((config or {}).get("strategy") or {}).get("mode")
    return None if mode is None else str(mode)


def _kept(run_id: int) -> Select[Checkpoint]:
    return (
        select(Checkpoint)
        .where(Checkpoint.run_id == run_id, Checkpoint.removed.is_(None))
        .order_by(Checkpoint.id.desc())
    )


def _can_go_on(row: Checkpoint) -> bool:
    return row.kind == CheckpointKind.STATE and row.abandoned is None


def _removable(kept: list[Checkpoint], ids: Collection[int]) -> list[Checkpoint]:
    gone = [row for row in kept if row.id in ids and not row.pinned]
    while True:
        needed = {row.best_id for row in kept if row not in gone}
        if not any(row.id in needed for row in gone):
            return gone
        # What stays for another's sake needs its own.
        gone = [row for row in gone if row.id not in needed]


def _remove(rows: list[Checkpoint]) -> list[str]:
    moment = now()
    for row in rows:
        row.removed = moment
    return [row.path for row in rows]
