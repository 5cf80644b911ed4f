import os
from contextlib import suppress
from datetime import timedelta

import pytest

from tests.tracker.registry.keeping.made import faults, names, on_disk, rows
from tracker.database.connection import connect
from tracker.database.tables import Artifact, Leftover, Run, RunSession
from tracker.database.types import now
from tracker.errors import InvalidError, LabUnusableError, NotFoundError, StateError
from tracker.registry.checkpoints import checkpoints_of, retire, set_pinned
from tracker.registry.keeping.leftovers import leftovers


def size(lab):
    lab.close()
    return lab.database.path.stat().st_size


class TestPurge:
    def test_leaves_the_lab_as_if_it_had_never_been(self, lab, made):
        made.run("stays")
        before, files = rows(lab), on_disk(lab)
        made.pipeline("mlp", runs=2, environment="other", dataset="other", experiment="letters")
        lab.delete("mlp")

        change = lab.purge("mlp")

        assert change[:4] == (["mlp"], ["letters/mlp", "letters/mlp-2"], 6, 2 * 3172)
        assert rows(lab) == before
        assert on_disk(lab) == files
        assert faults(lab) == []

    def test_what_others_share_stays(self, lab, made):
        made.run("stays")
        made.run("goes")
        before = {table: found for table, found in rows(lab).items() if table in SHARED}
        lab.delete("goes")
        lab.purge("goes")

        assert {table: found for table, found in rows(lab).items() if table in SHARED} == before
        assert {table: len(found) for table, found in before.items()} == SHARED

    def test_only_what_is_in_the_trash(self, lab, made):
        made.run("run")
        with pytest.raises(NotFoundError):
            lab.purge("run")
        assert lab.purge(everything=True)[:2] == ([], [])
        assert names(lab) == [[], ["run"]]

    def test_a_name_means_all_that_had_it(self, lab, made):
        for _ in range(2):
            made.run("run")
            lab.delete("run")

        assert lab.purge("run").runs == ["digits/run", "digits/run"]

    def test_by_age(self, lab, made):
        made.pipeline("old")
        made.run("new")
        lab.delete(["old", "new"])
        with lab.database.write() as session:
            for row in session.query(Run).filter(Run.name == "old"):
                row.deleted = now() - timedelta(days=31)

        assert lab.purge(older_than="30 days").runs == ["digits/old"]
        assert lab.purge(older_than=timedelta(hours=1))[:2] == ([], [])
        assert lab.purge(older_than="0s")[:2] == (["old"], ["digits/new"])
        for age in ("soon", "3", ""):
            with pytest.raises(InvalidError, match="is no age"):
                lab.purge(older_than=age)

    def test_by_filters_over_the_trash(self, lab, made):
        made.pipeline("mlp")
        made.run("bad", losses=[9.0])
        made.run("good", losses=[0.1])
        lab.delete(["mlp", "bad", "good"])

        assert lab.purge(runs="last(val_loss) > 1").runs == ["digits/bad"]
        assert lab.purge(pipelines="name == 'mlp'")[:2] == (["mlp"], ["digits/mlp"])
        assert names(lab, deleted=True) == [[], ["good"]]

    def test_nothing_said_is_refused(self, lab):
        with pytest.raises(InvalidError, match="Say what to purge"):
            lab.purge()

    def test_a_pinned_checkpoint_is_refused_unless_it_is_said(self, lab, made):
        run = made.run("run")
        with lab.database.write() as session:
            set_pinned(session, checkpoints_of(session, run.id)[0].id, pinned=True)
        lab.delete("run")
        before = rows(lab)

        with pytest.raises(StateError, match=r"pinned in digits/run.*--pinned"):
            lab.purge(everything=True)
        assert rows(lab) == before
        assert lab.purge(everything=True, pinned=True).runs == ["digits/run"]

    def test_the_pin_of_a_checkpoint_that_is_gone_refuses_nothing(self, lab, made):
        run = made.run("run")
        with lab.database.write() as session:
            oldest = checkpoints_of(session, run.id)[-1]
            oldest.pinned, oldest.removed = True, now()
        lab.delete("run")

        assert lab.purge(everything=True).runs == ["digits/run"]

    def test_a_dry_run_says_the_same_and_changes_nothing(self, lab, made):
        for number in range(30):
            made.run(f"run-{number}")
        lab.delete(runs="lr == 0.1")
        before, files = rows(lab), on_disk(lab)

        shown = lab.purge(everything=True, dry_run=True)

        assert (rows(lab), on_disk(lab)) == (before, files)
        assert lab.purge(everything=True, shown=shown) == shown
        assert shown.database_bytes > 0

    def test_the_file_shrinks(self, lab):
        large = [float(number) for number in range(2_000)]
        with lab.run("large") as run:
            run.log_history({"loss": large})
        full = size(lab)
        lab.delete("large")

        change = lab.purge("large")

        assert change.database_bytes > 16 * len(large)
        # One that is converted gets a page that says where the others are.
        assert full - size(lab) >= change.database_bytes - 4096

    def test_a_file_that_could_not_shrink_becomes_one_that_can(self, lab):
        lab.close()
        connection = connect(lab.database.path)
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")
        connection.close()
        self.test_the_file_shrinks(lab)

        connection = connect(lab.database.path)
        assert connection.execute("PRAGMA auto_vacuum").fetchall() == [(2,)]
        connection.close()

    def test_missing_files_are_no_obstacle(self, lab, made):
        made.run("run")
        for path in on_disk(lab):
            lab.files.remove(path)
        lab.delete("run")

        assert lab.purge("run")[2:4] == (0, 0)

    def test_a_pipeline_forgets_a_current_run_that_is_gone(self, lab, made):
        made.pipeline("mlp")
        lab.delete("digits/mlp")
        lab.purge("mlp")

        assert rows(lab)["pipelines"][0][6] == ""  # current_run_id
        assert faults(lab) == []


