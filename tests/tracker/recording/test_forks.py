"""Processes that fork while a run is under way."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest

from tracker.lab import Lab
from tracker.recording.forks import writers

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # Python warns of forking beside threads; ours hold no lock at that moment.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

PROGRAM = """
import os, sys, time
from tracker import Lab

lab = Lab.open(sys.argv[1])
run = lab.run("r")
run.log({"before": 0}, step=0)
begun_reader, begun = os.pipe()
closed_reader, closed = os.pipe()
if os.fork() == 0:
    run.log({"child": 0}, step=0)
    os.write(begun, b"x")
    os.read(closed_reader, 1)
    for step in range(1, 300):
        run.log({"child": step}, step=step)
    print("logged", flush=True)
    os._exit(0)
os.read(begun_reader, 1)
run.log({"parent": 0}, step=0)
lab.close()
run.session.points.close()
os.write(closed, b"x")
os.wait()
run.finish()
"""


def test_the_childs_points_stay_when_the_parent_closes_first(lab_root, rows):
    """SQLite's notes about locks must not pass to the child: it would write to a deleted log."""
    printed = subprocess.check_output([sys.executable, "-c", PROGRAM, str(lab_root)], text=True)

    assert printed == "logged\n"
    assert rows(
        "SELECT series.name, count, status FROM series JOIN runs ON runs.id = run_id ORDER BY 1"
    ) == [
        ("before", 1, "finished"),
        ("child", 300, "finished"),
        ("parent", 1, "finished"),
    ]
    assert rows("PRAGMA integrity_check") == [("ok",)]


def test_parent_and_children_log_at_once(lab, rows):
    def work(run, number):
        for step in range(100):
            run.log({f"child/{number}": step}, step=step)

    context = multiprocessing.get_context("fork")
    with lab.run() as run:
        children = [context.Process(target=work, args=(run, number)) for number in range(3)]
        for child in children:
            child.start()
        work(run, "parent")
        for child in children:
            child.join()

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert rows("SELECT count, total FROM series") == [(100, 4950.0)] * 4


def test_a_child_can_have_runs_of_its_own(lab_root, lab, rows):
    def work():
        with lab.run("inherited") as run:
            run.log(loss=1)
        with Lab.open(lab_root) as fresh, fresh.run("fresh") as run:
            run.log(loss=1)

    with lab.run("parent") as run:
        run.log(loss=1)
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
        run.log(loss=2)

    assert child.exitcode == 0
    assert rows("SELECT name, status FROM runs ORDER BY name") == [
        ("fresh", "finished"),
        ("inherited", "finished"),
        ("parent", "finished"),
    ]


def test_no_transaction_is_under_way_at_a_fork(lab, rows):
    """Forks at random moments of threads that log; a child that inherited a lock would hang."""
    stop = threading.Event()

    def work(run, name):
        step = 0
        while not stop.is_set():
            run.log({name: step}, step=step)
            step += 1

    with lab.run() as run:
        threads = [threading.Thread(target=work, args=(run, f"m{n}")) for n in range(2)]
        for thread in threads:
            thread.start()
        for number in range(15):
            child = os.fork()
            if child == 0:
                signal.alarm(60)
                try:
                    run.log({"child": number}, step=number)
                finally:
                    os._exit(0)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
        stop.set()
        for thread in threads:
            thread.join()

    assert rows("SELECT count FROM series WHERE name = 'child'") == [(15,)]
    assert rows("PRAGMA integrity_check") == [("ok",)]


def test_a_fork_does_not_wait_for_ever_for_a_writer(monkeypatch, lab):
    monkeypatch.setattr("tracker.recording.forks.PATIENCE_S", 0.05)
    with lab.run() as run:
        run.session.points.lock.acquire()
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        run.session.points.lock.release()

        run.log(loss=1)
    assert not writers._members_lock.locked()
