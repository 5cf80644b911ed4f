import ctypes
import os

import pytest
from sqlalchemy import func, select

from tracker.database.connection import Database, connect
from tracker.database.faults import clear_errors, driver, translate
from tracker.database.tables import Experiment
from tracker.database.upgrade import prepare
from tracker.errors import LabUnusableError


def fill(database):
    for number in range(count(database), 1000):
        with database.write() as session:
            session.add(Experiment(name=f"experiment {number}", description="x" * 10_000))


def count(database):
    with database.read() as session:
        return session.scalar(select(func.count(Experiment.id)))


class TestFullDisk:
    def test_is_one_sentence_and_leaves_what_was_committed(self, database):
        def fill_the_disk():
            for number in range(1000):
                with database.write() as session:
                    # As SQLite behaves when the disk holds no page more.
                    session.connection().exec_driver_sql("PRAGMA max_page_count = 150")
                    session.add(Experiment(name=f"number {number}", description="x" * 10_000))

        with pytest.raises(LabUnusableError) as full:
            fill_the_disk()
        assert str(full.value) == (
            f"The disk that holds {database.path} is full. Free some space and try again."
        )
        with database.read() as session:
            stored = session.scalars(select(Experiment.name).order_by(Experiment.id)).all()
        assert stored == [f"number {number}" for number in range(len(stored))]
        assert stored

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
    def test_a_real_one(self, tmp_path, in_child):
        disk = tmp_path / "disk"
        disk.mkdir()

        def work():
            mount_small_disk(disk, "600k")
            path = disk / "lab.db"
            prepare(path)
            database = Database(path)
            said = []
            for deed in (fill, fill):
                try:
                    deed(database)
                except LabUnusableError as error:
                    said.append(str(error))
            connection = connect(path)
            said += [
                count(database) > 3,
                connection.execute("PRAGMA integrity_check").fetchone()[0],
            ]
            return said

        ended = in_child(work)
        if "not permitted" in ended.text:
            pytest.skip("mounting is not permitted here")
        sentence = f"The disk that holds {disk}/lab.db is full. Free some space and try again."
        assert ended.text == str([sentence, sentence, True, "ok"])

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
    def test_too_small_for_a_new_lab_leaves_nothing(self, tmp_path, in_child):
        disk = tmp_path / "disk"
        disk.mkdir()

        def work():
            mount_small_disk(disk, "100k")
            try:
                prepare(disk / "lab.db")
            except LabUnusableError as error:
                return [str(error), list(disk.iterdir())]

        ended = in_child(work)
        if "not permitted" in ended.text:
            pytest.skip("mounting is not permitted here")
        sentence = f"The disk that holds {disk}/lab.db is full. Free some space and try again."
        assert ended.text == str([sentence, []])


def mount_small_disk(folder, size):
    """A file system of its own for this process, which ends with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_mount_namespace, private, recursive = 0x20000, 1 << 18, 1 << 14
    done = libc.unshare(new_mount_namespace) or libc.mount(
        b"none", b"/", None, private | recursive, None
    )
    options = f"size={size}".encode()
    if done or libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options):
        raise PermissionError("not permitted")


class TestTranslate:
    def error(self, code):
        error = driver().OperationalError("what SQLite says")
        error.sqlite_errorcode = code
        return error

    @pytest.mark.parametrize(
        ("code", "sentence"),
        [
            (13, "The disk that holds {path} is full. Free some space and try again."),
            (4874, "The disk that holds {path} is full. Free some space and try again."),
            (8, "{path} cannot be written: the file, or its directory, is read-only."),
            (8 | 6 << 8, "{path} cannot be written: the file, or its directory, is read-only."),
            (26, "{path} is not a database."),
            (11, "{path} is damaged. `labkeeper doctor` says more; restore a backup."),
            (5, "Another program has locked {path} for more than 60 seconds."),
            (10, "{path} could not be read or written: the disk reports an error (10)."),
            (14, "There is no database at {path}."),
        ],
    )
    def test_a_fault_of_the_file_is_one_sentence(self, tmp_path, code, sentence):
        path = tmp_path / "lab.db"
        error = translate(self.error(code), path)

        assert isinstance(error, LabUnusableError)
        assert str(error) == sentence.format(path=path)

    @pytest.mark.parametrize("code", [1, 19])
    def test_a_fault_of_the_statement_stays_what_it_is(self, tmp_path, code):
        error = self.error(code)

        assert translate(error, tmp_path) is error

    def test_other_errors_pass_unchanged(self, tmp_path):
        with pytest.raises(OSError, match="mine"), clear_errors(tmp_path):
            raise OSError("mine")

    def test_the_cause_is_kept(self, tmp_path):
        error = self.error(13)
        with pytest.raises(LabUnusableError) as full, clear_errors(tmp_path):
            raise error
        assert full.value.__cause__ is error
