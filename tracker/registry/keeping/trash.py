"""To the trash, and back.

What is in the trash is there with everything it had, but in no list, and its name is free. A
pipeline takes its runs along: they have its moment of deletion, and come back with it.
"""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tracker.database.tables import Pipeline, Run
from tracker.database.types import now
from tracker.errors import InvalidError, StateError, TakenError
from tracker.files import LabFiles
from tracker.registry.keeping.change import Change
from tracker.registry.keeping.choosing import Chosen, listed, refuse_running, run_label
from tracker.registry.keeping.holdings import holdings
from tracker.registry.names import checked_name, free_name
from tracker.registry.pipelines import find_twins


def delete(session: Session, files: LabFiles, chosen: Chosen) -> Change:
    """Puts all of them into the trash, or none: StateError if one is running."""
    refuse_running(session, chosen, "delete")
    held = holdings(session, files, [run.id for run in chosen.all_runs])
    moment = now()
    for table, ids in (
        (Pipeline, listed(row.id for row in chosen.pipelines)),
        (Run, listed(row.id for row in chosen.all_runs)),
    ):
        session.execute(update(table).where(table.id.in_(ids)).values(deleted=moment))
    return Change(
        [row.name for row in chosen.pipelines],
        [run_label(session, row) for row in chosen.all_runs],
        len(held.paths),
        held.bytes,
    )


def restore(
    session: Session, chosen: Chosen, *, name: str | None = None, force: bool = False
) -> Change:
    """Takes all of them out of the trash, or none.

    With their own names, or the one thing that is chosen with `name`. TakenError if a name is
    taken meanwhile, or a pipeline's configuration, unless `force` allows the twin. A
    pipeline's runs come back with it; of these, one whose name is taken gets `-2`.
    """
    if name is not None and len(chosen.pipelines) + len(chosen.runs) != 1:
        raise InvalidError(f"Only one can be called {name!r}; restore them one by one.")
    for pipeline in chosen.pipelines:
        _restore_pipeline(session, pipeline, name, force=force)
    for run in chosen.runs:
        _restore_run(session, run, name)
    with_them = [run for run in chosen.theirs if run.deleted is None]
    back = sorted([*chosen.runs, *with_them], key=lambda run: run.id)
    return Change([row.name for row in chosen.pipelines], [run_label(session, run) for run in back])


def _restore_pipeline(
    session: Session, pipeline: Pipeline, name: str | None, *, force: bool
) -> None:
    wanted = pipeline.name if name is None else checked_name("pipeline", name)
    taken = select(Pipeline.id).where(Pipeline.name == wanted, Pipeline.deleted.is_(None))
    if session.scalar(taken) is not None:
        raise _taken("pipeline", wanted)
    twins = [] if force else find_twins(session, pipeline.config_hash)
    if twins:
        raise TakenError(
            f"{wanted!r} would be the same as pipeline {twins[0].name!r}: same configuration, same "
            "code. Use that one, or --force a twin."
        )
    went, pipeline.deleted, pipeline.name = pipeline.deleted, None, wanted
    session.flush()
    with_it = select(Run).where(Run.pipeline_id == pipeline.id, Run.deleted == went)
    for run in session.scalars(with_it.order_by(Run.id)).all():
        run.name = free_name(run.name, lambda name, run=run: is_taken(session, run, name))  # type: ignore[misc]  # mypy sees no types in a lambda's defaults
        run.deleted = None
        session.flush()


def _restore_run(session: Session, run: Run, name: str | None) -> None:
    if run.deleted is None:  # It came with its pipeline.
        return
    of = None if run.pipeline_id is None else session.get_one(Pipeline, run.pipeline_id)
    if of is not None and of.deleted is not None:
        raise StateError(
            f"Run {run_label(session, run)!r} belongs to the pipeline {of.name!r}, which is in the "
            f"trash; `labkeeper restore {of.name}` brings it back."
        )
    wanted = run.name if name is None else checked_name("run", name)
    if is_taken(session, run, wanted):
        raise _taken("run", wanted)
    run.name, run.deleted = wanted, None
    session.flush()


def is_taken(session: Session, run: Run, name: str) -> bool:
    """Whether another run of its experiment, which is not in the trash, has the name."""
    visible = select(Run.id).where(
        Run.experiment_id == run.experiment_id, Run.name == name, Run.deleted.is_(None)
    )
    return session.scalar(visible) is not None


def _taken(kind: str, name: str) -> TakenError:
    return TakenError(
        f"There is a {kind} named {name!r} already. Restore it under another name with "
        f"`labkeeper restore {name} --as NAME`, or rename the other."
    )
