"""Children tell what they return, of whatever size, and leave nothing behind."""

import multiprocessing
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tracker.recording.children import Child, start_child


def child_that(work, *args):
    context = multiprocessing.get_context("fork")
    return Child(*start_child(context, work, *args, name="child"))


def ended(child, seconds=20):
    deadline = time.monotonic() + seconds
    while not child.has_ended():
        if time.monotonic() > deadline:
            child.bury()
            pytest.fail("the child did not end")
        time.sleep(0.01)
    return child


def test_tells_what_it_returns():
    child = ended(child_that(lambda number: [number, number], 3))
    assert child.told == [3, 3]
    assert child.ending == "exit code 0"


def test_tells_more_than_a_pipe_holds():
    assert ended(child_that(lambda: "x" * 10**6)).told == "x" * 10**6


def test_that_was_killed_has_told_nothing():
    child = child_that(time.sleep, 60)
    child.signal(signal.SIGKILL)
    assert ended(child).told is None
    assert child.ending == "SIGKILL"


def test_takes_what_it_has_started_with_it():
    def leave():
        return subprocess.Popen(["sleep", "60"]).pid

    pid = ended(child_that(leave)).told
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(pid)


def is_running(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
