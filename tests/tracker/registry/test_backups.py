import hashlib
import os
import shutil
import signal
import time

import pytest
from sqlalchemy import select

from tracker.database.connection import Database
from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint, Metric
from tracker.errors import LabUnusableError, TakenError
from tracker.files import LabFiles
from tracker.registry import backups
from tracker.registry.artifacts import record_artifact
from tracker.registry.backups import back_up
from tracker.registry.checkpoints import candidates, checkpoints_of, register_checkpoint, retire
from tracker.registry.health import examine
from tracker.registry.processes import this_process
from tracker.registry.runs import find_run, get_run
from tracker.registry.sessions import begin_session, sessions_of


@pytest.fixture
def files(lab_root):
    return LabFiles(lab_root / ".labkeeper")


@pytest.fixture
def lab(database, files, run_id, add_points):
    """A run with points, two states, and a report."""
    with database.write() as session:
        add_points(session, run_id, "loss", {1: 0.5, 2: 0.25})
        for name in ("e0", "e1"):
            stored = files.write_bytes(f"files/runs/a/{name}.ckpt", name.encode())
            register_checkpoint(session, run_id, stored, name=name)
        report = files.write_bytes("files/runs/a/report.html", b"<p>")
        record_artifact(session, run_id, report, name="report.html")
    files.write_bytes("files/unknown", b"nobody's")


def open_copy(path):
    return Database(path / ".labkeeper" / "lab.db"), LabFiles(path / ".labkeeper")


def findings(database, files):
    with database.read() as session:
        found = {finding.check for finding in examine(session, files)}
    database.close()
    return found - {"sqlite", "free-space", "file-system"}


