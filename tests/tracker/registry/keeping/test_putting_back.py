import os

import pytest

from tests.tracker.registry.keeping.made import faults, names, on_disk, rows
from tracker.errors import InvalidError, NoLabError, StateError
from tracker.lab import Lab
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session


@pytest.fixture
def backup(lab, made, tmp_path):
    """A backup of a lab with a pipeline and a run in the trash."""
    made.pipeline("mlp")
    made.run("gone")
    lab.delete("gone")
    return lab.backup(tmp_path / "monday").path


def contents(root):
    with Lab.open(root) as lab:
        assert faults(lab) == []
        return rows(lab), on_disk(lab)


def beside(lab):
    return sorted(name for name in os.listdir(lab.root) if name != ".labkeeper")  # noqa: PTH208 - names are wanted


class TestPutBack:
    def test_the_lab_is_as_it_was_and_what_was_there_is_kept(self, lab, made, backup):
        before = rows(lab), on_disk(lab)
        made.run("later")
        (lab.root / "mine.py").write_text("code")
        later = rows(lab), on_disk(lab)
        lab.close()

        restored = Lab.restore_backup(backup, lab.root)

        assert contents(lab.root) == before
        restored.before.parent.joinpath("kept").mkdir()
        restored.before.rename(lab.root / "kept" / ".labkeeper")
        assert contents(lab.root / "kept") == later
        assert beside(lab) == ["kept", "mine.py"]
        assert contents(backup) == before

    def test_a_damaged_lab_or_one_that_is_gone_comes_back(self, lab, backup, tmp_path):
        before = rows(lab), on_disk(lab)
        lab.close()
        lab.database.path.write_bytes(b"no database" * 1000)
        Lab.restore_backup(backup, lab.root)
        assert contents(lab.root) == before

        assert Lab.restore_backup(backup, tmp_path / "new").before is None
        assert contents(tmp_path / "new") == before

    def test_training_or_logging_goes_on_in_it(self, lab, backup):
        lab.close()
        Lab.restore_backup(backup, lab.root)

        with Lab.open(lab.root) as restored:
            with restored.resume_run("mlp") as run:
                run.log(loss=0.5)
            restored.restore("gone")
            assert names(restored) == [["mlp"], ["gone", "mlp"]]

    def test_what_is_damaged_in_the_backup_is_told(self, lab, backup):
        (path, *_) = (backup / ".labkeeper" / "files").rglob("e0.ckpt")
        path.write_bytes(b"x")
        lab.close()

        restored = Lab.restore_backup(backup, lab.root)
        (fault,) = restored.backup.faults
        assert "checkpoint 'train-epoch-0' of run" in fault

    def test_a_lab_in_which_something_runs_is_refused(self, lab, made, backup):
        run = made.run("going")
        with lab.database.write() as session:
            begin_session(session, run.id, this_process())
        before = rows(lab)

        with pytest.raises(StateError, match="'going' is running in"):
            Lab.restore_backup(backup, lab.root)
        assert rows(lab) == before
        assert beside(lab) == []

    def test_itself_and_what_is_no_lab_are_refused(self, lab, tmp_path):
        with pytest.raises(InvalidError, match="is the lab itself"):
            Lab.restore_backup(lab.root, lab.root)
        with pytest.raises(NoLabError):
            Lab.restore_backup(tmp_path, lab.root)

    @pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
    def test_killed_at_any_step_both_are_kept_and_repeated_it_ends_clean(
        self, lab, made, backup, copy_of, killed_at, step
    ):
        end = contents(backup)
        made.run("later")
        start, started = copy_of(lab), (rows(lab), on_disk(lab))

        for statement in range(0, 10_000, step):
            root = copy_of(Lab(start))
            ended = killed_at(
                statement, lambda root=root: Lab.restore_backup(backup, root), files=True
            )
            if (root / ".labkeeper").exists():
                assert contents(root) in (started, end)
            Lab.restore_backup(backup, root)
            assert contents(root) == end
            kept = {path.name[:17] for path in root.iterdir()} - {".labkeeper"}
            assert kept == {".labkeeper-before"}
            if ended.signal == 0:
                break
        assert statement > 15
