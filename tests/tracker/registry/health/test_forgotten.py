"""Checkpoints whose files are gone."""

import pytest
from sqlalchemy import select

from tests.tracker.registry.health.damage import age
from tests.tracker.registry.keeping.made import rows
from tracker.database.tables import Checkpoint
from tracker.lab import Lab
from tracker.registry.checkpoints import candidates
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session

LOST = "files/runs/a/e1.ckpt"


@pytest.fixture
def lab(lab_in_order, database, lab_root):
    with Lab(lab_root) as lab:
        yield lab


def stored(database):
    with database.read() as session:
        found = session.scalars(select(Checkpoint).order_by(Checkpoint.id)).all()
    return [(row.name, row.path, row.removed is not None, row.bytes) for row in found]


def test_it_is_named_with_what_to_do_and_forgotten_by_a_repair(
    lab, database, run_id, files, doctor, cure
):
    before = rows(lab)
    files.path(LOST).unlink()

    found = doctor()
    assert set(found) == {"missing-checkpoints"}
    assert found["missing-checkpoints"].message == (
        "checkpoint 'e1' of run 'first': files/runs/a/e1.ckpt is missing. Put it back, from a"
        " backup perhaps, or let a repair forget it."
    )
    assert cure() == {"missing-checkpoints"}
    assert {name: one.message for name, one in doctor().items()} == {
        "forgotten-checkpoints": (
            "1 checkpoint was forgotten, with missing files; the first: 'e1' of run 'first'."
        )
    }
    assert [name for name, *_ in stored(database)] == ["e0", "e1"]
    assert stored(database)[1] == ("e1", f"missing/{LOST}", True, 7)
    after = rows(lab)
    assert {table for table in after if after[table] != before[table]} == {"checkpoints"}
    assert after["checkpoints"][0] == before["checkpoints"][0]
    with database.read() as session:
        assert [row.name for row in candidates(session, run_id)] == ["e0"]
    assert lab.verify().faults == []


@pytest.mark.parametrize("old", [True, False])
def test_a_file_that_comes_back_is_known_again_and_never_deleted(
    lab, database, files, doctor, cure, old
):
    before = rows(lab)
    content = files.path(LOST).read_bytes()
    files.path(LOST).unlink()
    cure()
    files.path(LOST).write_bytes(content)
    if old:
        age(files.path(LOST))

    assert set(doctor()) == {"returned-checkpoints", "forgotten-checkpoints"}
    assert cure() == {"returned-checkpoints"}
    assert doctor() == {}
    assert rows(lab) == before
    assert files.path(LOST).read_bytes() == content


def test_another_file_in_its_place_is_neither_known_nor_deleted(lab, files, doctor, cure):
    files.path(LOST).unlink()
    cure()
    files.path(LOST).write_bytes(b"others!")
    age(files.path(LOST))

    cure()
    assert set(doctor()) == {"forgotten-checkpoints"}
    assert files.path(LOST).read_bytes() == b"others!"


def test_of_a_run_that_is_running_nothing_is_forgotten(lab, database, run_id, files, doctor, cure):
    files.path(LOST).unlink()
    with database.write() as session:
        begin_session(session, run_id, this_process())

    assert set(doctor()) == {"damaged-files"}
    assert cure() == set()


def test_what_is_forgotten_travels_as_removed(lab, files, cure, tmp_path, new_lab_at):
    files.path(LOST).unlink()
    cure()
    lab.export_bundle(tmp_path / "b", everything=True)
    with new_lab_at(tmp_path / "there") as there:
        there.import_bundle(tmp_path / "b")

        assert list(there.checkpoints("first")["name"]) == ["e0"]
        assert [one for one in there.doctor() if one.severity != "note"] == []


@pytest.fixture
def new_lab_at():
    return Lab.init
