"""The phases, groups and folds of a run's plan, as far as they came."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from tracker.database.kinds import PhaseKind, RunStatus
from tracker.database.tables import Checkpoint, PhaseResult, Series
from tracker.database.types import now
from tracker.errors import InvalidError, NotFoundError


def begin_phase(
    session: Session,
    run_id: int,
    *,
    label: str,
    kind: PhaseKind,
    position: int,
    parent_id: int | None = None,
    resumed: bool = False,
    started: datetime | None = None,
) -> int:
    """Makes a running phase; `position` counts from 0 among the parent's phases.

    It started now, unless told of late.

    A resumed one is the row that stands at this place already, if there is one.
    """
    if resumed:
        found = _at(session, run_id, parent_id, position)
        if found is not None and found.label == label:
            _reopen(session, [found.id])
            return found.id
    phase = PhaseResult(
        run_id=run_id,
        parent_id=parent_id,
        position=position,
        label=label,
        kind=kind,
        status=RunStatus.RUNNING,
        started=started or now(),
    )
    session.add(phase)
    session.flush()
    return phase.id


def set_phase_progress(
    session: Session, phase_id: int, *, epochs: int | None = None, batches: int | None = None
) -> None:
    """How many epochs and batches of the phase are done."""
    session.execute(
        update(PhaseResult).where(PhaseResult.id == phase_id).values(epochs=epochs, batches=batches)
    )


def end_phase(
    session: Session,
    phase_id: int,
    status: RunStatus,
    *,
    epochs: int | None = None,
    batches: int | None = None,
    summary: Any = None,
    results_path: str | None = None,
    ended: datetime | None = None,
) -> None:
    """Ends the phase; `summary` is whatever JSON can hold, `results_path` within the lab."""
    if status in (RunStatus.QUEUED, RunStatus.RUNNING):
        raise InvalidError(f"A phase does not end as {status.value!r}.")
    phase = session.get(PhaseResult, phase_id)
    if phase is None:
        raise NotFoundError("phase result", f"#{phase_id}")
    phase.status, phase.ended = status, ended or now()
    phase.summary, phase.results_path = summary, results_path
    phase.epochs = phase.epochs if epochs is None else epochs
    phase.batches = phase.batches if batches is None else batches


def phases_of(session: Session, run_id: int) -> list[PhaseResult]:
    """The run's phase results in the order in which they began."""
    phases = select(PhaseResult).where(PhaseResult.run_id == run_id).order_by(PhaseResult.id)
    return list(session.scalars(phases))


def newest_phase(session: Session, run_id: int) -> int | None:
    """The id of the phase result that began last."""
    return session.scalar(select(func.max(PhaseResult.id)).where(PhaseResult.run_id == run_id))


def last_epoch(session: Session, run_id: int) -> int | None:
    """The epoch that the training which began last has finished last; None before the first."""
    epochs = session.scalar(
        select(PhaseResult.epochs)
        .where(PhaseResult.run_id == run_id, PhaseResult.kind == PhaseKind.TRAIN)
        .order_by(PhaseResult.id.desc())
        .limit(1)
    )
    return epochs - 1 if epochs else None


def undo_phases_after(session: Session, checkpoint: Checkpoint) -> int:
    """Drops what began after the checkpoint, and reopens what was running then.

    Returns how many were dropped; their metrics go with them.
    """
    newest = checkpoint.newest_phase_id or 0
    dropped = _drop(session, PhaseResult.run_id == checkpoint.run_id, PhaseResult.id > newest)
    _reopen(session, _with_parents(session, checkpoint.phase_result_id))
    return dropped


def undo_phases_beyond(session: Session, run_id: int, step: int) -> int:
    """Drops the phases all of whose points lie beyond `step`; -1 drops every phase.

    For going back to a step at which there is no checkpoint. Call it before the points go.
    """
    if step < 0:
        return _drop(session, PhaseResult.run_id == run_id)
    beyond = (
        select(Series.phase_result_id)
        .where(Series.run_id == run_id, Series.phase_result_id.is_not(None))
        .group_by(Series.phase_result_id)
        .having(func.min(Series.first_step) > step)
    )
    return _drop(session, PhaseResult.id.in_(beyond))


def _at(session: Session, run_id: int, parent_id: int | None, position: int) -> PhaseResult | None:
    return session.scalars(
        select(PhaseResult)
        .where(
            PhaseResult.run_id == run_id,
            PhaseResult.parent_id.is_not_distinct_from(parent_id),
            PhaseResult.position == position,
        )
        .order_by(PhaseResult.id.desc())
    ).first()


def _with_parents(session: Session, phase_id: int | None) -> list[int]:
    found: list[int] = []
    while phase_id is not None:
        found.append(phase_id)
        phase_id = session.scalar(select(PhaseResult.parent_id).where(PhaseResult.id == phase_id))
    return found


def _reopen(session: Session, phase_ids: Iterable[int]) -> None:
    session.execute(
        update(PhaseResult)
        .where(PhaseResult.id.in_(list(phase_ids)))
        .values(status=RunStatus.RUNNING, ended=None, summary=None, results_path=None)
    )


def _drop(session: Session, *which: Any) -> int:
    gone = session.scalars(select(PhaseResult.id).where(*which)).all()
    session.execute(delete(PhaseResult).where(PhaseResult.id.in_(gone)))
    return len(gone)
