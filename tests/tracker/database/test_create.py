import itertools
import os
import shutil
import sqlite3

import pytest
import sqlalchemy as sa

from tests.tracker.database.stored_labs import (
    NOW,
    content,
    leftovers,
)
from tracker.database import upgrade
from tracker.database.connection import Database
from tracker.database.tables import Run
from tracker.database.upgrade import check, create, prepare
from tracker.errors import LabUnusableError


class TestCreate:
    def test_makes_a_current_lab_in_wal_mode_and_nothing_else(self, path):
        prepare(path)

        assert check(path)
        assert os.listdir(path.parent) == ["lab.db"]  # noqa: PTH208 - names are wanted
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        # Freed pages can be given back to the disk.
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        connection.close()

    def test_makes_none_beside_the_files_of_one_that_is_missing(self, path):
        prepare(path)
        left = path.parent / "files" / "runs" / "a.ckpt"
        left.parent.mkdir(parents=True)
        left.touch()
        path.unlink()

        with pytest.raises(LabUnusableError, match=r"lab\.db is missing, and files of its runs"):
            prepare(path)
        assert not path.exists()

    def test_leaves_alone_what_is_there(self, old):
        before = old.read_bytes()
        create(old)

        assert old.read_bytes() == before
        assert leftovers(old) == []

    def test_any_number_of_processes_may_be_first(self, path, at_once):
        def be_first(_number):
            prepare(path)
            return path.stat().st_ino

        ended = at_once(be_first, 12)

        assert {end.text for end in ended} == {str(path.stat().st_ino)}
        assert leftovers(path) == []

    def test_without_a_lock_all_build_and_one_is_put_in_place(self, path, at_once, monkeypatch):
        import fcntl

        def no_locks(handle, operation):
            raise OSError

        monkeypatch.setattr(fcntl, "flock", no_locks)

        def be_first(_number):
            prepare(path)
            return path.stat().st_ino

        ended = at_once(be_first, 4)

        assert {end.text for end in ended} == {str(path.stat().st_ino)}
        assert leftovers(path) == []

    def test_the_lock_lets_one_build_at_a_time(self, path, at_once, monkeypatch):
        built = path.with_name("built")
        real = upgrade._build

        def build(aside):
            with built.open("a") as file:
                file.write("x")
            real(aside)

        monkeypatch.setattr(upgrade, "_build", build)
        at_once(lambda _number: prepare(path), 4)

        assert built.read_text() == "x"

    @pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
    def test_killed_at_any_statement_there_is_no_lab_or_a_whole_one(self, path, killed_at, step):
        for statement in itertools.count(0, step):
            ended = killed_at(statement, lambda: prepare(path))
            if ended.signal == 0:
                break
            assert not path.exists() or content(path)["alembic_version"] == [(NOW,)]
            path.unlink(missing_ok=True)

        assert statement > 50
        assert check(path)

    def test_a_path_with_odd_letters_is_no_obstacle(self, tmp_path):
        odd = tmp_path / "50%? #1 größe" / "lab.db"
        odd.parent.mkdir()
        prepare(odd)

        assert check(odd)
        database = Database(odd)
        with database.write() as session:
            assert session.scalars(sa.select(Run)).all() == []
        database.close()

    def test_nor_is_one_to_the_migrations(self, path, tmp_path, monkeypatch):
        installed = tmp_path / "50% off" / "migrations"
        shutil.copytree(upgrade.MIGRATIONS, installed)
        monkeypatch.setattr(upgrade, "MIGRATIONS", installed)
        prepare(path)

        assert check(path)
