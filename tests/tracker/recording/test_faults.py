"""Many processes at once, and processes killed at any moment."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tracker.database.faults import driver
from tracker.lab import Lab
from tracker.registry.sessions import settle_dead

START = """
import sys
from pathlib import Path
from tracker import Lab

gate = Path(sys.argv[2])
print("ready", flush=True)
while not gate.exists():
    pass
lab = Lab.init(sys.argv[1])
"""
WRITER = (
    START
    + """
with lab.run("worker", experiment="crowd", params={"number": sys.argv[3]}, tags=["x"]) as run:
    for step in range(int(sys.argv[4])):
        run.log(loss=step, step=step)
"""
)
READER = (
    START
    + """
import sqlalchemy as sa
from tracker.registry.sessions import settle_dead

while not (gate.parent / "over").exists():
    with lab.database.write() as session:
        assert not settle_dead(session), "a live process was taken for dead"
    with lab.database.read() as session:
        for points, count in session.execute(sa.text(
            "SELECT (SELECT count(*) FROM metrics WHERE series_id = series.id), count FROM series"
        )):
            assert points == count, "a summary was wrong"
"""
)


def crowd(tmp_path, processes, points):
    """Starts this many writers at one moment on a missing lab, beside a reader."""
    root, gate = tmp_path / "new" / "lab", tmp_path / "gate"

    def start(text, *arguments):
        command = [sys.executable, "-c", text, str(root), str(gate), *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    reader = start(READER)
    writers = [start(WRITER, number, points) for number in range(processes)]
    for process in (reader, *writers):
        assert process.stdout.readline() == "ready\n"
    gate.touch()
    errors = [process.communicate()[1] for process in writers]
    (tmp_path / "over").touch()
    return root, [*errors, reader.communicate()[1]]


def check_crowd(root, errors, processes, points):
    assert errors == [""] * (processes + 1)
    connection = driver().connect(root / ".labkeeper" / "lab.db")

    def ask(query):
        return connection.execute(query).fetchall()

    assert ask("SELECT count(*) FROM experiments") == [(1,)]
    assert ask("SELECT status, count(*), count(DISTINCT name) FROM runs GROUP BY status") == [
        ("finished", processes, processes)
    ]
    assert ask("SELECT count(*) FROM metrics") == [(processes * points,)]
    expected = (points, points * (points - 1) / 2, points - 1.0, 0.0)
    assert ask("SELECT DISTINCT count, total, last, minimum FROM series") == [expected]
    assert ask("PRAGMA integrity_check") == [("ok",)]
    assert ask("PRAGMA foreign_key_check") == []
    connection.close()


def test_a_crowd_starts_at_once_on_a_missing_lab(tmp_path):
    root, errors = crowd(tmp_path, 6, 100)

    check_crowd(root, errors, 6, 100)


@pytest.mark.slow
def test_32_processes_start_at_once_on_a_missing_lab(tmp_path):
    root, errors = crowd(tmp_path, 32, 500)

    check_crowd(root, errors, 32, 500)


FULL_SPEED = """
import os, sys
from tracker import Lab

run = Lab.open(sys.argv[1]).run("r", experiment=sys.argv[2])
step = 0
while True:
    run.log({"loss": step / 3, "acc": step}, step=step)
    os.write(1, b"%d\\n" % step)
    step += 1
"""


def kill_at_full_speed(lab, after):
    """Kills a process that logs as fast as it can; the last step that it said was stored."""
    process = subprocess.Popen(
        [sys.executable, "-c", FULL_SPEED, str(lab.root), f"e{after}"], stdout=subprocess.PIPE
    )
    head = process.stdout.readline()
    # A pipe that is never full: the logging process must not wait for this one.
    os.set_blocking(process.stdout.fileno(), False)
    text, until = head, time.monotonic() + after
    while time.monotonic() < until:
        text += process.stdout.read() or b""
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.set_blocking(process.stdout.fileno(), True)
    text += process.stdout.read()
    process.stdout.close()
    return int(text.split(b"\n")[-2])


def check_kill(lab, after):
    acknowledged = kill_at_full_speed(lab, after)

    with lab.database.write() as session:
        (dead,) = settle_dead(session)
        found = (
            session.connection()
            .exec_driver_sql(
                "SELECT status, series.name, count, last_step, total FROM series"
                " JOIN runs ON runs.id = run_id WHERE run_id = ? ORDER BY series.name",
                (dead.run_id,),
            )
            .all()
        )
        steps = (
            session.connection()
            .exec_driver_sql(
                "SELECT count(*), min(step), max(step) FROM metrics"
                " JOIN series ON series.id = series_id WHERE run_id = ? GROUP BY series_id",
                (dead.run_id,),
            )
            .all()
        )
    # Every acknowledged point, and at most the one that was under way; both metrics or none.
    stored = steps[0][0]
    assert stored - 1 in (acknowledged, acknowledged + 1)
    assert steps == [(stored, 0, stored - 1)] * 2
    assert [row[:4] for row in found] == [
        ("lost", "acc", stored, stored - 1),
        ("lost", "loss", stored, stored - 1),
    ]
    assert found[0][4] == stored * (stored - 1) / 2
    return stored


def test_kill_9_loses_nothing_that_was_acknowledged(lab):
    for round_number in range(3):
        assert check_kill(lab, after=0.05 * round_number) > 0


@pytest.mark.slow
def test_kill_9_at_20_moments_loses_nothing_that_was_acknowledged(lab_root):
    with Lab.open(lab_root) as lab:
        stored = [check_kill(lab, after=0.017 * number) for number in range(20)]
        with lab.database.read() as session:
            ok = session.connection().exec_driver_sql("PRAGMA integrity_check").scalar()

    assert ok == "ok"
    assert max(stored) > 1000  # it was killed at speed, not at its start
