"""Promise 1 and 4: what was acknowledged is there, and the dead are known at once."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.tracker.faults import programs
from tracker.database.connection import Database, connect
from tracker.database.kinds import RunStatus
from tracker.registry.runs import find_run
from tracker.registry.sessions import settle_dead
from tracker.registry.summaries import RECOMPUTE


def assert_killed_run(path, name, acknowledged):
    """Every acknowledged point of the run is there, at most one more, and it is lost."""
    database = Database(path)
    with database.write() as session:
        settle_dead(session)
        run = find_run(session, name)
        assert run.status is RunStatus.LOST
        assert "vanished" in run.reason
    database.close()
    connection = connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    steps = connection.execute(
        "SELECT step FROM metrics JOIN series ON series.id = series_id WHERE run_id = ?", (run.id,)
    ).fetchall()
    assert [step for (step,) in steps] == list(range(len(steps)))
    assert len(steps) in (acknowledged, acknowledged + 1)
    summary = "SELECT count, numbers, last_step, minimum, maximum FROM series WHERE run_id = ?"
    before = connection.execute(summary, (run.id,)).fetchall()
    connection.execute(RECOMPUTE, connection.execute("SELECT max(id) FROM series").fetchone())
    assert connection.execute(summary, (run.id,)).fetchall() == before
    connection.close()


def test_a_writer_killed_20_times_at_full_speed_loses_nothing(tmp_path, killed_after):
    path = tmp_path / "lab.db"
    delays = random.Random(7)
    for number in range(20):
        name = f"run {number}"

        def write(tell, name=name):
            programs.endless(path, name, tell)

        told = killed_after(delays.uniform(0.001, 0.05), write)
        assert_killed_run(path, name, acknowledged=len(told) - 1)


@pytest.mark.slow
def test_a_program_killed_20_times_at_full_speed_loses_nothing(tmp_path):
    path = tmp_path / "lab.db"
    delays = random.Random(7)
    for number in range(20):
        name = f"run {number}"
        program = subprocess.Popen(
            [sys.executable, programs.__file__, "endless", path, name],
            stdout=subprocess.PIPE,
            text=True,
        )
        program.stdout.readline()
        time.sleep(delays.uniform(0.001, 0.2))
        program.send_signal(signal.SIGKILL)
        told = program.stdout.read().splitlines()
        program.wait()
        program.stdout.close()
        assert_killed_run(path, name, acknowledged=len(told))


def test_four_writers_killed_among_four_that_go_on(tmp_path, in_background):
    path = tmp_path / "lab.db"
    reading, writing = os.pipe()

    def endless(name):
        programs.endless(path, name, lambda what: os.write(writing, b".") if what == 20 else None)

    doomed = [in_background(lambda name=f"doomed {number}": endless(name)) for number in range(4)]
    going = [
        in_background(lambda name=f"going {number}": programs.log(path, name, 300))
        for number in range(4)
    ]
    for _ in doomed:
        os.read(reading, 1)
    for wait in doomed:
        os.kill(wait.pid, signal.SIGKILL)

    assert [wait().signal for wait in doomed] == [signal.SIGKILL] * 4
    assert [wait().text for wait in going] == ["None"] * 4
    database = Database(path)
    with database.write() as session:
        assert len(settle_dead(session)) >= 4
        lost = [find_run(session, f"doomed {number}").status for number in range(4)]
    database.close()
    assert lost == [RunStatus.LOST] * 4
    connection = connect(path)
    counts = connection.execute(
        "SELECT count(*) FROM metrics JOIN series ON series.id = series_id"
        " JOIN runs ON runs.id = run_id WHERE runs.name LIKE 'going%' GROUP BY run_id"
    ).fetchall()
    assert counts == [(300,)] * 4
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
