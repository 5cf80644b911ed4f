import math
from pathlib import Path

import pytest

from engine.callbacks import MetricCallback
from tests.tracker.recording import blobs
from tests.tracker.recording.blobs import QUIET, At
from tracker.database.kinds import CheckpointKind
from tracker.errors import InvalidError, LabUnusableError
from tracker.files import StoredFile
from tracker.recording.checkpoints import CheckpointPolicy
from tracker.registry.checkpoints import checkpoints_of, set_pinned


class TestCheckpoints:
    def run(self, lab, n_epochs=4, act=None, callback=None, **policy):
        experiment = blobs.build(n_epochs)
        if callback is not None:
            experiment.execution_plan.get_train_phase("train").add_callback(callback)
        with lab.track(experiment, checkpoints=CheckpointPolicy(**policy)) as run:
            if act is not None:
                step, do = act
                experiment.add_reporter(At(step, lambda: do(run)))
            experiment.run(**QUIET)
        return run

    def files(self, lab):
        return {Path(path).name for path in lab.files.everything()}

    def test_the_last_stays_and_the_best_weights(self, lab, states, rows):
        self.run(lab)

        assert states() == ["train-epoch-3"]
        assert states(CheckpointKind.BEST) == ["train-best"]
        assert len(self.files(lab)) == 2
        assert rows(
            "SELECT name, step, epoch, batch, metric, value IS NOT NULL FROM checkpoints"
            " WHERE removed IS NULL AND kind = 'state'"
        ) == [("train-epoch-3", 20, 3, None, "val_loss", 1)]

    def test_the_best_state_stays_too(self, lab, states):
        self.run(lab, monitor="train_loss", mode="max")

        assert states() == ["train-epoch-3", "train-epoch-0"]

    def test_so_many_of_the_best_stay_as_are_wanted(self, lab, states):
        self.run(lab, monitor="train_loss", mode="max", top=2)

        assert states() == ["train-epoch-3", "train-epoch-1", "train-epoch-0"]

    def test_the_best_at_its_lowest(self, lab, states):
        self.run(lab, monitor="train_loss", top=3)

        assert states() == ["train-epoch-3", "train-epoch-2", "train-epoch-1"]

    def test_of_equals_the_older_is_better_and_nan_is_never_best(self, lab, states):
        class Steady(MetricCallback):
            def on_epoch_end(self, *, exec_ctx, **_):
                return [math.nan, 2.0, 1.0, 1.0, 1.0][exec_ctx.epoch_idx]

        self.run(lab, n_epochs=5, callback=Steady(name="steady"), monitor="steady")

        assert states() == ["train-epoch-4", "train-epoch-2"]

    def test_the_best_state_goes_if_it_is_not_wanted(self, lab, states):
        self.run(lab, monitor="train_loss", mode="max", keep_best=False)

        assert states() == ["train-epoch-3"]

    def test_as_many_stay_as_are_wanted_and_only_some_epochs_write_one(self, lab, states):
        self.run(lab, n_epochs=7, every=2, keep_last=3)

        # The end of a training always has one.
        assert states() == ["train-epoch-6", "train-epoch-5", "train-epoch-3"]

    def test_one_within_an_epoch_after_some_time(self, lab, states, often):
        self.run(lab, n_epochs=1, every_seconds=1e-9, keep_last=10)

        assert states()[::-1] == [
            *(f"train-epoch-0-batch-{batch}" for batch in (1, 2, 3, 4, 5)),
            "train-epoch-0",
        ]

    def test_a_pinned_one_stays(self, lab, states):
        def pin(run):
            with lab.database.write() as session:
                set_pinned(session, checkpoints_of(session, run.id)[0].id, pinned=True)

        self.run(lab, act=(6, pin))

        assert states() == ["train-epoch-3", "train-epoch-0"]

    def test_another_runs_files_are_not_touched(self, lab):
        self.run(lab)
        before = self.files(lab)
        self.run(lab)

        assert before < self.files(lab)

    def test_every_registered_file_is_whole_and_every_file_registered(self, lab, rows):
        self.run(lab, keep_last=2, monitor="train_loss", mode="max")

        found = rows("SELECT path, bytes, sha256 FROM checkpoints WHERE removed IS NULL")
        for file in found:
            lab.files.verify(StoredFile(*file))
        assert {Path(path).name for path, *_ in found} == self.files(lab)

    @pytest.mark.parametrize(
        "policy",
        [{"every": 0}, {"keep_last": 0}, {"top": 0}, {"every_seconds": 0}, {"mode": "low"}],
    )
    def test_a_policy_that_makes_no_sense_is_refused(self, policy):
        with pytest.raises(InvalidError, match="not"):
            CheckpointPolicy(**policy)

    def test_a_disk_that_is_full_is_told(self, lab, rows, monkeypatch):
        def full(*_args, **_named):
            raise OSError(28, "No space left on device")

        experiment = blobs.build(n_epochs=2)
        monkeypatch.setattr(experiment, "write_checkpoint", full)
        with pytest.raises(LabUnusableError, match="the disk is full"), lab.track(experiment):
            experiment.run(**QUIET)

        assert rows("SELECT status, count(checkpoints.id) FROM runs LEFT JOIN checkpoints") == [
            ("failed", 0)
        ]
