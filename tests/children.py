"""Children by fork, so that killing one at a chosen statement costs milliseconds."""

import ctypes
import itertools
import os
import signal
import time
import traceback
import warnings
from typing import NamedTuple

import pytest

from tracker.database.faults import driver


class Ended(NamedTuple):
    """How a child ended: its signal (0 for none), and what its function returned or raised."""

    signal: int
    text: str


def fork(function):
    """Runs the function in a forked child; returns what waits for it and tells how it ended."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of threads; the test runner's own do nothing here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            text = str(function())
        except BaseException as error:  # noqa: BLE001 - told to the parent
            text = f"{type(error).__name__}: {error}"
            if os.environ.get("SHOW_CHILDREN"):
                traceback.print_exc()
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)

    def wait():
        with os.fdopen(reading) as pipe:
            text = pipe.read()
        _, status = os.waitpid(child, 0)
        return Ended(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, text)

    wait.pid = child
    return wait


@pytest.fixture
def in_child():
    def run(function):
        return fork(function)()

    return run


@pytest.fixture
def at_once():
    """Runs a function, given 0, 1, 2, ..., in many children at the same moment."""

    def run(function, number):
        ready, start = os.pipe()

        def waiting(place):
            os.close(start)
            os.read(ready, 1)  # Ends for all when the parent closes the other end.
            return function(place)

        started = [fork(lambda place=place: waiting(place)) for place in range(number)]
        os.close(ready)
        os.close(start)
        return [wait() for wait in started]

    return run


@pytest.fixture
def killed_after():
    """Kills a child some seconds after it first told something; returns all that it told.

    The function is given what it tells with: one line at a time, written at once.
    """

    def run(seconds, function):
        reading, writing = os.pipe()
        wait = fork(lambda: function(lambda what: os.write(writing, f"{what}\n".encode())))
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = [pipe.readline()]
            time.sleep(seconds)
            os.kill(wait.pid, signal.SIGKILL)
            told += pipe.readlines()
        assert wait() == (signal.SIGKILL, "")
        return told

    return run


class CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def give_up_power():
    """From now on this process has to respect permissions, even if root runs it."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        nothing = (ctypes.c_uint32 * 6)()
        assert libc.capset(ctypes.byref(CapabilityHeader(0x20080522, 0)), nothing) == 0


@pytest.fixture
def powerless():
    """As `in_background`, without root's power over permissions."""

    def start(function):
        def work():
            give_up_power()
            return function()

        return fork(work)

    return start


def counted(function, count):
    """The function, which calls `count` before it does its work."""

    def work(*args, **kwargs):
        count()
        return function(*args, **kwargs)

    return work


@pytest.fixture
def killed_at():
    """Runs a function in a child that dies when SQLite begins its nth statement, from 0.

    With `files`, what changes a folder or syncs a file counts as a statement does.
    """

    def run(statement, function, *, files=False):
        def die_or_run():
            counter = itertools.count()

            def count(*_sql):
                if next(counter) == statement:
                    os.kill(os.getpid(), signal.SIGKILL)

            if files:
                for name in ("unlink", "rmdir", "rename", "replace", "mkdir", "fsync"):
                    setattr(os, name, counted(getattr(os, name), count))

            real = driver().connect

            def connecting(*args, **kwargs):
                connection = real(*args, **kwargs)
                connection.set_trace_callback(count)
                return connection

            driver().connect = connecting  # In this child only.
            return function()

        return fork(die_or_run)()

    return run


@pytest.fixture
def in_background():
    """Starts a function in a child; what it returns waits for the end."""
    return fork