SHARED = {"environments": 1, "datasets": 1, "experiments": 1}


class TestFiles:
    def test_one_that_another_run_refers_to_stays(self, lab, made):
        stays, goes = made.run("stays"), made.run("goes")
        shared = next(path for path in on_disk(lab) if goes.uuid in path and "report" in path)
        with lab.database.write() as session:
            session.add(RunSession(run_id=stays.id, host="h", pid=1, process_started=0, log=shared))
        lab.delete("goes")

        assert lab.purge("goes").files == 2
        assert shared in on_disk(lab)
        assert not [path for path in on_disk(lab) if goes.uuid in path and path != shared]

    def test_what_nobody_registered_in_its_folder_goes_as_well(self, lab, made):
        run = made.run("run")
        lab.files.write_bytes(f"{lab.files.run_folder(run.uuid)}/checkpoints/.aside-1", b"half")
        with lab.database.write() as session:
            (first, _) = (row.id for row in checkpoints_of(session, run.id))
            retire(session, run.id, [first - 1])  # Its file was not deleted.
        lab.delete("run")

        assert lab.purge("run").files == 4
        assert on_disk(lab) == set()

    @pytest.mark.parametrize("path", ["../outside", "/etc/hostname", "files/link/outside"])
    def test_nothing_outside_the_lab_is_touched(self, lab, made, path):
        outside = lab.root / "outside"
        outside.write_text("mine")
        (lab.files.root / "files" / "link").symlink_to(lab.root)
        run = made.run("run")
        with lab.database.write() as session:
            session.query(Artifact).filter(Artifact.run_id == run.id).update({"path": path})
            session.add(Leftover(path=path))
        lab.delete("run")
        lab.purge("run")

        assert outside.read_text() == "mine"
        with lab.database.read() as session:
            assert leftovers(session) == []

    def test_one_that_cannot_be_deleted_is_deleted_later(self, lab, made, powerless):
        run = made.run("run")
        lab.delete("run")
        folder = lab.files.path(lab.files.run_folder(run.uuid)) / "artifacts"
        folder.chmod(0o555)

        ended = powerless(lambda: lab.purge("run"))()
        assert ended.text.startswith(LabUnusableError.__name__)
        assert "permission is denied" in ended.text
        assert names(lab, deleted=True) == [[], []]
        folder.chmod(0o755)
        lab.purge(everything=True)
        assert on_disk(lab) == set()

    def test_a_path_at_which_a_run_has_a_file_again_is_not_deleted(self, lab, made):
        made.run("run")
        files = on_disk(lab)
        with lab.database.write() as session:
            session.add_all(Leftover(path=path) for path in files)
        lab.purge(everything=True)

        assert on_disk(lab) == files
        with lab.database.read() as session:
            assert leftovers(session) == []


def lose_files(lab):
    """Of two runs a checkpoint each; and one that nobody knows has come."""
    for path in [path for path in sorted(on_disk(lab)) if path.endswith("e1.ckpt")][:2]:
        lab.files.remove(path)
    stray = lab.files.path("files/runs/stray")
    stray.write_bytes(b"whose?")
    os.utime(stray, (0, 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
class TestKilled:
    """At any statement and any change of a folder: all or nothing, and repeated it ends clean."""

    @pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
    @pytest.mark.parametrize(
        ("command", "before"),
        [
            (lambda lab: lab.delete(["mlp", "free"]), None),
            (lambda lab: lab.archive(["mlp", "free"]), None),
            (lambda lab: lab.unarchive(["mlp", "free"]), lambda lab: lab.archive(["mlp", "free"])),
            (lambda lab: lab.restore(["mlp", "free"]), lambda lab: lab.delete(["mlp", "free"])),
            (lambda lab: lab.purge(["mlp", "free"]), lambda lab: lab.delete(["mlp", "free"])),
            (lambda lab: lab.rename("mlp", "big"), None),
            (lambda lab: lab.rename(to="run-{uuid}", runs="lr == 0.1"), None),
            (lambda lab: lab.tag(tags=["a", "b"], remove="t", runs="lr == 0.1"), None),
            (lambda lab: lab.note(text="seen", runs="lr == 0.1"), None),
            (lambda lab: lab.pin("free", 0, 1), None),
            (lambda lab: lab.doctor(repair=True), lose_files),
        ],
        ids=[
            *("delete", "archive", "unarchive", "restore", "purge"),
            *("rename", "rename several", "tag", "note", "pin", "doctor --repair"),
        ],
    )
    def test_at_any_step(self, lab, made, copy_of, killed_at, command, before, step):
        made.pipeline("mlp", runs=2)
        made.run("free", environment="own")
        made.run("other", epochs=3)
        if before is not None:
            before(lab)
        start, started = copy_of(lab), rows(lab)
        command(lab)
        end, files = rows(lab), on_disk(lab)

        for statement in range(0, 10_000, step):
            with type(lab)(copy_of(type(lab)(start))) as killed:
                ended = killed_at(statement, lambda lab=killed: command(lab), files=True)
                found = {**rows(killed), "leftovers": []}
                assert found in (started, end)
                repeat(command, killed)
                assert (rows(killed), on_disk(killed)) == (end, files)
                assert faults(killed) == []
            if ended.signal == 0:
                break
        assert statement > 4


def repeat(command, lab):
    """As somebody would whose machine has died: what is done already is no longer there."""
    with suppress(NotFoundError):
        command(lab)
