"""When something ran, how long, and with which code."""

import subprocess
import time
from datetime import UTC, datetime, timedelta

from tracker.sweeps import ExperimentLog, RunInfo


def test_time_adds_up_from_update_to_update(monkeypatch):
    clock = iter([10.0, 12.5, 13.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    info = RunInfo(timedelta(minutes=1))
    before = info.get()

    assert before["duration"] == timedelta(minutes=1)
    assert info.update_and_get()["duration"] == timedelta(minutes=1, seconds=2.5)
    assert info.update_and_get()["duration"] == timedelta(minutes=1, seconds=3)
    assert info.get()["datetime"] >= before["datetime"]
    assert abs(datetime.now(UTC) - info.get()["datetime"]) < timedelta(minutes=1)


def test_the_commit_is_that_of_the_directory(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, "init", "-q", "."], cwd=tmp_path, check=True)
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    assert RunInfo().get()["commit_hash"] is None
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)

    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()
    assert RunInfo().get()["commit_hash"] == commit


def test_outside_of_a_repository_none_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert RunInfo().get()["commit_hash"] is None
    assert list(tmp_path.iterdir()) == []


def test_it_is_logged_and_read_again(tmp_path):
    log = ExperimentLog.from_fields(["lr"], RunInfo.infos, {}, tmp_path / "log.tsv")
    info = RunInfo().update_and_get()
    log.add_result({"lr": 0.1}, **info | {"commit_hash": "1234567"})
    log.to_tsv()

    assert ExperimentLog.from_tsv(tmp_path / "log.tsv")[{"lr": 0.1}] == {
        **info,
        "commit_hash": "1234567",
    }
