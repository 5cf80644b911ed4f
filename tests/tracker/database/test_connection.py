import os
import shutil
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from tracker.database import forks
from tracker.database.connection import Database, connect, connect_for_reading, driver_connection
from tracker.database.faults import driver
from tracker.database.tables import Experiment
from tracker.errors import LabUnusableError


def names(database):
    with database.read() as session:
        return session.scalars(select(Experiment.name).order_by(Experiment.id)).all()


def add(database, name):
    with database.write() as session:
        session.add(Experiment(name=name))


class TestWrite:
    def test_commits_at_the_end(self, database):
        add(database, "digits")

        assert names(database) == ["digits"]

    def test_takes_everything_back_if_the_block_raises(self, database):
        def fail():
            with database.write() as session:
                session.add(Experiment(name="digits"))
                session.flush()
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert names(database) == []

    def test_holds_the_write_lock_from_its_first_question(self, database):
        other = connect(database.path)
        other.execute("PRAGMA busy_timeout = 0")
        with database.write() as session:
            session.scalars(select(Experiment)).all()
            with pytest.raises(driver().OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.close()

    def test_no_update_is_lost_between_processes(self, database, at_once):
        add(database, "counter")

        def count(_number):
            mine = Database(database.path)
            for _ in range(50):
                with mine.write() as session:
                    row = session.scalars(select(Experiment)).one()
                    row.description = str(int(row.description or 0) + 1)

        assert {ended.text for ended in at_once(count, 8)} == {"None"}
        with database.read() as session:
            assert session.scalars(select(Experiment.description)).one() == "400"

    def test_no_update_is_lost_between_threads(self, database):
        add(database, "counter")

        def count():
            for _ in range(20):
                with database.write() as session:
                    row = session.scalars(select(Experiment)).one()
                    row.description = str(int(row.description or 0) + 1)

        threads = [threading.Thread(target=count) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with database.read() as session:
            assert session.scalars(select(Experiment.description)).one() == "400"

    def test_a_broken_rule_of_the_tables_is_no_fault_of_the_lab(self, database):
        add(database, "digits")

        with pytest.raises(sa.exc.IntegrityError):
            add(database, "digits")

    def test_foreign_keys_are_checked(self, database):
        with database.write() as session, pytest.raises(driver().IntegrityError):
            driver_connection(session).execute(
                "INSERT INTO runs (uuid, name, experiment_id, status, created)"
                " VALUES ('u', 'n', 7, 'queued', '')"
            )


class TestRead:
    def test_sees_one_moment(self, database):
        add(database, "digits")
        with database.read() as session:
            before = session.scalars(select(Experiment.name)).all()
            add(Database(database.path), "diabetes")
            assert session.scalars(select(Experiment.name)).all() == before
        assert names(database) == ["digits", "diabetes"]

    def test_never_waits_for_a_writer(self, database):
        with database.write() as session:
            session.add(Experiment(name="digits"))
            session.flush()
            assert names(database) == []

    def test_refuses_to_write(self, database):
        def write():
            with database.read() as session:
                session.add(Experiment(name="digits"))
                session.flush()

        with pytest.raises(LabUnusableError, match="cannot be written"):
            write()
        connection = connect_for_reading(database.path)
        with pytest.raises(driver().OperationalError, match="readonly"):
            connection.execute("DELETE FROM experiments")
        connection.close()


class TestReadOnly:
    """A lab that cannot be written can be read."""

    @pytest.fixture
    def locked_away(self, database):
        add(database, "digits")
        database.close()
        folder = database.path.parent
        folder.chmod(0o555)
        database.path.chmod(0o444)
        yield database.path
        folder.chmod(0o755)

    def test_reads_but_says_in_one_sentence_that_it_cannot_write(self, locked_away, powerless):
        def work():
            database = Database(locked_away)
            found = [names(database), names(database)]
            try:
                add(database, "diabetes")
            except LabUnusableError as error:
                return [*found, str(error)]

        ended = powerless(work)()

        message = f"{locked_away} cannot be written: the file, or its directory, is read-only."
        assert ended.text == str([["digits"], ["digits"], message])
        assert sorted(path.name for path in locked_away.parent.iterdir()) == ["files", "lab.db"]

    def test_sees_what_somebody_else_writes_later(self, locked_away, powerless):
        first_read, tell = os.pipe()
        written, go_on = os.pipe()

        def work():
            database = Database(locked_away)
            first = names(database)
            os.write(tell, b"x")
            os.read(written, 1)
            return [first, names(database)]

        ended = powerless(work)
        os.read(first_read, 1)
        if os.geteuid() != 0:
            locked_away.parent.chmod(0o755)
            locked_away.chmod(0o644)
        writer = Database(locked_away)
        add(writer, "diabetes")
        writer.close()
        os.write(go_on, b"x")

        assert ended().text == str([["digits"], ["digits", "diabetes"]])

    def test_reads_while_somebody_else_writes(self, database, in_background, powerless):
        add(database, "digits")
        written, tell = os.pipe()
        done, stop = os.pipe()

        def write():
            with database.write() as session:
                session.add(Experiment(name="diabetes"))
                session.flush()
                os.write(tell, b"x")
                os.read(done, 1)

        writer = in_background(write)
        os.read(written, 1)
        database.path.parent.chmod(0o555)
        ended = powerless(lambda: names(database))()
        database.path.parent.chmod(0o755)
        os.write(stop, b"x")

        assert ended.text == "['digits']"
        assert writer().text == "None"

    def test_a_log_that_cannot_be_read_is_not_passed_over(self, database, tmp_path, powerless):
        add(database, "digits")
        copy = tmp_path / "copy"
        copy.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{database.path}{suffix}", copy / f"lab.db{suffix}")
        assert (copy / "lab.db-wal").stat().st_size > 0
        copy.chmod(0o555)
        ended = powerless(lambda: names(Database(copy / "lab.db")))()
        copy.chmod(0o755)

        assert ended.text.startswith(f"LabUnusableError: {copy}/lab.db c")


class TestFork:
    def test_the_child_writes_and_the_parent_goes_on(self, database, in_child):
        add(database, "parent")
        assert in_child(lambda: add(database, "child")).text == "None"
        add(database, "parent again")

        assert names(database) == ["parent", "child", "parent again"]

    def test_the_parents_last_close_does_not_take_the_childs_log(self, database, in_background):
        add(database, "parent")
        opened, tell = os.pipe()
        closed, go_on = os.pipe()

        def write_twice():
            add(database, "child")
            os.write(tell, b"x")
            os.read(closed, 1)
            add(database, "child again")

        ended = in_background(write_twice)
        os.read(opened, 1)
        names(database)
        database.close()
        os.write(go_on, b"x")

        assert ended().text == "None"
        assert names(database) == ["parent", "child", "child again"]

    def test_waits_for_a_transaction_in_another_thread(self, database, in_child):
        inside, leave = threading.Event(), threading.Event()

        def write():
            with database.write() as session:
                session.add(Experiment(name="thread"))
                inside.set()
                leave.wait(0.3)

        thread = threading.Thread(target=write)
        thread.start()
        inside.wait()

        assert in_child(lambda: names(database)).text == "['thread']"
        thread.join()

    def test_in_the_middle_of_a_transaction_the_child_refuses_the_lab(self, database, in_child):
        with database.write() as session:
            session.add(Experiment(name="parent"))
            session.flush()
            ended = in_child(lambda: names(Database(database.path)))

        assert "LabUnusableError" in ended.text
        assert "forked while its parent was using it" in ended.text
        assert names(database) == ["parent"]

    def test_beside_a_connection_that_is_open_the_child_refuses_only_that_lab(
        self, database, empty_database, tmp_path, in_child
    ):
        elsewhere = Database(shutil.copy(empty_database, tmp_path / "elsewhere.db"))
        connection = connect(database.path)
        try:
            assert "forked while" in in_child(lambda: names(database)).text
            assert in_child(lambda: names(elsewhere)).text == "[]"
        finally:
            connection.close()
        assert in_child(lambda: names(database)).text == "[]"

    def test_patience_has_an_end(self, database, in_child, monkeypatch):
        monkeypatch.setattr(forks, "PATIENCE_S", 0.1)
        leave = threading.Event()
        inside = threading.Event()

        def write():
            with database.write():
                inside.set()
                leave.wait()

        thread = threading.Thread(target=write)
        thread.start()
        inside.wait()
        try:
            assert in_child(lambda: "alive").text == "alive"
        finally:
            leave.set()
            thread.join()


def test_connecting_never_makes_a_file(tmp_path):
    path = tmp_path / "lab.db"
    for use in (connect, connect_for_reading, lambda path: names(Database(path))):
        with pytest.raises(LabUnusableError, match="There is no database at"):
            use(path)
    assert not path.exists()
