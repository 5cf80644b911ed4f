import os
import signal

import pytest
from sqlalchemy import func, select

from tracker.database.backup import copy_database
from tracker.database.connection import Database, connect
from tracker.database.tables import Experiment
from tracker.database.upgrade import check
from tracker.errors import LabUnusableError


def add(database, name):
    with database.write() as session:
        session.add(Experiment(name=name))


def count(path):
    database = Database(path)
    with database.read() as session:
        number = session.scalar(select(func.count(Experiment.id)))
    database.close()
    return number


def test_the_copy_is_one_file_with_what_was_committed(database, tmp_path):
    add(database, "digits")
    copy = tmp_path / "copy.db"
    copy_database(database.path, copy)

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("copy")] == ["copy.db"]
    assert check(copy)
    assert count(copy) == 1
    connection = connect(copy)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_nobody_waits_for_it_and_what_is_not_committed_is_not_in_it(database, tmp_path):
    add(database, "digits")
    with database.write() as session:
        session.add(Experiment(name="diabetes"))
        session.flush()
        copy_database(database.path, tmp_path / "copy.db")

    assert count(tmp_path / "copy.db") == 1
    assert count(database.path) == 2


def test_while_others_write_at_full_speed_it_is_one_moment(database, tmp_path, in_background):
    reading, tell = os.pipe()

    def write():
        mine = Database(database.path)
        for number in range(100_000):
            # Two rows in one transaction: a copy holds both or none.
            with mine.write() as session:
                session.add_all([Experiment(name=f"{number} a"), Experiment(name=f"{number} b")])
            if number == 5:
                os.write(tell, b"x")

    writer = in_background(write)
    os.read(reading, 1)
    counts = []
    for number in range(5):
        copy_database(database.path, tmp_path / f"{number}.db")
        counts.append(count(tmp_path / f"{number}.db"))
    os.kill(writer.pid, signal.SIGKILL)
    writer()

    assert all(number % 2 == 0 and number >= 10 for number in counts)
    assert counts == sorted(counts)


def test_a_damaged_database_is_not_copied_silently(database, tmp_path):
    for number in range(100):
        add(database, f"{number:0>200}")
    database.close()
    connection = connect(database.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'experiments'"
    ).fetchone()[0]
    connection.close()
    with database.path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 3)
        file.write(b"\0\0")

    with pytest.raises(LabUnusableError, match="is damaged"):
        copy_database(database.path, tmp_path / "copy.db")
