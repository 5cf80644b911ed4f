"""Bundles of older schemas become current ones; a full disk leaves nothing."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.tracker.transfer import contents
from tests.tracker.transfer.forging import Forged
from tracker.database import connection, upgrade
from tracker.errors import LabUnusableError
from tracker.lab import Lab
from tracker.registry.health import Severity
from tracker.transfer.rules import RULES

OLDER = [schema for schema in upgrade.known_schemas() if schema < upgrade.SCHEMA]


@pytest.mark.parametrize("schema", OLDER)
def test_a_bundle_of_an_older_schema_is_read_as_a_lab_of_it_would_be(
    bundle, there, here, tmp_path, schema
):
    """Made by leaving out what that schema had not yet, and filling in what it had."""
    upgrade.build(tmp_path / "old.db", schema)
    old = connection.connect(tmp_path / "old.db")
    forged = Forged(bundle)
    forged.manifest["schema"] = schema
    for name in [name for name in RULES if f"tables/{name}.jsonl" in forged.entries]:
        columns = [column for _, column, *_ in old.execute(f"PRAGMA table_info({name})")]
        rows = [{c: row.get(c) for c in columns} for row in forged.table(name)]
        forged.set_table(name, rows)
    old.close()
    forged.write(tmp_path / "old.bundle")
    there.import_bundle(tmp_path / "old.bundle")

    assert there.runs(sort="uuid").equals(here.runs(sort="uuid"))
    assert contents.rows(there)["metrics"] == contents.rows(here)["metrics"]
    assert contents.rows(there)["series"] == contents.rows(here)["series"]
    assert [found for found in there.doctor() if found.severity is not Severity.NOTE] == []


@pytest.mark.parametrize("schema", OLDER)
def test_an_older_lab_is_upgraded_and_takes_it_in(bundle, here, tmp_path, schema):
    root = tmp_path / "old"
    (root / ".labkeeper" / "files").mkdir(parents=True)
    stored = Path(__file__).parents[1] / "database" / "labs" / f"schema-{schema}.db"
    shutil.copy(stored, root / ".labkeeper" / "lab.db")
    with Lab.open(root) as lab:
        before = len(lab.runs())
        lab.import_bundle(bundle, taken="rename")
        assert len(lab.runs()) == before + 3


def fails_after(monkeypatch, number):
    """The nth file that is synced finds the disk full."""
    left = iter(range(number))
    sync = os.fsync

    def failing(handle):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", failing)


@pytest.mark.parametrize("number", [0, 1, 10, 20, 22])
def test_a_full_disk_while_files_are_written(there, bundle, tmp_path, monkeypatch, number):
    before = contents.rows(there)
    with monkeypatch.context() as patch:
        fails_after(patch, number)
        with pytest.raises(LabUnusableError, match="disk is full"):
            there.import_bundle(bundle)

    assert contents.rows(there) == before
    assert list(there.files.everything()) == []
    there.import_bundle(bundle)
    assert len(there.runs()) == 3


def test_a_disk_without_room_is_refused_before_anything_is_copied(there, bundle, monkeypatch):
    usage = shutil.disk_usage(there.root)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LabUnusableError, match=r"needs .* MB, and .* free"):
        there.import_bundle(bundle)
    assert list(there.files.everything()) == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_full_disk_while_a_bundle_is_written(here, tmp_path, monkeypatch, number):
    fails_after(monkeypatch, number)
    with pytest.raises(LabUnusableError, match="disk is full"):
        here.export_bundle(tmp_path / "b", everything=True)
    assert not list(tmp_path.glob(".aside*"))


def test_a_full_disk_for_the_database_leaves_nothing(there, bundle, monkeypatch):
    """SQLite's own limit stands for the disk's."""
    opening = connection._open

    def limited(path, mode):
        opened = opening(path, mode)
        if path.name == "lab.db":
            ((pages,),) = opened.execute("PRAGMA page_count").fetchall()
            opened.execute(f"PRAGMA max_page_count = {pages + 1}")
        return opened

    there.close()
    forged = Forged(bundle)
    forged.change("runs", {"note": "long" * 100_000})
    forged.write(bundle)
    with monkeypatch.context() as patch:
        patch.setattr(connection, "_open", limited)
        with pytest.raises(LabUnusableError, match="full"):
            there.import_bundle(bundle)
        there.close()

    assert len(there.runs()) == 0
    assert list(there.files.everything()) == []
