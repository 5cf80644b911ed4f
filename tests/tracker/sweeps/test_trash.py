"""Sweeps that are deleted, brought back, and purged."""

import os
import signal
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.tracker.registry.keeping.made import faults, on_disk, rows
from tests.tracker.sweeps.looking import curve, grid, statuses, wait_until
from tracker.database.connection import driver_connection
from tracker.database.tables import Run, Trial, Worker
from tracker.database.types import now
from tracker.errors import InvalidError, LabUnusableError, NotFoundError, StateError, TakenError
from tracker.registry.checkpoints import checkpoints_of, set_pinned
from tracker.registry.completing import deleted_sweep_names, sweep_names
from tracker.registry.runs import find_run
from tracker.registry.sweeps.trashed import trashed
from tracker.sweeps import Sweep


def train(config, trial):
    print("x is", config.x)
    for step in range(2):
        trial.log(loss=config.x / (step + 1), step=step)
        trial.checkpoint(step)
    if config.x == 2:
        raise OSError("no")
    return {"y": config.x**2}


@pytest.fixture
def ran(sweep):
    """A sweep of three trials: two are finished, one has failed."""

    def make(name="small", points=3):
        made = sweep(train, grid(points), name=name)
        made.run()
        return made

    return make


def names(lab, **options):
    return [facts.name for facts in lab.sweeps(**options)]


def record(found):
    return [trial._replace(run=None) for trial in found.trials()], found.log(2), found.fields


class TestDelete:
    def test_it_is_nowhere_and_its_name_is_free(self, ran, lab):
        gone, stays = ran(), ran("stays")
        change = lab.delete_sweeps("small")

        assert (change.sweeps, change.pipelines) == (("small",), [])
        assert change.runs == ["small/small/0", "small/small/1", "small/small/2"]
        assert (names(lab), names(lab, deleted=True)) == (["stays"], ["small"])
        assert len(lab.runs()) == 3
        with lab.database.read() as session:
            assert (sweep_names(session, ""), deleted_sweep_names(session, "")) == (
                ["stays"],
                ["small"],
            )
        with pytest.raises(NotFoundError, match="no sweep named 'small'"):
            Sweep.open("small", lab=lab)
        with pytest.raises(NotFoundError, match=r"no sweep named 'small\\t"):
            Sweep.open(trashed("small", lab.sweeps(deleted=True)[0].deleted), lab=lab)
        again = ran()
        assert again.id not in {gone.id, stays.id}
        assert statuses(again) == ["finished", "finished", "failed"]
        assert faults(lab) == []

    def test_whoever_has_it_open_cannot_run_it(self, ran, lab):
        small = ran()
        small.retry()
        lab.delete_sweeps("small")
        ran()
        before = rows(lab)
        with pytest.raises(StateError, match="'small' is in the trash; `labkeeper sweep restore"):
            small.run()
        assert rows(lab) == before
        lab.purge_sweeps("small")
        with pytest.raises(NotFoundError):
            small.run()

    def test_all_or_none(self, ran, lab):
        ran()
        before = rows(lab)
        with pytest.raises(NotFoundError, match=r"'smal'.*'small'"):
            lab.delete_sweeps(["small", "smal"])
        assert lab.delete_sweeps("small", dry_run=True).sweeps == ("small",)
        assert rows(lab) == before

    def test_what_was_shown_is_what_is_done(self, ran, lab):
        ran()
        shown = lab.delete_sweeps("small", dry_run=True)
        lab.delete("small/0")
        with pytest.raises(StateError, match="has changed since"):
            lab.delete_sweeps("small", shown=shown)
        assert names(lab) == ["small"]

    def test_never_one_that_is_at_work(self, sweep, lab, in_background):
        def wait_for_it(config):
            time.sleep(60)

        small = sweep(wait_for_it, grid(2))
        wait = in_background(small.run)
        wait_until(lambda: small.trials()[0].run)
        with pytest.raises(
            StateError, match=r"Cannot delete: small is at work; .*sweep stop small"
        ):
            lab.delete_sweeps("small")
        os.kill(wait.pid, signal.SIGKILL)
        wait()

        assert lab.delete_sweeps("small").runs == ["small/small/0"], "a dead one is not at work"
        lab.restore_sweeps("small")
        assert statuses(small) == ["lost", "queued"]

    def test_nor_one_whose_worker_waits_for_something_to_do(self, sweep, lab, in_background):
        small = sweep(train, grid(2))
        small.pause()
        wait = in_background(small.run)
        wait_until(lambda: small.workers == 1)
        with pytest.raises(StateError, match="at work"):
            lab.delete_sweeps("small")
        os.kill(wait.pid, signal.SIGKILL)
        wait()

    def test_killed_at_any_statement_it_is_there_or_in_the_trash_with_all_its_runs(
        self, ran, lab, killed_at
    ):
        ran()
        seen = set()
        for statement in range(0, 60, 3):
            lab.close()
            killed_at(statement, lambda: lab.delete_sweeps("small"))
            deleted = names(lab, deleted=True)
            seen.add(tuple(deleted))
            assert (len(lab.runs()), len(lab.runs(deleted=True))) == ((0, 3) if deleted else (3, 0))
            if deleted:
                lab.restore_sweeps("small")
        assert seen == {(), ("small",)}


