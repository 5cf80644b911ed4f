"""What is exported and taken in elsewhere, is there as it was."""

import zipfile
from pathlib import Path

import pytest

from tests.tracker.transfer import contents
from tracker.database.types import now
from tracker.errors import (
    BundleError,
    DamagedFileError,
    InvalidError,
    NotFoundError,
    StateError,
    TakenError,
)
from tracker.registry.health import Severity
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run, find_run
from tracker.registry.sessions import begin_session
from tracker.transfer import Fate
from tracker.transfer.format import FILES
from tracker.transfer.reading import open_bundle
from tracker.transfer.rules import RULES


def faults(lab):
    return [found for found in lab.doctor() if found.severity is not Severity.NOTE]


def entries(path):
    with open_bundle(path) as bundle:
        return bundle.manifest.entries


class TestEverything:
    def test_the_example_has_rows_in_every_table(self, here):
        found = contents.rows(here)
        assert {name for name, rule in RULES.items() if rule.left_out is None} == set(found)
        assert [name for name, rows in found.items() if not rows] == []

    def test_every_row_and_every_file_is_the_same(self, here, there, bundle):
        there.import_bundle(bundle)

        expected, found = contents.rows(here), contents.rows(there)
        for table in expected:
            assert found[table] == expected[table], table
        assert contents.contents_of_files(there) == contents.contents_of_files(here)
        assert faults(there) == []

    def test_a_bundle_of_what_came_in_a_bundle_is_the_same_file(self, there, bundle, tmp_path):
        there.import_bundle(bundle)
        there.export_bundle(tmp_path / "again.bundle", everything=True)

        assert (tmp_path / "again.bundle").read_bytes() == bundle.read_bytes()

    def test_the_same_bundle_twice_changes_nothing(self, there, bundle):
        first = there.import_bundle(bundle)
        before = contents.rows(there), sorted(there.files.everything())
        second = there.import_bundle(bundle)

        assert {change.fate for change in first.changes} == {Fate.NEW}
        assert {change.fate for change in second.changes} == {Fate.PRESENT}
        assert (second.files, second.bytes) == (0, 0)
        assert (contents.rows(there), sorted(there.files.everything())) == before

    def test_one_that_is_damaged_is_refused_also_where_nothing_of_it_is_needed(self, there, bundle):
        there.import_bundle(bundle)
        with zipfile.ZipFile(bundle) as archive:
            entry = next(
                info
                for info in archive.infolist()
                if info.filename.startswith("files/") and info.file_size
            )
        content = bytearray(bundle.read_bytes())
        content[entry.header_offset + 30 + len(entry.filename.encode()) + entry.file_size // 2] ^= 1
        bundle.write_bytes(content)

        with pytest.raises(BundleError, match="damaged"):
            there.import_bundle(bundle)

    def test_into_the_lab_it_came_from_nothing_changes(self, here, bundle):
        before = contents.rows(here), sorted(here.files.everything())
        here.import_bundle(bundle)

        assert (contents.rows(here), sorted(here.files.everything())) == before

    def test_lists_and_histories_read_the_same(self, here, there, bundle):
        there.import_bundle(bundle)

        for lab in (here, there):
            assert len(lab.runs()) == 3
        order = {"sort": ["created", "name"]}
        assert there.runs(**order).equals(here.runs(**order))
        assert there.pipelines(archived=None, **order).equals(
            here.pipelines(archived=None, **order)
        )


class TestMerging:
    def test_two_labs_become_one(self, new_lab, tmp_path):
        labs = [new_lab("a"), new_lab("b")]
        for lab, prefix in zip(labs, ("a-", "b-"), strict=True):
            contents.fill(lab, prefix)
            lab.export_bundle(tmp_path / f"{prefix}bundle", everything=True)
        merged = new_lab("merged")
        merged.import_bundle(tmp_path / "a-bundle")
        merged.import_bundle(tmp_path / "b-bundle", taken="rename")

        assert sorted(merged.pipelines(archived=None)["name"]) == [
            "a-cnn", "a-mlp", "b-cnn", "b-mlp",
        ]  # fmt: skip
        assert len(merged.runs()) == 6
        assert set(merged.runs()["uuid"]) == {*labs[0].runs()["uuid"], *labs[1].runs()["uuid"]}
        expected = sorted(
            contents.rows(labs[0])["metrics"] + contents.rows(labs[1])["metrics"], key=repr
        )
        assert sorted(contents.rows(merged)["metrics"], key=repr) == expected
        assert faults(merged) == []

    def test_what_both_have_is_there_once(self, here, there, bundle):
        there.goal("score", "min")
        there.run("mine", experiment="digits").finish()
        there.import_bundle(bundle)

        assert there.goal("score") == "min"
        assert set(there.runs()["experiment"]) == {"digits", "loose"}
        assert len(there.runs()) == 4


class TestChoice:
    def test_a_pipeline_comes_with_its_runs(self, here, there, tmp_path):
        done = here.export_bundle(tmp_path / "b", "mlp")

        assert (done.contents.pipelines, done.contents.runs) == (["mlp"], 2)
        assert done.contents.sweeps == []
        there.import_bundle(tmp_path / "b")
        assert list(there.pipelines()["name"]) == ["mlp"]

    def test_a_run_comes_with_its_pipeline_and_without_its_siblings(self, here, there, tmp_path):
        done = here.export_bundle(tmp_path / "b", "digits/mlp-2")

        assert (done.contents.pipelines, done.contents.runs) == (["mlp"], 1)
        there.import_bundle(tmp_path / "b")
        assert there.pipeline("mlp").run is None
        here.export_bundle(tmp_path / "rest", "mlp")
        there.import_bundle(tmp_path / "rest")
        assert there.pipeline("mlp").run == "mlp"
        assert len(there.runs()) == 2

    def test_a_sweep_comes_with_the_runs_of_its_trials(self, here, there, tmp_path):
        done = here.export_bundle(tmp_path / "b", "grid")

        assert (done.contents.sweeps, done.contents.runs) == (["grid"], 3)
        there.import_bundle(tmp_path / "b")
        assert contents.rows(there)["trials"] == contents.rows(here)["trials"]

    def test_a_sweep_comes_along_when_all_its_runs_do(self, here, tmp_path):
        done = here.export_bundle(tmp_path / "b", "mlp", "loose/mlp")

        assert done.contents.sweeps == ["grid"]

    def test_filters_choose_pipelines_or_runs(self, here, tmp_path):
        of_pipelines = here.export_bundle(tmp_path / "a", pipelines="name == 'cnn'")
        of_runs = here.export_bundle(tmp_path / "b", runs="number == 2")

        assert (of_pipelines.contents.pipelines, of_pipelines.contents.runs) == (["cnn"], 0)
        assert (of_runs.contents.pipelines, of_runs.contents.runs) == ([], 1)

    def test_without_checkpoints(self, here, there, tmp_path):
        here.export_bundle(tmp_path / "b", everything=True, checkpoints=False)
        there.import_bundle(tmp_path / "b")

        found, expected = contents.rows(there), contents.rows(here)
        assert found.pop("checkpoints") == []
        assert found == {name: rows for name, rows in expected.items() if name != "checkpoints"}
        assert not any("checkpoints" in name for name in entries(tmp_path / "b") if FILES in name)

    def test_what_is_in_the_trash_stays(self, here, tmp_path):
        with here.database.write() as session:
            find_run(session, "mlp-2").deleted = now()
        assert here.export_bundle(tmp_path / "b", everything=True).contents.runs == 2
        assert here.export_bundle(tmp_path / "c", "mlp").contents.runs == 1

    def test_nothing_asked_for_and_nothing_found_are_refused(self, here, tmp_path):
        with pytest.raises(InvalidError, match="Say what"):
            here.export_bundle(tmp_path / "b")
        with pytest.raises(InvalidError, match="nothing"):
            here.export_bundle(tmp_path / "b", pipelines="name == 'no'")
        with pytest.raises(NotFoundError, match="Did you mean 'mlp'"):
            here.export_bundle(tmp_path / "b", "mpl")
        assert not (tmp_path / "b").exists()


class TestRefusals:
    def test_a_running_run(self, here, tmp_path):
        with here.database.write() as session:
            made = create_run(session, name="now", experiment="loose")
            begin_session(session, made.id, this_process())
        with pytest.raises(StateError, match="'now' is running"):
            here.export_bundle(tmp_path / "b", everything=True)
        assert list(tmp_path.glob("*b")) == []

    def test_a_run_whose_process_vanished_is_lost_and_travels(self, here, there, tmp_path):
        with here.database.write() as session:
            made = create_run(session, name="now", experiment="loose")
            gone = this_process()._replace(pid=2**22 + 1)
            begin_session(session, made.id, gone)
        here.export_bundle(tmp_path / "b", "now")
        there.import_bundle(tmp_path / "b")

        assert list(there.runs()["status"]) == ["lost"]

    @pytest.mark.parametrize(
        "damage", [lambda path: path.unlink(), lambda path: path.write_text("")]
    )
    def test_a_registered_file_that_is_not_what_was_written(self, here, tmp_path, damage):
        damage(next(here.files.root.rglob("e1.ckpt")))

        with pytest.raises(DamagedFileError, match=r"e1\.ckpt"):
            here.export_bundle(tmp_path / "b", everything=True)
        assert [path.name for path in tmp_path.iterdir()] == ["here"]

    def test_a_place_that_is_taken_or_not_there(self, here, bundle, tmp_path):
        before = bundle.read_bytes()
        with pytest.raises(TakenError, match=r"all\.bundle already"):
            here.export_bundle(bundle, everything=True)
        assert bundle.read_bytes() == before
        with pytest.raises(InvalidError, match="no directory"):
            here.export_bundle(tmp_path / "no" / "b", everything=True)


def test_a_dry_run_tells_the_same_and_changes_nothing(there, bundle):
    before = contents.rows(there)
    told = there.import_bundle(bundle, dry_run=True)

    assert contents.rows(there) == before
    assert not list(there.files.everything())
    assert there.import_bundle(bundle) == told


def test_a_dry_run_refuses_what_is_damaged(there, bundle):
    with zipfile.ZipFile(bundle) as archive:
        entry = next(info for info in archive.infolist() if info.filename.startswith(FILES))
    with Path(bundle).open("r+b") as file:
        file.seek(entry.header_offset + len(entry.FileHeader()))
        file.write(b"?")

    with pytest.raises(BundleError, match="is damaged"):
        there.import_bundle(bundle, dry_run=True)
