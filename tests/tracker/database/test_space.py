import shutil

import pytest

from tracker.database.connection import connect
from tracker.database.space import file_facts, give_back
from tracker.errors import LabUnusableError


@pytest.fixture
def path(empty_database, tmp_path):
    return shutil.copy(empty_database, tmp_path / "lab.db")


@pytest.fixture(params=["incremental", "none"])
def hollow(request, path):
    """A file with many free pages, of a new lab and of one from before files could shrink."""
    connection = connect(path)
    connection.execute(f"PRAGMA auto_vacuum = {request.param}")
    connection.execute("VACUUM")
    connection.execute("CREATE TABLE large (x)")
    connection.execute("INSERT INTO large VALUES (randomblob(20000000))")
    connection.execute("DROP TABLE large")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert file_facts(path).free_bytes > 19_000_000
    return path


def test_the_free_pages_go_back_to_the_disk(hollow):
    give_back(hollow)

    facts = file_facts(hollow)
    assert (facts.free_bytes, facts.integrity) == (0, "ok")
    assert hollow.stat().st_size == facts.bytes < 1_000_000


def test_a_reader_is_neither_kept_waiting_nor_misled(hollow):
    reader = connect(hollow)
    reader.execute("BEGIN")
    tables = reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
    give_back(hollow)

    assert reader.execute("SELECT count(*) FROM sqlite_master").fetchall() == tables
    reader.execute("COMMIT")
    reader.close()
    give_back(hollow)
    assert hollow.stat().st_size < 1_000_000


@pytest.mark.parametrize("statement", range(0, 12, 3))
def test_killed_at_any_statement_the_file_is_sound_and_shrinks_later(hollow, killed_at, statement):
    killed_at(statement, lambda: give_back(hollow))

    assert file_facts(hollow).integrity == "ok"
    give_back(hollow)
    assert hollow.stat().st_size < 1_000_000


def test_what_is_damaged_is_said(path):
    assert file_facts(path).integrity == "ok"
    connection = connect(path)
    ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'")
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 100)

    assert file_facts(path).integrity != "ok"


def test_no_database_is_one_sentence(tmp_path):
    for work in (file_facts, give_back):
        with pytest.raises(LabUnusableError, match="There is no database"):
            work(tmp_path / "none.db")