class TestRestore:
    def test_it_is_as_it_was(self, ran, lab):
        small = ran()
        lab.delete("small/1")
        before, everything, files = record(small), rows(lab), on_disk(lab)
        lab.delete_sweeps("small")
        change = lab.restore_sweeps("small")

        assert (change.sweeps, len(change.runs)) == (("small",), 2)
        assert (record(small), rows(lab), on_disk(lab)) == (before, everything, files)
        small.retry()
        small.run()
        assert [trial.attempts for trial in small.trials()] == [1, 1, 2]

    def test_killed_at_any_statement_it_is_in_the_trash_or_back_with_all_its_runs(
        self, ran, lab, killed_at
    ):
        ran()
        lab.delete_sweeps("small")
        seen = set()
        for statement in range(0, 60, 3):
            lab.close()
            killed_at(statement, lambda: lab.restore_sweeps("small"))
            back = names(lab)
            seen.add(tuple(back))
            assert (len(lab.runs()), len(lab.runs(deleted=True))) == ((3, 0) if back else (0, 3))
            if back:
                lab.delete_sweeps("small")
        assert seen == {(), ("small",)}

    def test_under_another_name_where_its_own_is_taken(self, ran, lab):
        old = ran()
        before = record(old)
        lab.delete_sweeps("small")
        ran()
        with pytest.raises(TakenError, match=r"'small' already.*sweep restore small --as NAME"):
            lab.restore_sweeps("small")
        assert names(lab, deleted=True) == ["small"]
        lab.restore_sweeps("small", as_="old")

        old = Sweep.open("old", lab=lab)
        assert record(old) == before
        assert [trial.run for trial in old.trials()] == ["old/0", "old/1", "old/2"]
        assert curve(lab, "old/1", "loss") == {0: 1.0, 1: 0.5}
        assert faults(lab) == []

    def test_of_several_the_last_that_went_there(self, ran, lab):
        for points in (2, 3):
            ran(points=points)
            lab.delete_sweeps("small")
        lab.restore_sweeps("small")
        assert len(Sweep.open("small", lab=lab)) == 3
        lab.restore_sweeps("small", as_="first")
        assert len(Sweep.open("first", lab=lab)) == 2
        with pytest.raises(NotFoundError, match="no deleted sweep named 'small'"):
            lab.restore_sweeps("small")

    def test_a_name_for_two_is_refused(self, ran, lab):
        ran("a"), ran("b")
        lab.delete_sweeps(["a", "b"])
        with pytest.raises(InvalidError, match="one by one"):
            lab.restore_sweeps(["a", "b"], as_="c")
        assert sorted(names(lab, deleted=True)) == ["a", "b"]


