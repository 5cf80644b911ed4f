"""What tests of the tracker's rooms share: runs and pipelines stored from plain mappings."""

from datetime import UTC, datetime

import pytest

from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis, PhaseKind
from tracker.database.tables import Pipeline, Run
from tracker.registry.metrics import ensure_series, insert_points
from tracker.registry.phases import begin_phase
from tracker.registry.runs import create_run, ensure_experiment
from tracker.registry.tags import add_tags

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def store_run(session, run, *, pipeline_id=None):
    """Stores a run that a mapping describes, through the functions that record real ones."""
    made = create_run(
        session,
        name=run.get("name", "run"),
        experiment=run.get("experiment", "digits"),
        pipeline_id=pipeline_id,
        params=run.get("params", {}),
        tags=run.get("tags", ()),
        seed=run.get("seed"),
    )
    row = session.get_one(Run, made.id)
    row.created = CREATED
    for column in (
        *("status", "created", "started", "ended", "phase", "epoch", "batch", "note"),
        *("archived", "deleted"),
    ):
        if column in run:
            setattr(row, column, run[column])
    session.flush()
    for number, phase in enumerate(run.get("phases", ())):
        store_phase(session, made.id, number, phase)
    return made.id


def store_phase(session, run_id, position, metrics):
    """Stores {(metric, axis): {step: value}} as one phase of the run."""
    phase = begin_phase(
        session, run_id, label=f"phase-{position}", kind=PhaseKind.TRAIN, position=position
    )
    connection = driver_connection(session)
    for (name, axis), points in metrics.items():
        series = ensure_series(connection, run_id, name, Axis(axis), phase)
        for step, value in points.items():
            insert_points(connection, [(series, step, None, value, 0)])


@pytest.fixture(scope="session")
def store():
    """`store_run`, for tests of their own."""
    return store_run


@pytest.fixture(scope="session")
def store_pipeline():
    """Stores a pipeline that a mapping describes, with its current run if it names one."""

    def store(session, pipeline):
        row = Pipeline(
            name=pipeline["name"],
            experiment_id=ensure_experiment(session, pipeline.get("experiment", "digits")),
            recipe=pipeline.get("recipe", "supervised"),
            config={},
            config_hash=pipeline["name"],
            note=pipeline.get("note"),
            created=pipeline.get("created", CREATED),
            archived=pipeline.get("archived"),
        )
        session.add(row)
        session.flush()
        add_tags(session, pipeline.get("tags", ()), pipeline_id=row.id)
        if pipeline.get("run"):
            # Archiving a pipeline takes its runs along.
            run = {"archived": row.archived} | pipeline["run"]
            row.current_run_id = store_run(session, run, pipeline_id=row.id)
            session.flush()
        return row.id

    return store
