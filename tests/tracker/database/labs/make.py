"""Writes `schema-NNNN.db`, a lab with rows in every table, as this version makes it.

Run it once before a release that has a new schema, and commit the file: it is what later
versions must be able to upgrade. Never run it again for a schema that was released.

    .venv/bin/python tests/tracker/database/labs/make.py
"""

import math
from pathlib import Path

from tracker.database.connection import Database, driver_connection
from tracker.database.kinds import Axis, CheckpointKind, Goal, PhaseKind, RunStatus
from tracker.database.tables import Leftover, Run, Sweep, Trial, Worker
from tracker.database.types import now
from tracker.database.upgrade import SCHEMA, prepare
from tracker.files import StoredFile
from tracker.registry.artifacts import record_artifact
from tracker.registry.checkpoints import register_checkpoint, retire
from tracker.registry.datasets import record_dataset
from tracker.registry.environments import record_environment
from tracker.registry.goals import set_goal
from tracker.registry.metrics import ensure_series, insert_points
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.pipelines import register_pipeline, set_current_run
from tracker.registry.processes import Process
from tracker.registry.runs import create_run
from tracker.registry.sessions import begin_session, end_session

NOBODY = Process("workstation", "boot", "pid:[1]", 4711, 12.5)
TIME = 1_767_225_600_000


def make(path: Path) -> None:
    prepare(path)
    database = Database(path)
    with database.write() as session:
        fill(session)
    database.close()
    connection = database_in_one_file(path)
    connection.close()


def database_in_one_file(path: Path):
    from tracker.database.connection import connect

    connection = connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("VACUUM")
    return connection


def fill(session) -> None:
    set_goal(session, "score", Goal.MAX)
    environment = record_environment(
        session,
        "e3b0c442",
        {
            "git_commit": "0123abcd",
            "git_branch": "main",
            "patch": None,
            "python": "3.11.7",
            "packages": {"numpy": "2.2.0"},
            "host": "workstation",
            "platform": "Linux",
            "cpu": "two cores",
            "gpu": None,
        },
    )
    pipeline = register_pipeline(
        session,
        name="mlp",
        experiment="digits",
        recipe="supervised",
        config={"epochs": 3, "model": {"loc": "m:MLP"}},
        config_hash="abc",
        tags=["baseline"],
    )
    for number, name in enumerate(["mlp", "mlp", "cnn"]):
        run = create_run(
            session,
            name=name,
            experiment="digits",
            pipeline_id=pipeline.id if name == "mlp" else None,
            params={"lr": 0.1, "depth": 3, "bias": True, "act": "relu", "sizes": [1], "x": None},
            tags=["wide"],
            seed=number,
        )
        begun = begin_session(session, run.id, NOBODY, environment, command="train.py")
        record_dataset(
            session, run.id, name="digits", fingerprint="f00d", rows=1797, columns=["x", "y"]
        )
        record(session, run.id)
        end_session(session, begun.id, list(RunStatus)[2 + number], reason="an example")
        set_current_run(session, pipeline, run.id if name == "mlp" else pipeline.current_run_id)
    session.get_one(Run, run.id).archived = now()
    gone = create_run(session, name="gone", experiment="digits", params={"lr": 0.1})
    session.get_one(Run, gone.id).deleted = now()
    session.add(Leftover(path=f"files/runs/{gone.uuid}/c"))
    sweep = Sweep(
        name="grid", experiment_id=pipeline.experiment_id, target="t", grid={}, grid_hash="g"
    )
    session.add(sweep)
    session.flush()
    worker = Worker(sweep_id=sweep.id, **NOBODY._asdict(), device="cuda:0", exit="asked to stop")
    worker.ended = worker.heartbeat
    session.add(worker)
    session.flush()
    session.add(
        Trial(
            sweep_id=sweep.id,
            position=0,
            config={"lr": 0.1},
            config_hash="h",
            status=RunStatus.FINISHED,
            waiting=False,
            attempts=2,
            seconds=1.5,
            result={"loss": 0.25},
            run_id=run.id,
        )
    )


def record(session, run_id: int) -> None:
    connection = driver_connection(session)
    group = begin_phase(session, run_id, label="plan", kind=PhaseKind.GROUP, position=0)
    train = begin_phase(
        session, run_id, label="train", kind=PhaseKind.TRAIN, position=0, parent_id=group
    )
    loss = ensure_series(connection, run_id, "loss", Axis.STEP, train)
    by_epoch = ensure_series(connection, run_id, "loss", Axis.EPOCH, train)
    insert_points(connection, [(loss, 1, 0, 0.5, TIME), (loss, 2, 0, math.nan, TIME)])
    insert_points(connection, [(loss, 3, 1, math.inf, TIME), (by_epoch, 3, 1, 0.25, TIME)])
    files = [StoredFile(f"files/runs/{run_id}/{name}", 3, name) for name in ("a", "b", "c")]
    best = register_checkpoint(
        session, run_id, files[0], name="best", kind=CheckpointKind.BEST, step=2, value=0.5
    )
    old = register_checkpoint(
        session, run_id, files[1], name="e0", step=2, epoch=0, phase_result_id=train
    )
    register_checkpoint(session, run_id, files[2], name="e1", step=3, epoch=1, best_id=best)
    retire(session, run_id, [old])
    record_artifact(session, run_id, StoredFile("files/report", 3, "r"), name="report.html")
    end_phase(session, train, RunStatus.FINISHED, epochs=2, batches=3, summary={"loss": 0.25})
    end_phase(session, group, RunStatus.FINISHED)


if __name__ == "__main__":
    target = Path(__file__).with_name(f"schema-{SCHEMA}.db")
    target.unlink(missing_ok=True)
    make(target)
