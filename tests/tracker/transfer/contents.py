"""A lab with rows in every table that travels, written through what writes real ones."""

import hashlib
import math

from tests.tracker.database.labs.make import NOBODY
from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis, CheckpointKind, Goal, PhaseKind, RunStatus
from tracker.database.tables import Run, Sweep, Trial
from tracker.database.types import now
from tracker.registry.artifacts import record_artifact
from tracker.registry.checkpoints import abandon_beyond, register_checkpoint, retire, set_pinned
from tracker.registry.datasets import record_dataset
from tracker.registry.environments import record_environment
from tracker.registry.goals import set_goal
from tracker.registry.metrics import ensure_series, insert_history, insert_points
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.pipelines import register_pipeline, set_current_run
from tracker.registry.runs import create_run
from tracker.registry.sessions import begin_session, end_session
from tracker.transfer.rules import RULES, travelling

TIME = 1_767_225_600_000
PARAMS = {
    "lr": 0.1,
    "inf": math.inf,
    "nan": math.nan,
    "none": None,
    "big": 2**60 + 1,
    "yes": True,
    "sizes": [1, {"a": "ü"}],
    "act": "relu\nline",
}


def fill(lab, prefix="", *, runs=3):
    """Two pipelines, runs of one of them, a free run, and a sweep of all runs."""
    with lab.database.write() as session:
        set_goal(session, "score", Goal.MAX)
        pipelines = [store_pipeline(session, f"{prefix}{name}") for name in ("mlp", "cnn")]
        pipelines[1].archived = now()
        made = [
            store_run(session, lab.files, number, pipelines[0] if number < runs - 1 else None)
            for number in range(runs)
        ]
        set_current_run(session, pipelines[0], made[0])
        store_sweep(session, f"{prefix}grid", pipelines[0].experiment_id, made)


def store_pipeline(session, name):
    return register_pipeline(
        session,
        name=name,
        experiment="digits",
        recipe="supervised",
        config={"epochs": 3, "rate": math.inf, "model": {"loc": "m:MLP", "args": {"ü": None}}},
        config_hash=hashlib.sha256(name.encode()).hexdigest(),
        tags=["baseline", "paper"],
    )


def store_run(session, files, number, pipeline):
    made = create_run(
        session,
        name="mlp",
        experiment="digits" if pipeline else "loose",
        pipeline_id=pipeline and pipeline.id,
        params=PARAMS | {"number": number},
        tags=["wide"],
        seed=number,
    )
    environment = record_environment(
        session,
        hashlib.sha256(bytes([number])).hexdigest(),
        {
            "git_commit": "0123abcd",
            "git_branch": "main",
            "patch": "--- a\n+++ b\n",
            "python": "3.11.7",
            "packages": {"numpy": "2.2.0"},
            "host": "workstation",
            "platform": "Linux",
            "cpu": "two cores",
            "gpu": None,
        },
    )
    log = files.write_bytes(f"logs/2026-{made.uuid}.log", b"it printed this")
    begun = begin_session(session, made.id, NOBODY, environment, command="t.py", log=log.path)
    record_dataset(session, made.id, name="digits", fingerprint="f00d", rows=9, columns=["x"])
    record_history(session, files, made.id, made.uuid)
    ended = (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED)[number % 3]
    end_session(session, begun.id, ended, reason="an example", traceback="Traceback")
    session.get_one(Run, made.id).note = f"note {number}"
    return made.id


