"""Pipelines: registered once, found, carried on, put out of the way."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Pipeline, Run
from tracker.database.types import now
from tracker.errors import NotFoundError, StateError, TakenError
from tracker.registry.names import checked_name
from tracker.registry.runs import ensure_experiment, get_run
from tracker.registry.sessions import settle_dead
from tracker.registry.tags import add_tags


def register_pipeline(
    session: Session,
    *,
    name: str,
    experiment: str,
    recipe: str,
    config: Mapping[str, Any],
    config_hash: str,
    tags: Iterable[str] = (),
    force: bool = False,
) -> Pipeline:
    """Stores a new pipeline; what it is never changes afterwards.

    TakenError if the name is taken, or if a pipeline has the same configuration (archived
    ones count, those in the trash do not), unless `force` allows the twin. Nobody can come
    between the question and the answer, because both are in the transaction that inserts.
    """
    checked_name("pipeline", name)
    refuse_taken_name(session, name)
    if not force:
        _refuse_twin(session, name, config_hash)
    pipeline = Pipeline(
        name=name,
        experiment_id=ensure_experiment(session, experiment),
        recipe=recipe,
        config=dict(config),
        config_hash=config_hash,
    )
    session.add(pipeline)
    session.flush()
    add_tags(session, tags, pipeline_id=pipeline.id)
    return pipeline


def find_pipeline(session: Session, name: str) -> Pipeline:
    """The pipeline of this name, archived or not; NotFoundError suggests the nearest."""
    pipeline = session.scalar(_visible().where(Pipeline.name == name))
    if pipeline is None:
        raise NotFoundError("pipeline", name, all_names(session))
    return pipeline


def all_names(session: Session) -> Sequence[str]:
    """The names of all pipelines, archived ones too."""
    return session.scalars(select(Pipeline.name).where(Pipeline.deleted.is_(None))).all()


def find_twins(session: Session, config_hash: str) -> list[Pipeline]:
    """The pipelines with this configuration, archived ones too, the oldest first."""
    return list(session.scalars(_with_hash(config_hash)))


def current_run(session: Session, pipeline: Pipeline) -> Run | None:
    """The run that training carries on.

    None before the first, after a `fresh` start, and while the run is in the trash.
    """
    if pipeline.current_run_id is None:
        return None
    run = session.get(Run, pipeline.current_run_id)
    if run is None or run.deleted is not None:
        return None
    # The id of a run that is gone may be used again.
    return run if run.pipeline_id == pipeline.id else None


def select_current_runs(pipeline_ids: Any) -> Select[int]:
    """The ids of these pipelines' current runs, in no order."""
    return (
        select(Run.id)
        .join(Pipeline, (Pipeline.current_run_id == Run.id) & (Pipeline.id == Run.pipeline_id))
        .where(Pipeline.id.in_(pipeline_ids), Run.deleted.is_not_distinct_from(Pipeline.deleted))
    )


def set_current_run(session: Session, pipeline: Pipeline, run_id: int | None) -> None:
    """From now on training carries this run on; None: the next training makes a new one."""
    if run_id is not None and get_run(session, run_id).pipeline_id != pipeline.id:
        raise StateError(f"That run does not belong to the pipeline {pipeline.name!r}.")
    pipeline.current_run_id = run_id


def runs_of_pipeline(session: Session, pipeline_id: int) -> list[Run]:
    """The pipeline's runs, the oldest first."""
    runs = select(Run).where(Run.pipeline_id == pipeline_id, Run.deleted.is_(None))
    return list(session.scalars(runs.order_by(Run.id)))


def rename_pipeline(session: Session, pipeline: Pipeline, name: str) -> None:
    """TakenError if another pipeline has that name."""
    if name != pipeline.name:
        refuse_taken_name(session, checked_name("pipeline", name))
    pipeline.name = name


def set_note(pipeline: Pipeline, note: str | None) -> None:
    """Replaces the pipeline's note; an empty one takes it away."""
    pipeline.note = note or None


def set_archived(session: Session, pipeline: Pipeline, *, archived: bool) -> None:
    """Takes the pipeline and its runs out of the way of lists, or back.

    Runs that were archived before it stay so when it comes back. StateError while it is
    running.
    """
    if archived:
        _refuse_running(session, pipeline)
    if archived == (pipeline.archived is not None):
        return
    runs = update(Run).where(Run.pipeline_id == pipeline.id, Run.deleted.is_(None))
    if archived:
        moment = now()
        session.execute(runs.where(Run.archived.is_(None)).values(archived=moment))
    else:
        moment = None
        session.execute(runs.where(Run.archived == pipeline.archived).values(archived=None))
    pipeline.archived = moment


def refuse_archived(pipeline: Pipeline) -> None:
    """StateError if the pipeline is archived: it must come back before it is trained."""
    if pipeline.archived is not None:
        raise StateError(
            f"Pipeline {pipeline.name!r} is archived; `labkeeper unarchive {pipeline.name}` first."
        )


def refuse_taken_name(session: Session, name: str) -> None:
    """TakenError if there is a pipeline of this name, archived or not."""
    other = session.scalar(_visible().where(Pipeline.name == name))
    if other is not None:
        archived = " (archived)" if other.archived else ""
        raise TakenError(f"There is a pipeline named {name!r} already{archived}; choose another.")


def _refuse_twin(session: Session, name: str, config_hash: str) -> None:
    twin = session.scalars(_with_hash(config_hash)).first()
    if twin is not None:
        archived = ", which is archived" if twin.archived else ""
        raise TakenError(
            f"{name!r} would be the same as pipeline {twin.name!r}{archived}: same configuration, "
            "same code. Use that one, or --force a twin."
        )


def _refuse_running(session: Session, pipeline: Pipeline) -> None:
    for run in runs_of_pipeline(session, pipeline.id):
        if run.status is RunStatus.RUNNING:
            settle_dead(session, run.id)
        if run.status is RunStatus.RUNNING:
            raise StateError(
                f"Pipeline {pipeline.name!r} is running; `labkeeper stop {pipeline.name}` first."
            )


def _with_hash(config_hash: str) -> Select[Pipeline]:
    return _visible().where(Pipeline.config_hash == config_hash).order_by(Pipeline.id)


def _visible() -> Select[Pipeline]:
    return select(Pipeline).where(Pipeline.deleted.is_(None))
