"""Out of the way of lists, and back."""

from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.orm import Session

from tracker.database.tables import Run
from tracker.database.types import now
from tracker.registry.keeping.change import Change
from tracker.registry.keeping.choosing import Chosen, listed, refuse_running, run_label
from tracker.registry.pipelines import set_archived


def archive(session: Session, chosen: Chosen) -> Change:
    """Archives all of them, or none: StateError if one is running.

    What is archived already stays as it is, and is not in the answer.
    """
    refuse_running(session, chosen, "archive")
    return _set(session, chosen, archived=True)


def unarchive(session: Session, chosen: Chosen) -> Change:
    """Brings all of them back to the lists.

    The runs of a pipeline come back with it, except those that were archived before it and
    are not meant themselves. What is not archived is not in the answer.
    """
    return _set(session, chosen, archived=False)


def _set(session: Session, chosen: Chosen, *, archived: bool) -> Change:
    """Puts all of them where they belong; tells only of those that were elsewhere."""
    pipelines = [row for row in chosen.pipelines if (row.archived is None) is archived]
    runs = [row for row in chosen.all_runs if (row.archived is None) is archived]
    for pipeline in pipelines:
        set_archived(session, pipeline, archived=archived)
    ids = listed(row.id for row in chosen.runs if row in runs)
    moment = now() if archived else None
    session.execute(update(Run).where(Run.id.in_(ids)).values(archived=moment))
    session.flush()
    return Change([row.name for row in pipelines], _moved(session, runs, archived=archived))


def _moved(session: Session, runs: Sequence[Run], *, archived: bool) -> list[str]:
    for run in runs:
        session.refresh(run)
    return [run_label(session, run) for run in runs if (run.archived is not None) is archived]
