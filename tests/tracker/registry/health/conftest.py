import pytest

from tests.tracker.registry.health.damage import age
from tracker.database.kinds import PhaseKind, RunStatus
from tracker.files import LabFiles
from tracker.registry.artifacts import record_artifact
from tracker.registry.checkpoints import register_checkpoint
from tracker.registry.health import examine, repair
from tracker.registry.phases import begin_phase
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session, end_session


@pytest.fixture
def files(lab_root):
    return LabFiles(lab_root / ".labkeeper")


@pytest.fixture
def doctor(database, files):
    """What is wrong, without what only says where the lab lies."""

    def look():
        with database.read() as session:
            found = examine(session, files)
        ordinary = {"sqlite", "free-space", "file-system"}
        return {finding.check: finding for finding in found if finding.check not in ordinary}

    return look


@pytest.fixture
def cure(database, files):
    def work():
        with database.read() as session:
            found = examine(session, files)
        with database.write() as session:
            return {finding.check for finding in repair(session, files, found)}

    return work


@pytest.fixture
def lab_in_order(database, files, run_id, pipeline_id, add_points):
    """A finished run with points, a checkpoint, an artifact, a phase; nothing is wrong."""
    with database.write() as session:
        begun = begin_session(session, run_id, this_process())
        phase = begin_phase(session, run_id, label="train", kind=PhaseKind.TRAIN, position=0)
        add_points(session, run_id, "loss", {1: 0.5, 2: float("nan"), 3: 0.25})
        add_points(session, run_id, "loss", {1: float("inf"), 3: float("-inf")}, phase=phase)
        for number in range(2):
            stored = files.write_bytes(f"files/runs/a/e{number}.ckpt", b"weights")
            register_checkpoint(session, run_id, stored, name=f"e{number}")
        report = files.write_bytes("files/runs/a/report.html", b"<p>")
        record_artifact(session, run_id, report, name="report.html")
        end_session(session, begun.id, RunStatus.FINISHED)
    for path in files.everything():
        age(files.path(path))