def record_history(session, files, run_id, uuid):
    connection = driver_connection(session)
    folder = files.run_folder(uuid)
    group = begin_phase(session, run_id, label="plan", kind=PhaseKind.GROUP, position=0)
    train = begin_phase(
        session, run_id, label="train", kind=PhaseKind.TRAIN, position=0, parent_id=group
    )
    loss = ensure_series(connection, run_id, "loss", Axis.STEP, train)
    insert_points(connection, [(loss, 1, 0, 0.5, TIME), (loss, 2, 0, math.nan, TIME)])
    insert_points(connection, [(loss, 3, 1, math.inf, TIME), (loss, 4, None, -math.inf, TIME)])
    epochs = ensure_series(connection, run_id, "loss", Axis.EPOCH, train)
    insert_points(connection, [(epochs, 3, 1, 0.1 + 0.2, TIME)])
    score = ensure_series(connection, run_id, "score", Axis.STEP)
    insert_history(connection, score, [0, 2**40], [5e-324, -0.0], times=[TIME, TIME + 1])

    def checkpoint(name, **details):
        file = files.write_bytes(f"{folder}/checkpoints/{name}.ckpt", f"{uuid} {name}".encode())
        return register_checkpoint(session, run_id, file, name=name, **details)

    best = checkpoint("best", kind=CheckpointKind.BEST, step=2, value=0.5, metric="loss")
    old = checkpoint("e0", step=2, epoch=0, phase_result_id=train)
    checkpoint("e1", step=3, epoch=1, phase_result_id=train, best_id=best, batch=7)
    pinned = checkpoint("e9", step=9, epoch=9, value=math.nan)
    set_pinned(session, pinned, pinned=True)
    abandon_beyond(session, run_id, 5)
    for path in retire(session, run_id, [old]):
        files.remove(path)
    for name in ("report.html", "what;ever?.txt"):
        kept = files.write_bytes(f"{folder}/artifacts/{name}", name.encode())
        record_artifact(session, run_id, kept, name=name)
    results = files.write_bytes(f"{folder}/results/train.res", b"results")
    end_phase(
        session,
        train,
        RunStatus.FINISHED,
        epochs=2,
        batches=3,
        summary={"loss": math.nan},
        results_path=results.path,
    )
    end_phase(session, group, RunStatus.FINISHED)


def store_sweep(session, name, experiment_id, runs):
    sweep = Sweep(
        name=name, experiment_id=experiment_id, target="t", grid={"lr": [1, 2]}, grid_hash=name
    )
    session.add(sweep)
    session.flush()
    for number, run_id in enumerate([*runs, None]):
        session.add(
            Trial(
                sweep_id=sweep.id,
                position=number,
                config={"lr": number},
                config_hash=f"h{number}",
                status=RunStatus.QUEUED if run_id is None else RunStatus.FINISHED,
                attempts=number,
                run_id=run_id,
            )
        )


def rows(lab):
    """Every row of the tables that travel, as stored; ids are replaced by what they mean."""
    with lab.database.read() as session:
        connection = driver_connection(session)
        found = {table.name: _rows(connection, table) for table in travelling()}
        found["metrics"] = connection.execute(
            "SELECT uuid, name, axis, step, metrics.epoch, value, time FROM metrics"
            " JOIN (SELECT series.id, series.name, axis, uuid FROM series"
            " JOIN runs ON runs.id = run_id) AS s ON s.id = series_id ORDER BY 1, 2, 3, 4"
        ).fetchall()
    return found


def _rows(connection, table):
    """Without ids; where a file lies is not the same in every lab."""
    cursor = connection.execute(f"SELECT * FROM {table.name}")
    names = [column for column, *_ in cursor.description]
    kept = [dict(zip(names, row, strict=True)) for row in cursor]
    file = RULES[table.name].file
    for row in kept:
        for column in [name for name in row if name == "id" or name.endswith("_id")]:
            row[column] = _meaning(connection, column, row[column])
        if file is not None and row[file] is not None:
            row[file] = "a file"
    return sorted((tuple(row.items()) for row in kept), key=repr)


def _meaning(connection, column, number):
    """A name that is the same in every lab, for a row of another table."""
    if number is None or column == "id":
        return None
    if column == "boot_id":
        return number
    described = {
        "experiment_id": "SELECT name FROM experiments WHERE id = ?",
        "pipeline_id": "SELECT config_hash FROM pipelines WHERE id = ?",
        "run_id": "SELECT uuid FROM runs WHERE id = ?",
        "current_run_id": "SELECT uuid FROM runs WHERE id = ?",
        "environment_id": "SELECT hash FROM environments WHERE id = ?",
        "dataset_id": "SELECT fingerprint FROM datasets WHERE id = ?",
        "sweep_id": "SELECT grid_hash FROM sweeps WHERE id = ?",
        "phase_result_id": "SELECT label FROM phase_results WHERE id = ?",
        "parent_id": "SELECT label FROM phase_results WHERE id = ?",
        "newest_phase_id": "SELECT label FROM phase_results WHERE id = ?",
        "best_id": "SELECT name FROM checkpoints WHERE id = ?",
        "worker_id": "SELECT pid FROM workers WHERE id = ?",
    }[column]
    return connection.execute(described, (number,)).fetchone()


def contents_of_files(lab):
    """The content of every file of the lab's runs, sorted."""
    return sorted(
        path.read_bytes()
        for path in lab.files.root.rglob("*")
        if path.is_file() and path.relative_to(lab.files.root).parts[0] in ("files", "logs")
    )
