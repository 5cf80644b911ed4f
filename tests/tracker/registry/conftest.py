import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.database.connection import Database, driver_connection
from tracker.database.kinds import Axis
from tracker.database.tables import Pipeline
from tracker.registry.metrics import ensure_series, insert_points
from tracker.registry.processes import Process
from tracker.registry.runs import create_run, ensure_experiment


@pytest.fixture
def run_id(database):
    """A queued run named `first` in the experiment `digits`."""
    with database.write() as session:
        return create_run(session, name="first", experiment="digits").id


@pytest.fixture(scope="module")
def scratch(empty_database, tmp_path_factory):
    """One database for all of Hypothesis's examples; each example rolls back its rows."""
    database = Database(shutil.copy(empty_database, tmp_path_factory.mktemp("scratch") / "lab.db"))
    yield database
    database.close()


@pytest.fixture
def pipeline_id(database):
    """A pipeline named `mlp` in the experiment `digits`."""
    with database.write() as session:
        pipeline = Pipeline(
            name="mlp",
            experiment_id=ensure_experiment(session, "digits"),
            recipe="supervised",
            config={},
            config_hash="0",
        )
        session.add(pipeline)
        session.flush()
        return pipeline.id


class LiveProcess:
    """Another Python process, which does nothing until it is told to end."""

    PROGRAM = (
        "import json, sys\n"
        "from tracker.registry.processes import this_process\n"
        "print(json.dumps(this_process()), flush=True)\n"
        "sys.stdin.read()\n"
    )

    def __init__(self):
        self.popen = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        self.identity = Process(*json.loads(self.popen.stdout.readline()))

    def kill(self, *, wait=True):
        self.popen.send_signal(signal.SIGKILL)
        if wait:
            self.popen.wait()

    def close(self):
        self.kill()
        self.popen.stdin.close()
        self.popen.stdout.close()


@pytest.fixture
def live_process():
    process = LiveProcess()
    yield process
    process.close()


@pytest.fixture
def add_points():
    """Logs `{step: value}` to a metric's step series."""

    def add(session, run_id, name, points, *, phase=None):
        connection = driver_connection(session)
        series_id = ensure_series(connection, run_id, name, Axis.STEP, phase)
        insert_points(
            connection, [(series_id, step, None, value, 0) for step, value in points.items()]
        )
        return series_id

    return add
