"""The table of exits, with real processes: what the record says afterwards is true."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tracker.registry.sessions import settle_dead

BEGIN = """
import os, signal, sys, threading, time
from tracker import Lab

run = Lab.open(sys.argv[1]).run("r")
"""
INSIDE = BEGIN + "with run:\n    run.log(loss=1, step=0)\n    "
WITHOUT = BEGIN + "run.log(loss=1, step=0)\n"


@pytest.fixture
def program(lab_root):
    """A program with a run under way: `program(text)` starts it."""
    started = []

    def start(text):
        command = [sys.executable, "-c", text, str(lab_root)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def outcome(lab, rows):
    """What the record says: the run's status and reason, the session's exit."""

    def ask():
        with lab.database.write() as session:
            settle_dead(session)
        (found,) = rows("SELECT status, reason, exit FROM runs JOIN sessions ON run_id = runs.id")
        return found

    return ask


ENDINGS = [
    pytest.param(INSIDE + "pass", 0, ("finished", None, "returned"), id="returns"),
    pytest.param(INSIDE + "1 / 0", 1, ("failed", "ZeroDivisionError: division by zero", "raised")),
    pytest.param(INSIDE + "sys.exit()", 0, ("finished", None, "exit 0")),
    pytest.param(INSIDE + "sys.exit(3)", 3, ("failed", "sys.exit(3)", "exit 3")),
    pytest.param(INSIDE + "sys.exit('no')", 1, ("failed", "sys.exit: no", "exit 1")),
    pytest.param(INSIDE + "os._exit(0)", 0, ("lost", "vanished", "lost")),
    pytest.param(INSIDE + "os.abort()", -6, ("lost", "vanished", "lost")),
    pytest.param(WITHOUT + "run.finish()", 0, ("finished", None, "returned")),
    pytest.param(WITHOUT, 0, ("stopped", "the program ended without run.finish()", "left open")),
    pytest.param(WITHOUT + "1 / 0", 1, ("failed", "ZeroDivisionError: division by zero", "raised")),
    pytest.param(WITHOUT + "raise KeyboardInterrupt", -2, ("stopped", "Ctrl-C", "interrupted")),
    pytest.param(
        BEGIN + "def work():\n    with run:\n        1 / 0\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()",
        0,
        ("failed", "ZeroDivisionError: division by zero", "raised"),
        id="raises in a thread",
    ),
    pytest.param(
        BEGIN + "with run:\n    if os.fork() == 0: sys.exit(7)\n    os.wait(); time.sleep(0.1)",
        0,
        ("finished", None, "returned"),
        id="a forked child exits",
    ),
    pytest.param(
        BEGIN + "if os.fork() == 0: 1 / 0\nos.wait(); run.finish()",
        0,
        ("finished", None, "returned"),
        id="a forked child raises",
    ),
]


@pytest.mark.parametrize(("text", "code", "expected"), ENDINGS)
def test_a_program_that_ends_by_itself(program, outcome, text, code, expected):
    assert program(text).wait() == code

    status, reason, exit_words = outcome()
    assert (status, exit_words) == (expected[0], expected[2])
    assert reason == expected[1] or expected[1] in reason


WAITING = INSIDE + "print('ready', flush=True)\n    time.sleep(60)"
WAITING_WITHOUT = WITHOUT + "print('ready', flush=True)\ntime.sleep(60)"
TOLD = [
    (WAITING, signal.SIGINT, -2, ("stopped", "interrupted (Ctrl-C)", "interrupted")),
    (WAITING, signal.SIGTERM, 143, ("stopped", "stopped by SIGTERM", "SIGTERM")),
    (WAITING, signal.SIGHUP, 129, ("stopped", "stopped by SIGHUP", "SIGHUP")),
    (WAITING_WITHOUT, signal.SIGTERM, 143, ("stopped", "stopped by SIGTERM", "SIGTERM")),
    (WAITING_WITHOUT, signal.SIGINT, -2, ("stopped", "interrupted (Ctrl-C)", "interrupted")),
]


@pytest.mark.parametrize(("text", "number", "code", "expected"), TOLD)
def test_a_program_that_is_told_to_end(program, outcome, text, number, code, expected):
    process = program(text)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(number)

    assert process.wait() == code
    assert outcome() == expected


def test_a_killed_program_is_lost_at_once(program, outcome):
    process = program(WAITING)
    assert process.stdout.readline() == "ready\n"
    assert outcome()[0] == "running"

    process.kill()
    process.wait()

    status, reason, exit_words = outcome()
    assert (status, exit_words) == ("lost", "lost")
    assert str(process.pid) in reason


def test_a_killed_program_is_lost_before_anybody_has_waited_for_it(program, outcome):
    process = program(WAITING)
    assert process.stdout.readline() == "ready\n"

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # still a zombie

    assert outcome()[0] == "lost"


def test_a_program_that_sleeps_is_alive(program, outcome, lab, rows):
    """Stopped for longer than any lease: on this host only the process itself counts."""
    process = program(WAITING)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGSTOP)
    with lab.database.write() as session:
        session.connection().exec_driver_sql("UPDATE sessions SET heartbeat = '2020-01-01'")

    assert outcome()[0] == "running"
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert outcome()[0] == "stopped"


def test_a_handler_of_the_users_own_stays(program, outcome):
    text = (
        "import signal\n"
        "told = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: told.append('mine'))\n"
        + BEGIN
        # Not signal.pause(): the signal may come before it.
        + "with run:\n    print('ready', flush=True)\n    while not told: time.sleep(0.01)\n"
        "print(*told)"
    )
    process = program(text)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGTERM)

    assert process.wait() == 0
    assert process.stdout.read() == "mine\n"
    assert outcome() == ("finished", None, "returned")


def test_what_was_ignored_stays_ignored(program, outcome):
    """As under `nohup`."""
    text = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WAITING
    process = program(text)
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)

    assert process.wait() == 143
    assert outcome()[2] == "SIGTERM"


def test_the_default_is_back_when_no_run_is_open(lab):
    before = signal.getsignal(signal.SIGTERM)

    with lab.run(), lab.run():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_forked_child_that_is_terminated_dies_as_it_would(program, outcome):
    text = INSIDE + (
        "child = os.fork()\n"
        "    if child == 0: time.sleep(60)\n"
        "    time.sleep(0.2)\n"
        "    os.kill(child, signal.SIGTERM)\n"
        "    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)"
    )
    process = program(text)

    assert process.stdout.readline() == "-15\n"
    assert process.wait() == 0
    assert outcome() == ("finished", None, "returned")


def test_an_exception_in_the_interactive_interpreter_ends_nothing(lab_root, outcome):
    typed = BEGIN.replace("sys.argv[1]", repr(str(lab_root))) + "1 / 0\nrun.finish()\n"

    subprocess.run(
        [sys.executable, "-i", "-q"], input=typed, text=True, capture_output=True, check=True
    )

    assert outcome() == ("finished", None, "returned")


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [(signal.SIGINT, -2, "interrupted"), (signal.SIGTERM, 143, "SIGTERM")],
)
def test_the_first_signal_asks_and_the_second_interrupts(program, outcome, number, code, words):
    process = program(
        BEGIN
        + """
from tracker.recording.signals import asking_first
with run, asking_first(lambda _: print("asked", flush=True)):
    print("ready", flush=True)
    time.sleep(60)
"""
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "asked\n"
    time.sleep(0.05)
    assert process.poll() is None

    process.send_signal(number)

    assert process.wait() == code
    assert outcome()[::2] == ("stopped", words)