class TestPurge:
    def test_it_leaves_the_lab_as_if_it_had_never_been(self, ran, lab):
        ran("stays")
        before, files = rows(lab), on_disk(lab)
        ran()
        assert len(on_disk(lab)) > len(files)
        lab.delete_sweeps("small")
        change = lab.purge_sweeps("small")

        assert (change.sweeps, len(change.runs)) == (("small",), 3)
        assert change.files == len(on_disk(lab)) - len(files) + 3 * 2
        assert change.bytes > 0
        assert rows(lab) == before
        assert on_disk(lab) == files
        assert faults(lab) == []

    def test_only_what_is_in_the_trash(self, ran, lab):
        ran()
        with pytest.raises(NotFoundError):
            lab.purge_sweeps("small")
        assert lab.purge_sweeps([]).sweeps == ()
        lab.delete_sweeps("small")
        lab.restore("small/0")
        assert lab.purge_sweeps([]).sweeps == ()
        lab.purge_sweeps("small")

        assert lab.runs(columns=["name"]).values.tolist() == [["small/0"]]
        assert faults(lab) == []

    def test_a_purge_of_everything_takes_sweeps_along(self, ran, lab):
        ran(), ran("old")
        lab.delete_sweeps(["small", "old"])
        with lab.database.write() as session:
            went = now() - timedelta(days=31)
            driver_connection(session).execute(
                "UPDATE sweeps SET name = ? WHERE name LIKE 'old%'", (trashed("old", went),)
            )
        assert lab.purge(older_than="30d").sweeps == ("old",)
        shown = lab.purge(everything=True, dry_run=True)
        assert (shown.sweeps, len(shown.runs)) == (("small",), 3)
        assert lab.purge(everything=True, shown=shown).sweeps == ("small",)
        with lab.database.read() as session:
            for table in (Run, Trial, Worker):
                assert session.scalars(select(table)).all() == []
        assert not on_disk(lab)

    def test_what_is_pinned_is_refused_unless_it_is_meant(self, ran, lab):
        ran()
        with lab.database.write() as session:
            run = find_run(session, "small/0")
            set_pinned(session, checkpoints_of(session, run.id)[0].id, pinned=True)
        lab.delete_sweeps("small")
        with pytest.raises(StateError, match="pinned in small/small/0"):
            lab.purge_sweeps("small")
        assert lab.purge_sweeps("small", pinned=True).sweeps == ("small",)

    def test_killed_at_any_moment_it_is_there_or_gone_and_the_next_ends_it(
        self, ran, lab, killed_at
    ):
        ran("stays")
        files = on_disk(lab)
        for moment in range(0, 90, 8):
            ran()
            lab.delete_sweeps("small")
            lab.close()
            killed_at(moment, lambda: lab.purge_sweeps("small"), files=True)
            if names(lab, deleted=True):
                lab.purge_sweeps("small")
            else:
                lab.purge(everything=True)
            assert on_disk(lab) == files
            assert faults(lab) == []

    def test_the_log_of_one_that_gets_the_number_of_a_purged_one_begins_anew(
        self, sweep, lab, monkeypatch
    ):
        first = sweep(train, grid(1))
        first.run()
        lab.delete_sweeps("small")
        remove = type(lab.files).remove

        def fail(self, path):
            raise LabUnusableError("the disk is away")

        monkeypatch.setattr(type(lab.files), "remove", fail)
        with pytest.raises(LabUnusableError):
            lab.purge_sweeps("small")
        monkeypatch.setattr(type(lab.files), "remove", remove)
        again = sweep(train, grid(1))
        again.run()

        assert (again.id, again.log(0)) == (first.id, "x is 0\n")


def test_bundles_leave_it_out_and_one_that_has_it_says_so(ran, lab, tmp_path):
    ran(), ran("stays")
    whole = tmp_path / "whole.bundle"
    lab.export_bundle(whole, everything=True)
    lab.delete_sweeps("small")
    assert lab.export_bundle(tmp_path / "rest.bundle", everything=True).contents.sweeps == ["stays"]
    with pytest.raises(TakenError, match=r"'small.*' is here already, and is in the trash"):
        lab.import_bundle(whole)
