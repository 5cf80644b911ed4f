"""Whoever wants to write waits for the others, and neither for long nor for ever."""

import os
import signal
import threading
import time

import pytest
from sqlalchemy import select

from tracker.database import faults, waiting
from tracker.database.connection import connect, driver_connection
from tracker.database.tables import Experiment
from tracker.errors import LabUnusableError


@pytest.fixture
def taken(database):
    """The write lock, which another connection has: `taken()` lets go of it."""
    other = connect(database.path)
    other.execute("BEGIN IMMEDIATE")
    yield lambda: other.execute("ROLLBACK")
    other.close()


def write(database):
    with database.write() as session:
        session.add(Experiment(name="late"))


def test_it_writes_when_the_other_has_let_go(database, taken):
    writer = threading.Thread(target=write, args=(database,))
    writer.start()
    time.sleep(0.2)
    assert writer.is_alive()
    taken()
    writer.join(timeout=30)

    with database.read() as session:
        assert session.scalars(select(Experiment.name)).all() == ["late"]


def test_it_looks_again_in_less_than_a_transaction_takes(database, taken, monkeypatch):
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 30:
            taken()

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    write(database)

    assert max(pauses[:3]) < 0.001
    assert 0.004 < max(pauses) < 0.016


def test_patience_ends_with_one_clear_error(database, taken, monkeypatch):
    monkeypatch.setattr(waiting, "BUSY_TIMEOUT_S", 0.1)
    with pytest.raises(LabUnusableError, match="Another program has locked"):
        write(database)
    taken()
    write(database)


def test_what_is_no_lock_is_not_waited_for(database):
    connection = connect(database.path)
    connection.execute("BEGIN")
    with pytest.raises(faults.driver().OperationalError, match="within a transaction"):
        waiting.begin_writing(connection)
    connection.close()


def test_ctrl_c_ends_the_wait_at_once(database, taken):
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        write(database)

    assert time.monotonic() - began < 20
    taken()
    write(database)


def test_everything_else_waits_as_long_as_before(database):
    with database.write() as session:
        answer = driver_connection(session).execute("PRAGMA busy_timeout").fetchone()

    assert answer == (1000 * faults.BUSY_TIMEOUT_S,)