def everything(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


@pytest.mark.usefixtures("lab")
class TestBackUp:
    def test_makes_a_lab_with_all_that_is_registered(self, database, files, tmp_path):
        backup = back_up(database, files, tmp_path / "copies" / "monday")

        assert backup.path == tmp_path / "copies" / "monday"
        assert everything(backup.path) == [
            ".labkeeper/files/runs/a/e0.ckpt",
            ".labkeeper/files/runs/a/e1.ckpt",
            ".labkeeper/files/runs/a/report.html",
            ".labkeeper/lab.db",
        ]
        assert (backup.files, backup.faults) == (3, [])
        sizes = [(backup.path / name).stat().st_size for name in everything(backup.path)]
        assert backup.bytes == sum(sizes)
        copy, copies = open_copy(backup.path)
        with copy.read() as session:
            assert find_run(session, "first").status is RunStatus.QUEUED
            assert session.scalars(select(Metric.value)).all() == [0.5, 0.25]
        assert findings(copy, copies) == set()

    def test_can_be_restored_and_gone_on_with(self, database, files, run_id, tmp_path, lab_root):
        backup = back_up(database, files, tmp_path / "monday")
        database.close()
        shutil.rmtree(lab_root)

        copy, copies = open_copy(backup.path)
        assert back_up(copy, copies, lab_root).path == lab_root
        copy.close()

        with database.write() as session:
            newest = candidates(session, run_id)[0]
            assert newest.name == "e1"
            get_run(session, run_id).note = "goes on"
        assert files.path(newest.path).read_bytes() == b"e1"

    def test_what_is_running_is_lost_in_the_copy_alone(self, database, files, run_id, tmp_path):
        with database.write() as session:
            begin_session(session, run_id, this_process())
        copy, _ = open_copy(back_up(database, files, tmp_path / "monday").path)

        with copy.read() as session:
            run = get_run(session, run_id)
            assert (run.status, run.reason) == (
                RunStatus.LOST,
                "it was running when the lab was copied",
            )
            assert [row.exit for row in sessions_of(session, run_id)] == ["lost"]
        copy.close()
        with database.read() as session:
            assert get_run(session, run_id).status is RunStatus.RUNNING

    def test_into_a_directory_is_named_after_the_lab_and_the_moment(
        self, database, files, tmp_path
    ):
        (tmp_path / "backups").mkdir()
        backup = back_up(database, files, tmp_path / "backups")

        assert backup.path.parent == tmp_path / "backups"
        assert backup.path.name.startswith("lab-20")

    def test_over_a_file_is_refused(self, database, files, tmp_path):
        (tmp_path / "taken").write_text("mine")

        with pytest.raises(TakenError, match="taken"):
            back_up(database, files, tmp_path / "taken")
        assert (tmp_path / "taken").read_text() == "mine"

    def test_names_what_is_missing_or_damaged_and_copies_the_rest(self, database, files, tmp_path):
        files.path("files/runs/a/e0.ckpt").unlink()
        files.path("files/runs/a/e1.ckpt").write_bytes(b"xx")

        backup = back_up(database, files, tmp_path / "monday")

        assert backup.faults == [
            "checkpoint 'e0' of run 'first': files/runs/a/e0.ckpt is missing.",
            "checkpoint 'e1' of run 'first': files/runs/a/e1.ckpt is not what was registered.",
        ]
        assert backup.files == 1

    def test_a_path_that_leads_out_is_not_followed(self, database, files, tmp_path):
        (tmp_path / "secret").write_text("secret")
        with database.write() as session:
            session.scalars(select(Checkpoint)).first().path = "../../secret"

        backup = back_up(database, files, tmp_path / "monday")

        assert len(backup.faults) == 1
        assert "secret" not in " ".join(everything(backup.path))

    def test_a_checkpoint_that_is_retired_meanwhile_is_in_neither(
        self, database, files, run_id, tmp_path, monkeypatch
    ):
        real = backups.copy_database
        moments = []

        def copy_then_retire(source, target):
            real(source, target)
            moments.append(target)
            if len(moments) == 1:
                with database.write() as session:
                    oldest = checkpoints_of(session, run_id)[-1]
                    paths = retire(session, run_id, [oldest.id])
                for path in paths:
                    files.remove(path)

        monkeypatch.setattr(backups, "copy_database", copy_then_retire)
        backup = back_up(database, files, tmp_path / "monday")

        assert len(moments) == 2
        assert backup.faults == []
        copy, copies = open_copy(backup.path)
        with copy.read() as session:
            assert [row.name for row in checkpoints_of(session, run_id)] == ["e1"]
        assert findings(copy, copies) == set()

    def test_a_file_that_is_retired_after_it_was_copied_is_dropped(
        self, database, files, run_id, tmp_path, monkeypatch
    ):
        real_copy, real_files = backups.copy_database, backups._copy
        rounds = []

        def copy(source, target):
            if rounds:
                with database.write() as session:
                    newest = checkpoints_of(session, run_id)[0]
                    session.get(Checkpoint, newest.id).removed = newest.created
            rounds.append(1)
            real_copy(source, target)

        def vanish_once(file, files, copies):
            if file.path.endswith("e0.ckpt") and len(rounds) == 1:
                with database.write() as session:
                    oldest = checkpoints_of(session, run_id)[-1]
                    retire(session, run_id, [oldest.id])
                files.remove(file.path)
            return real_files(file, files, copies)

        monkeypatch.setattr(backups, "copy_database", copy)
        monkeypatch.setattr(backups, "_copy", vanish_once)
        backup = back_up(database, files, tmp_path / "monday")

        assert everything(backup.path / ".labkeeper" / "files") == ["runs/a/report.html"]
        assert backup.files == 1

    def test_gives_up_in_one_sentence_where_files_vanish_faster_than_it_copies(
        self, database, files, run_id, tmp_path, monkeypatch
    ):
        real = backups.copy_database

        def copy_then_retire(source, target):
            with database.write() as session:
                number = len(list(session.scalars(select(Checkpoint.id))))
                stored = files.write_bytes(f"files/{number}", b"x")
                made = register_checkpoint(session, run_id, stored, name=str(number))
            real(source, target)
            with database.write() as session:
                (path,) = retire(session, run_id, [made])
            files.remove(path)

        monkeypatch.setattr(backups, "copy_database", copy_then_retire)
        with pytest.raises(LabUnusableError, match="changes too fast"):
            back_up(database, files, tmp_path / "monday")
        assert not (tmp_path / "monday").exists()

    def test_that_fails_leaves_nothing(self, database, files, tmp_path, monkeypatch):
        def fail(source, target):
            raise KeyboardInterrupt

        monkeypatch.setattr(backups, "copy_whole", fail)
        with pytest.raises(KeyboardInterrupt):
            back_up(database, files, tmp_path / "monday")
        assert [path.name for path in tmp_path.iterdir()] == ["lab"]

    def test_killed_at_any_moment_there_is_no_backup_or_a_whole_one(
        self, database, files, tmp_path, in_background
    ):
        target = tmp_path / "monday"
        made = 0
        for delay in range(12):
            writer = in_background(lambda: back_up(database, files, target))
            if delay == 11:
                os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
            time.sleep(0.004 * delay)
            os.kill(writer.pid, signal.SIGKILL)
            writer()
            if target.exists():
                made += 1
                copy, copies = open_copy(target)
                assert findings(copy, copies) == set()
                shutil.rmtree(target)
        assert made >= 1


def test_files_are_byte_for_byte_the_same(database, files, run_id, tmp_path):
    content = os.urandom(3_000_000)
    with database.write() as session:
        stored = files.write_bytes("files/big.ckpt", content)
        register_checkpoint(session, run_id, stored, name="big")

    backup = back_up(database, files, tmp_path / "copy")

    copied = (backup.path / ".labkeeper" / "files" / "big.ckpt").read_bytes()
    assert hashlib.sha256(copied).hexdigest() == stored.sha256


def test_an_unwritable_place_is_one_sentence(database, files, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(LabUnusableError, match="in the way"):
        back_up(database, files, tmp_path / "file" / "copy")
