"""Runs and pipelines with files, made in milliseconds; and what a lab holds, to be compared."""

from tracker.database.connection import connect, driver_connection
from tracker.database.kinds import Axis, CheckpointKind, RunStatus
from tracker.registry.artifacts import record_artifact
from tracker.registry.checkpoints import register_checkpoint
from tracker.registry.datasets import record_dataset
from tracker.registry.environments import record_environment
from tracker.registry.metrics import ensure_series, insert_points
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.pipelines import find_pipeline, register_pipeline, set_current_run
from tracker.registry.processes import Process
from tracker.registry.runs import create_run
from tracker.registry.sessions import begin_session, end_session

FACTS = dict.fromkeys(("python", "host", "platform", "cpu"), "x") | {"packages": {}}
# Vanished long ago, on this host.
NOBODY = Process("elsewhere", "boot", "pid:[1]", 4711, 12.5)
MOMENTS = {"created", "started", "ended", "heartbeat", "archived", "deleted", "removed"}


class Made:
    def __init__(self, lab):
        self.lab = lab

    def run(
        self,
        name="run",
        *,
        experiment="digits",
        pipeline=None,
        epochs=2,
        environment="e",
        dataset="d",
        status=RunStatus.FINISHED,
        losses=None,
    ):
        """A run with a checkpoint of `epoch + 1` kilobytes after each epoch, and an artifact."""
        files = self.lab.files
        with self.lab.database.write() as session:
            owner = None if pipeline is None else find_pipeline(session, pipeline)
            run = create_run(
                session,
                name=name,
                experiment=experiment,
                pipeline_id=None if owner is None else owner.id,
                params={"lr": 0.1},
                tags=["t"],
            )
            environment_id = record_environment(session, environment, FACTS)
            begun = begin_session(session, run.id, NOBODY, environment_id)
            record_dataset(session, run.id, name=dataset, fingerprint="f", rows=1, columns=["x"])
            phase = begin_phase(session, run.id, label="train", kind="train", position=0)
            connection = driver_connection(session)
            series = ensure_series(connection, run.id, "val_loss", Axis.EPOCH, phase)
            losses = losses or [1 / (epoch + 1) for epoch in range(epochs)]
            for epoch, loss in enumerate(losses):
                insert_points(connection, [(series, epoch, epoch, loss, 0)])
                folder = files.run_folder(run.uuid)
                content = run.uuid.encode() * 32 * (epoch + 1)
                file = files.write_bytes(f"{folder}/checkpoints/e{epoch}.ckpt", content)
                register_checkpoint(
                    session,
                    run.id,
                    file,
                    name=f"train-epoch-{epoch}",
                    step=epoch,
                    epoch=epoch,
                    phase_result_id=phase,
                    metric="val_loss",
                    value=loss,
                )
            file = files.write_bytes(f"{folder}/artifacts/report.txt", b"r" * 100)
            record_artifact(session, run.id, file, name="report.txt")
            if status is not RunStatus.RUNNING:
                end_phase(session, phase, status)
                end_session(session, begun.id, status)
            if owner is not None:
                set_current_run(session, owner, run.id)
        return run

    def pipeline(self, name="mlp", *, config_hash=None, runs=1, experiment="digits", **about):
        with self.lab.database.write() as session:
            register_pipeline(
                session,
                name=name,
                experiment=experiment,
                recipe="supervised",
                config={"name": name},
                config_hash=config_hash or name,
                tags=["t"],
            )
        return [self.run(name, pipeline=name, experiment=experiment, **about) for _ in range(runs)]

    def weights(self, run, *, name="train-best"):
        """A file of best weights, which no state goes on from."""
        path = f"{self.lab.files.run_folder(run.uuid)}/checkpoints/{name}.ckpt"
        file = self.lab.files.write_bytes(path, name.encode())
        with self.lab.database.write() as session:
            return register_checkpoint(session, run.id, file, name=name, kind=CheckpointKind.BEST)


def names(lab, **choice):
    """Pipelines and runs in a listing, by name in alphabetical order."""
    return [
        sorted(frame(columns=["name"], **choice)["name"]) for frame in (lab.pipelines, lab.runs)
    ]


def on_disk(lab):
    """Every file of the lab's, by its path."""
    return set(lab.files.everything())


def rows(lab):
    """Every row of every table; of moments only whether they are there."""
    connection = connect(lab.database.path)
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    found = {}
    for (table,) in connection.execute(tables).fetchall():
        cursor = connection.execute(f"SELECT * FROM {table}")
        columns = [column for column, *_ in cursor.description]
        found[table] = sorted(
            tuple(
                value is not None if column in MOMENTS else value
                for column, value in zip(columns, row, strict=True)
            )
            for row in map(_sortable, cursor.fetchall())
        )
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return found


def faults(lab):
    """What doctor finds that is more than a note."""
    return [finding.message for finding in lab.doctor() if finding.severity != "note"]


def _sortable(row):
    return tuple("" if value is None else value for value in row)
