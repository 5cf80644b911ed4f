import threading
import time

import pytest

from tracker.recording.heartbeat import Heartbeat


def wait_until(condition):
    """Until the condition holds; the test's own time limit is the only other end."""
    while not condition():
        time.sleep(0.005)


@pytest.fixture
def session(lab, rows):
    """A run under way whose last sign of life is long ago."""
    with lab.run() as run:
        with lab.database.write() as session:
            session.connection().exec_driver_sql("UPDATE sessions SET heartbeat = '2020-01-01'")
        yield run.session.id


@pytest.fixture
def heartbeat(lab, session):
    heartbeat = Heartbeat(lab.database.path, session, every=0.01)
    heartbeat.start()
    yield heartbeat
    heartbeat.stop()
    heartbeat._thread.join()


def beaten(rows):
    return lambda: rows("SELECT heartbeat FROM sessions") > [("2026",)]


def test_it_tells_that_the_process_lives(heartbeat, rows):
    wait_until(beaten(rows))


def test_a_database_that_is_locked_costs_a_beat_and_nothing_else(lab, session, rows, monkeypatch):
    monkeypatch.setattr("tracker.database.connection.BUSY_TIMEOUT_S", 0.01)
    heartbeat = Heartbeat(lab.database.path, session, every=0.01)
    with lab.database.write() as writing:
        writing.connection()
        heartbeat.start()
        time.sleep(0.2)
        assert heartbeat._thread.is_alive()

    wait_until(beaten(rows))
    heartbeat.stop()
    heartbeat._thread.join()


def test_a_lab_that_vanishes_and_comes_back_costs_beats(lab, heartbeat, rows, lab_root):
    wait_until(beaten(rows))
    lab.close()
    aside = lab_root.with_name("aside")
    lab_root.rename(aside)
    time.sleep(0.1)
    assert heartbeat._thread.is_alive()
    aside.rename(lab_root)

    assert heartbeat._thread.is_alive()


def test_it_ends_when_another_process_has_the_run(lab, heartbeat, session):
    with lab.database.write() as writing:
        writing.connection().exec_driver_sql(
            "INSERT INTO sessions (run_id, host, pid, process_started, started, heartbeat)"
            " SELECT run_id, 'other', 1, 1, started, heartbeat FROM sessions"
        )

    heartbeat._thread.join()


def test_it_ends_with_the_run(lab):
    def beating():
        return [one for one in threading.enumerate() if one.name.startswith("labkeeper")]

    with lab.run():
        assert len(beating()) == 1
    wait_until(lambda: not beating())


def test_it_does_not_keep_the_program_from_ending(lab):
    with lab.run() as run:
        assert run.session._heartbeat._thread.daemon
