"""A list of damages: each is found, named, and repaired or left to people."""

import os
import shutil

import pytest

from tests.tracker.registry.keeping.made import on_disk, rows
from tracker.database.connection import connect
from tracker.files.durable import ASIDE
from tracker.registry.checkpoints import checkpoints_of
from tracker.registry.health import trash
from tracker.registry.health.stored import LOST
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session

LONG_AGO = 1_000_000_000
ORDINARY = {"sqlite", "free-space", "file-system"}


def sql(*statements):
    """Changes the database as no command would."""

    def damage(lab):
        connection = connect(lab.database.path)
        connection.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return damage


def a_file(lab, ending):
    return lab.files.path(min(path for path in on_disk(lab) if path.endswith(ending)))


def missing(lab):
    a_file(lab, "report.txt").unlink()


def damaged(lab):
    path = a_file(lab, "report.txt")
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def shortened(lab):
    path = a_file(lab, "e1.ckpt")
    path.write_bytes(path.read_bytes()[:-1])


def a_directory_in_place_of_a_file(lab):
    path = a_file(lab, "report.txt")
    path.unlink()
    path.mkdir()


def a_link_that_leads_out(lab):
    path = a_file(lab, "e0.ckpt")
    shutil.move(path, lab.root / "elsewhere")
    path.symlink_to(lab.root / "elsewhere")


def orphaned(lab):
    lab.files.write_bytes("files/stranger.bin", b"whose?")
    os.utime(lab.files.path("files/stranger.bin"), (LONG_AGO, LONG_AGO))


def unfinished(lab):
    path = a_file(lab, "e0.ckpt").with_name(f"{ASIDE}1.ckpt")
    path.write_bytes(b"half")
    os.utime(path, (LONG_AGO, LONG_AGO))


def removed_but_there(lab):
    with lab.database.read() as session:
        oldest = checkpoints_of(session, 1)[-1]
    sql(f"UPDATE checkpoints SET removed = created WHERE id = {oldest.id}")(lab)


def purged_but_there(lab):
    lab.files.write_bytes("files/runs/gone/e0.ckpt", b"state")
    os.utime(lab.files.path("files/runs/gone/e0.ckpt"), (LONG_AGO, LONG_AGO))
    sql("INSERT INTO leftovers VALUES ('files/runs/gone/e0.ckpt')")(lab)


def dead(lab):
    elsewhere = this_process()._replace(pid=2**22 + 1, process_started=1.0)
    with lab.database.write() as session:
        begin_session(session, 1, elsewhere)


REPAIRED = {
    "dead-sessions": (dead, "Run 'mlp' is shown as running, but process"),
    "unattended-runs": (
        sql("UPDATE runs SET status = 'running' WHERE id = 1"),
        "Run 'mlp' is running, but no process",
    ),
    "loose-sessions": (sql("UPDATE sessions SET ended = NULL"), "is said to work on run"),
    "loose-phases": (sql("UPDATE phase_results SET status = 'running'"), "Phase 'train' of run"),
    "dangling-rows": (
        sql("INSERT INTO tags (name, run_id) VALUES ('lost', 99)"),
        "1 rows of tags refer to runs",
    ),
    "current-runs": (
        sql("UPDATE pipelines SET current_run_id = 99"),
        "The current run of pipeline 'mlp' is not there.",
    ),
    "summaries": (sql("UPDATE series SET last = 99"), "The summary of 'val_loss'"),
    "headlines": (sql("UPDATE series SET headline = NOT headline"), "wrongly"),
    "empty-series": (
        sql("INSERT INTO series (run_id, name, axis, headline, count, numbers, total)"
            " VALUES (1, 'x', 'step', 1, 0, 0, 0)"),
        "1 metrics have no point",
    ),
    "undeleted-files": (purged_but_there, "1 files of what was purged or pruned"),
    "half-deleted": (
        sql("UPDATE pipelines SET deleted = created"),
        "Run 'mlp' can be seen, but its pipeline 'mlp' is in the trash.",
    ),
    "unused-rows": (
        sql("INSERT INTO experiments (name, created) VALUES ('empty', '2026-01-01 00:00:00')"),
        "1 experiments are used by no",
    ),
    "unknown-files": (orphaned, "1 file belongs to nothing"),
    "unfinished-files": (unfinished, "1 files were never finished"),
    "leftover-files": (removed_but_there, "1 files of removed checkpoints"),
}  # fmt: skip

# What is lost cannot be made again: people must know, and decide.
NAMED = {
    "missing": (missing, "is missing"),
    "damaged": (damaged, "its content is not what was written"),
    "shortened": (shortened, "2047 bytes, 2048 were written"),
    "directory": (a_directory_in_place_of_a_file, "is missing"),
    "link": (a_link_that_leads_out, "leads out of the lab"),
    "path": (sql("UPDATE artifacts SET path = '../../etc/passwd'"), "is not a plain path"),
}


@pytest.fixture
def lab_in_order(lab, made):
    made.pipeline("mlp")
    made.run("free")
    assert found_in(lab) == {}
    return lab


def found_in(lab, **options):
    found = [finding for finding in lab.doctor(**options) if finding.check not in ORDINARY]
    return {finding.check: finding for finding in found}


@pytest.mark.parametrize("check", REPAIRED)
def test_found_named_and_repaired(lab_in_order, check):
    damage, words = REPAIRED[check]
    damage(lab_in_order)

    found = found_in(lab_in_order)
    assert words in found[check].message
    assert found[check].cure is not None
    assert found.keys() <= {check, *CONSEQUENCES.get(check, ())}
    assert found_in(lab_in_order, repair=True) == found
    assert found_in(lab_in_order) == {}


# Where one damage is seen in two ways.
CONSEQUENCES = {"loose-sessions": ["dead-sessions"]}


@pytest.mark.parametrize("damage", NAMED)
def test_found_named_and_left_alone(lab_in_order, damage):
    work, words = NAMED[damage]
    work(lab_in_order)
    before = rows(lab_in_order)

    found = found_in(lab_in_order)
    assert words in found["damaged-files"].message
    assert " of run '" in found["damaged-files"].message
    assert found["damaged-files"].cure is None
    found_in(lab_in_order, repair=True)
    assert rows(lab_in_order) == before
    assert "damaged-files" in found_in(lab_in_order)


def test_a_repair_deletes_nothing_that_could_be_wanted(lab_in_order):
    files = on_disk(lab_in_order)
    orphaned(lab_in_order)
    lab_in_order.doctor(repair=True)

    assert (lab_in_order.files.root / LOST / "files/stranger.bin").read_bytes() == b"whose?"
    assert on_disk(lab_in_order) == files


def test_a_run_that_somebody_works_on_is_not_put_into_the_trash(lab_in_order):
    with lab_in_order.database.write() as session:
        begin_session(session, 1, this_process())
    sql("UPDATE pipelines SET deleted = created")(lab_in_order)
    lab_in_order.doctor(repair=True)

    assert "half-deleted" in found_in(lab_in_order)


def test_much_free_space_in_the_database_is_worth_a_word(lab_in_order, monkeypatch):
    monkeypatch.setattr(trash, "MUCH_FREE", 0)
    assert "free-pages" not in found_in(lab_in_order)
    sql("DELETE FROM metrics", "DELETE FROM series", "DROP TABLE metrics")(lab_in_order)

    with lab_in_order.database.read() as session:
        (found,) = trash._free_pages(session, lab_in_order.files)
    assert "`labkeeper purge` gives them back" in found.message
