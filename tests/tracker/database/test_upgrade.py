import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from tests.tracker.database.stored_labs import (
    CURRENT,
    LABS,
    NEXT_SCHEMA,
    NOW,
    content,
    engine_of,
    leftovers,
    schema,
    values,
)
from tracker.database import upgrade
from tracker.database.connection import connect
from tracker.database.tables import Base
from tracker.database.upgrade import alembic_config, check, prepare, schema_of
from tracker.errors import LabUnusableError, NewerLabError

# What a later release could do to this one: alter a table that others refer to, move
# what it holds, and make a new one.
NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{revision}", "{down}", None, None


def upgrade():
    op.create_table("colours", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("INSERT INTO colours (id) VALUES (1), (2)")
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("mood", sa.String(), server_default="good", nullable=False))
        batch.alter_column("note", new_column_name="remark")
    {more}
"""


@pytest.fixture
def next_release(tmp_path, monkeypatch):
    """Makes this version a later one, whose migration can be given more to do."""

    def become(more="pass"):
        migrations = tmp_path / "migrations"
        shutil.copytree(upgrade.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("*.pyc"))
        (migrations / "versions" / f"{NEXT_SCHEMA}_next.py").write_text(
            NEXT.format(revision=NEXT_SCHEMA, down=NOW, more=more)
        )
        monkeypatch.setattr(upgrade, "MIGRATIONS", migrations)
        monkeypatch.setattr(upgrade, "SCHEMA", NEXT_SCHEMA)

    return become


def assert_upgraded(path, before):
    after = content(path)
    assert after["alembic_version"] == [(NEXT_SCHEMA,)]
    assert after["colours"] == [(1,), (2,)]
    assert [row[:-1] for row in after["runs"]] == before["runs"]
    assert {row[-1] for row in after["runs"]} == {"good"}
    for table in set(before) - {"runs", "alembic_version"}:
        assert after[table] == before[table], table


class TestSchema:
    def test_the_constant_is_the_newest_revision(self):
        scripts = ScriptDirectory.from_config(alembic_config(None))

        assert scripts.get_current_head() == upgrade.SCHEMA

    # Alembic cannot compare an index on an expression; the test below does.
    @pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression")
    @pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
    def test_migrations_build_exactly_the_tables(self, empty_database):
        engine = engine_of(empty_database)
        with engine.connect() as connection:
            command.check(alembic_config(connection))
        engine.dispose()

    def test_migrations_and_tables_agree_to_the_letter(self, empty_database, path):
        path.touch()
        engine = engine_of(path)
        Base.metadata.create_all(engine)
        engine.dispose()

        migrated = schema(empty_database)
        del migrated["alembic_version"]
        assert migrated == schema(path)

    @pytest.mark.parametrize("stored", sorted(LABS.glob("*.db")), ids=lambda path: path.stem)
    def test_a_lab_of_every_release_becomes_a_current_one(self, stored, path, empty_database):
        before = values(shutil.copy(stored, path))
        prepare(path)

        assert schema(path) == schema(empty_database)
        after = values(path)
        del before["alembic_version"]
        for unused in ("worker", "lease"):  # of the first two schemas' trials: always empty
            assert set(before["trials"].pop(unused, [None])) == {None}
        assert {
            table: {column: after[table][column] for column in columns}
            for table, columns in before.items()
        } == before

    def test_the_stored_lab_has_rows_in_every_table(self, old):
        assert [table for table, rows in content(old).items() if not rows] == []

    def test_runs_of_an_archived_pipeline_are_archived_by_the_upgrade(self, path):
        shutil.copy(LABS / "schema-0001.db", path)
        connection = connect(path)
        connection.execute("UPDATE pipelines SET archived = '2026-01-02 03:04:05.000000'")
        connection.close()
        prepare(path)

        runs = values(path)["runs"]
        assert dict(zip(runs["name"], runs["archived"], strict=True)) == {
            "mlp": "2026-01-02 03:04:05.000000",
            "mlp-2": "2026-01-02 03:04:05.000000",
            "cnn": None,
        }


class TestUpgrade:
    @pytest.fixture(autouse=True)
    def _here(self, old):
        self.path = old
        self.before = content(old)

    def test_keeps_every_row_and_leaves_the_old_lab_beside_it(self, next_release):
        next_release()
        prepare(self.path)

        assert_upgraded(self.path, self.before)
        backup = self.path.with_name(f"lab.db.before-upgrade-from-{NOW}")
        assert content(backup) == self.before
        assert leftovers(self.path) == []
        assert schema_of(self.path) == NEXT_SCHEMA

    def test_of_a_current_one_does_nothing(self):
        assert upgrade.upgrade(self.path) is None
        assert content(self.path) == self.before
        assert not list(self.path.parent.glob("*before*"))

    def test_that_fails_leaves_the_old_lab(self, next_release):
        next_release(more="raise ValueError('no')")

        with pytest.raises(ValueError, match="no"):
            prepare(self.path)
        assert content(self.path) == self.before
        assert schema_of(self.path) == NOW

    def test_that_leaves_rows_referring_to_nothing_is_taken_back(self, next_release):
        next_release(more="op.execute('DELETE FROM experiments')")

        with pytest.raises(LabUnusableError, match="refer to nothing"):
            prepare(self.path)
        assert content(self.path) == self.before

    def test_by_many_processes_at_once_happens_once(self, next_release, at_once):
        next_release(more="op.execute('INSERT INTO colours DEFAULT VALUES')")

        ended = at_once(lambda _number: prepare(self.path), 8)

        assert {end.text for end in ended} == {"None"}
        assert content(self.path)["colours"] == [(1,), (2,), (3,)]

    def test_waits_for_a_writer_and_keeps_what_it_wrote(self, next_release, in_background):
        next_release()
        waiting, go_on = os.pipe()

        def write():
            writer = connect(self.path)
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE runs SET seed = 99")
            os.write(go_on, b"x")
            time.sleep(0.3)
            writer.execute("COMMIT")
            writer.close()

        ended = in_background(write)
        os.read(waiting, 1)
        prepare(self.path)

        assert ended().text == "None"
        assert {row[8] for row in content(self.path)["runs"]} == {99}

    @pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
    def test_killed_at_any_statement_the_lab_is_old_or_new(self, next_release, killed_at, step):
        next_release()
        for statement in itertools.count(0, step):
            ended = killed_at(statement, lambda: prepare(self.path))
            found = content(self.path)
            if ended.signal == 0:
                break
            if found != self.before:
                assert_upgraded(self.path, self.before)
                shutil.copy(CURRENT, self.path)

        assert statement > 30
        assert_upgraded(self.path, self.before)

    def test_a_newer_lab_is_refused_with_the_reason(self):
        connection = connect(self.path)
        connection.execute("UPDATE alembic_version SET version_num = '0417'")
        connection.close()
        before = self.path.read_bytes()

        for use in (prepare, check, upgrade.upgrade):
            with pytest.raises(
                NewerLabError, match=r"newer version .*\(schema 0417; this one knows"
            ):
                use(self.path)
        assert self.path.read_bytes() == before

    def test_a_lab_that_became_a_newer_one_meanwhile_is_refused(self, monkeypatch):
        monkeypatch.setattr(upgrade, "check", lambda path: False)
        monkeypatch.setattr(upgrade, "SCHEMA", "0000")

        with pytest.raises(NewerLabError):
            prepare(self.path)


class TestUnusable:
    def refused(self, path, match):
        with pytest.raises(LabUnusableError, match=match) as refused:
            prepare(path)
        message = str(refused.value)
        assert message.count("\n") == 0
        assert message.endswith(".")

    def test_a_text_file(self, path):
        path.write_text("no database at all, but long enough to have a header" * 50)

        self.refused(path, "is not a database")
        assert path.read_text().startswith("no database")

    def test_another_programs_database(self, path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE metrics (x)")
        connection.close()

        self.refused(path, "is a database, but not a lab's")

    def test_a_directory_in_the_way(self, path):
        path.mkdir()

        self.refused(path, "is a directory; a lab's database is expected there")

    def test_a_file_in_the_way_of_the_directory(self, path):
        path.write_text("")

        self.refused(path / "lab.db", "is a file; a lab's directory is expected there")

    def test_a_directory_that_is_not_there(self, path):
        self.refused(path.parent / "nowhere" / "lab.db", "is not there")

    def test_a_damaged_database(self, old):
        with old.open("r+b") as file:
            file.seek(100)
            file.write(b"\xff" * 4000)

        self.refused(old, "is damaged")

    def test_a_read_only_directory(self, path, powerless):
        path.parent.chmod(0o555)
        try:
            ended = powerless(lambda: prepare(path))()
        finally:
            path.parent.chmod(0o755)

        assert ended.text == f"LabUnusableError: {path} cannot be made: its directory is read-only."
        assert not path.exists()

    def test_an_old_lab_that_cannot_be_written(self, old, powerless, next_release):
        next_release()
        before = old.read_bytes()
        old.chmod(0o444)
        old.parent.chmod(0o555)
        try:
            ended = powerless(lambda: prepare(old))()
        finally:
            old.parent.chmod(0o755)

        assert ended.text.startswith(f"LabUnusableError: {old} cannot be written")
        assert old.read_bytes() == before


def test_opening_a_current_lab_imports_no_alembic(old):
    program = (
        "import sys; from pathlib import Path; from tracker.database.upgrade import prepare\n"
        "prepare(Path(sys.argv[1])); print(*sys.modules)"
    )
    modules = subprocess.check_output([sys.executable, "-c", program, old], text=True).split()

    assert "alembic" not in modules
    assert "sqlalchemy" in modules
