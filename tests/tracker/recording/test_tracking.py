import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
import torch

from engine.phases import PhaseGroup
from engine.phases.reporting import Reporter
from tracker.database.tables import CheckpointKind
from tracker.errors import InvalidError, LabUnusableError, NotFoundError, StateError
from tracker.files import StoredFile
from tracker.lab import Lab
from tracker.recording import tracking
from tracker.recording.checkpoints import CheckpointPolicy
from tracker.registry.checkpoints import checkpoints_of, set_pinned
from tracker.registry.runs import find_run
from tracker.registry.sessions import ask_stop

PROGRAM = Path(__file__).with_name("blobs.py")
QUIET = {"show_training_progress": False}


def _load():
    spec = importlib.util.spec_from_file_location("blobs", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


blobs = _load()


class At(Reporter):
    """Does something after the given number of optimizer steps."""

    def __init__(self, step, act):
        self._step, self._act = step, act

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self._step:
            self._act()


@pytest.fixture
def often(monkeypatch):
    """Progress and stop are looked at after every batch."""
    monkeypatch.setattr(tracking, "POLL_S", 0.0)


@pytest.fixture
def states(lab):
    """The names of the run's checkpoints to go on from, newest first."""

    def ask(kind=CheckpointKind.STATE):
        with lab.database.read() as session:
            return [row.name for row in checkpoints_of(session, 1, kind)]

    return ask


def outcome(rows, run_id=1):
    """All that was recorded of a run, without moments and ids."""
    points = rows(
        "SELECT name, axis, label, step, metrics.epoch, value FROM metrics"
        " JOIN series ON series.id = series_id"
        " LEFT JOIN phase_results ON phase_results.id = phase_result_id"
        " WHERE series.run_id = :run ORDER BY 1, 2, 3, 4",
        run=run_id,
    )
    summaries = rows(
        "SELECT name, axis, headline, count, numbers, first, last, last_step, minimum,"
        " minimum_step, minimum_epoch, maximum, maximum_step FROM series WHERE run_id = :run"
        " ORDER BY 1, 2",
        run=run_id,
    )
    phases = rows(
        "SELECT label, kind, position, status, epochs, batches, summary FROM phase_results"
        " WHERE run_id = :run ORDER BY id",
        run=run_id,
    )
    return points, summaries, phases


class TestRecord:
    def test_metrics_stand_along_steps_and_epochs_by_phase(self, lab, rows):
        experiment = blobs.build(n_epochs=2)
        with lab.track(experiment, params={"lr": 0.01}, tags=["small"]) as run:
            experiment.run(**QUIET)

        assert (run.name, run.experiment) == ("blobs", "blobs")
        assert rows("SELECT status, seed, phase, epoch FROM runs") == [("finished", 1, "test", 1)]
        found = rows(
            "SELECT label, name, axis, count, first_step, last_step FROM series"
            " JOIN phase_results ON phase_results.id = phase_result_id ORDER BY series.id"
        )
        assert found == [
            ("train", "train_loss", "step", 10, 1, 10),
            ("train", "train_loss", "epoch", 2, 5, 10),
            ("train", "val_loss", "epoch", 2, 5, 10),
            ("test", "test_loss", "step", 1, 10, 10),
        ]
        store = experiment.last_run.results.get_train_result().metric_store
        history = lab.histories(metrics=["val_loss"])
        logged = [store.at_epoch(epoch)["val_loss"][-1] for epoch in (0, 1)]
        assert history["value"].tolist() == logged
        assert history["epoch"].tolist() == [0, 1]

    def test_phases_are_rows_with_what_they_came_to(self, lab, rows):
        experiment = blobs.build(n_epochs=2)
        with lab.track(experiment):
            experiment.run(**QUIET)

        _, _, phases = outcome(rows)
        assert [row[:6] for row in phases] == [
            ("train", "train", 0, "finished", 2, 10),
            ("test", "eval", 1, "finished", None, None),
        ]
        summary = json.loads(phases[0][6])
        assert set(summary["metrics"]) == {"train_loss", "val_loss"}
        assert summary["early_stopping"]["best_epoch"] == 1

    def test_groups_hold_their_phases(self, lab, rows):
        experiment = blobs.build(n_epochs=1)
        plan = experiment.execution_plan
        train, test = plan.all
        plan.clear().add_group(PhaseGroup("outer", [PhaseGroup("inner", [train]), test]))
        with lab.track(experiment):
            experiment.run(**QUIET)

        assert rows(
            "SELECT child.label, child.kind, child.position, parent.label FROM phase_results child"
            " LEFT JOIN phase_results parent ON parent.id = child.parent_id ORDER BY child.id"
        ) == [
            ("outer", "group", 0, None),
            ("inner", "group", 0, "outer"),
            ("train", "train", 0, "inner"),
            ("test", "eval", 1, "outer"),
        ]

    def test_several_executions_follow_each_other(self, lab, rows):
        experiment = blobs.build(n_epochs=1)
        train, test = experiment.execution_plan.all
        with lab.track(experiment):
            experiment.run_phase(train, **QUIET)
            experiment.run_phase(test)
            experiment.run_phase(train, **QUIET)

        assert rows("SELECT label, position, status FROM phase_results ORDER BY id") == [
            ("train", 0, "finished"),
            ("test", 1, "finished"),
            ("train", 2, "finished"),
        ]
        assert rows("SELECT min(step), max(step), count(*) FROM metrics") == [(1, 10, 15)]

    def test_data_is_known_by_its_content(self, lab, rows):
        experiment = blobs.build(n_epochs=1)
        with lab.track(experiment):
            experiment.run(**QUIET)

        (data,) = experiment.ctx.available_featuresets.values()
        assert rows("SELECT name, fingerprint, rows FROM datasets") == [
            ("data", data.fingerprint, 200)
        ]

    def test_early_stopping_is_the_reason(self, lab, rows):
        experiment = blobs.build(n_epochs=50)
        (stopping,) = [
            one for one in experiment.execution_plan.all[0].callbacks if hasattr(one, "patience")
        ]
        stopping.patience, stopping.min_delta = 1, 10.0
        with lab.track(experiment):
            experiment.run(**QUIET)

        assert rows("SELECT status, reason FROM runs") == [
            ("finished", "early stopping at epoch 1")
        ]

    def test_a_failure_is_recorded_where_it_happened(self, lab, rows):
        experiment = blobs.build(n_epochs=2)

        def fail():
            raise ZeroDivisionError("in a batch")

        experiment.add_reporter(At(7, fail))
        with pytest.raises(ZeroDivisionError), lab.track(experiment):
            experiment.run(**QUIET)

        assert rows("SELECT status, reason FROM runs") == [
            ("failed", "ZeroDivisionError: in a batch")
        ]
        assert rows("SELECT label, status, epochs FROM phase_results") == [("train", "failed", 1)]

    def test_nothing_is_heard_after_the_block(self, lab, rows):
        experiment = blobs.build(n_epochs=1)
        with lab.track(experiment):
            experiment.run(**QUIET)
        before = rows("SELECT count(*) FROM metrics")

        experiment.run(**QUIET)

        assert experiment.reporters == []
        assert rows("SELECT count(*) FROM metrics") == before

    def test_progress_is_told_while_it_runs(self, lab, rows, often):
        experiment = blobs.build(n_epochs=2)
        seen = []
        with lab.track(experiment):
            look = "SELECT phase, runs.epoch, batch, batches FROM runs JOIN phase_results"
            experiment.add_reporter(At(8, lambda: seen.extend(rows(look))))
            experiment.run(**QUIET)

        assert seen == [("train", 1, 2, 8)]

    def test_values_that_wait_on_a_device_are_stored_together(self, lab, rows, monkeypatch):
        """As on a GPU, where reading each would make every step wait."""
        monkeypatch.setattr(tracking, "_is_on_gpu", lambda value: isinstance(value, torch.Tensor))
        experiment = blobs.build(n_epochs=1)
        with lab.track(experiment) as run:
            reporter = experiment.reporters[0]
            reporter.run_started(experiment, resumed=False)
            reporter.phase_started(
                experiment.execution_plan.all[0], path=(0,), kind="train", resumed=False
            )
            for step in (1, 2, 3):
                values = {"loss": torch.tensor(step / 3), "rate": 0.5}
                reporter.metrics(values, path=(0,), epoch=0, batch=step - 1, step=step)
            assert rows("SELECT count(*) FROM metrics") == [(0,)]
            reporter.run_ended(experiment, status="failed", error=KeyboardInterrupt())

        assert rows(
            "SELECT name, step, epoch, value FROM metrics JOIN series ON id = series_id"
            " WHERE run_id = :run ORDER BY name, step",
            run=run.id,
        ) == [
            *(("loss", step, 0, float(torch.tensor(step / 3))) for step in (1, 2, 3)),
            *(("rate", step, 0, 0.5) for step in (1, 2, 3)),
        ]


class TestCheckpoints:
    def run(self, lab, n_epochs=4, act=None, **policy):
        experiment = blobs.build(n_epochs)
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
        "policy", [{"every": 0}, {"keep_last": 0}, {"every_seconds": 0}, {"mode": "low"}]
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


class TestStop:
    @pytest.mark.parametrize("step", [3, 5, 8])
    def test_takes_effect_after_the_batch_with_a_checkpoint(self, lab, rows, states, often, step):
        experiment = blobs.build()
        with lab.track(experiment) as run:

            def ask():
                with lab.database.write() as session:
                    ask_stop(session, run.id)

            # Heard before the recording, so that the batch at hand is the last.
            experiment._reporters.insert(0, At(step, ask))
            experiment.run(**QUIET)

        assert rows("SELECT status, reason FROM runs") == [("stopped", "asked to stop")]
        assert rows("SELECT label, status FROM phase_results") == [("train", "stopped")]
        assert rows("SELECT max(step) FROM metrics") == [(step,)]
        epoch, batch = divmod(step - 1, blobs.STEPS_PER_EPOCH)
        assert states()[0] == f"train-epoch-{epoch}-batch-{batch + 1}"

    def test_from_inside_is_recorded_too(self, lab, rows, states):
        experiment = blobs.build()
        with lab.track(experiment):
            experiment.add_reporter(At(7, experiment.request_stop))
            experiment.run(**QUIET)

        assert rows("SELECT status, reason FROM runs") == [("stopped", "asked to stop")]
        assert states()[0] == "train-epoch-1-batch-2"

    def test_ctrl_c_interrupts_at_once_and_writes_nothing(self, lab, rows, states):
        def interrupt():
            raise KeyboardInterrupt

        experiment = blobs.build()
        experiment.add_reporter(At(7, interrupt))
        with pytest.raises(KeyboardInterrupt), lab.track(experiment):
            experiment.run(**QUIET)

        assert rows("SELECT status, reason FROM runs") == [("stopped", "interrupted (Ctrl-C)")]
        assert states() == ["train-epoch-0"]


@pytest.fixture(scope="module")
def undisturbed(empty_database, tmp_path_factory):
    """What an uninterrupted run records, and the fingerprint of what it learned."""
    lab = _new_lab(empty_database, tmp_path_factory.mktemp("undisturbed"))
    experiment = blobs.build()
    with lab.track(experiment):
        experiment.run(**QUIET)
    found = outcome(_rows(lab)), blobs.fingerprint(experiment)
    lab.close()
    return found


class TestResume:
    def resumed(self, lab):
        experiment = blobs.build()
        with lab.track(experiment, resume=True):
            experiment.resume(**QUIET)
        return outcome(_rows(lab)), blobs.fingerprint(experiment)

    @pytest.mark.parametrize("step", [1, 4, 5, 6, 10, 13, 15])
    def test_after_a_stop_everything_is_as_if_nothing_had_been(self, lab, undisturbed, step):
        experiment = blobs.build()
        with lab.track(experiment):
            experiment.add_reporter(At(step, experiment.request_stop))
            experiment.run(**QUIET)

        assert self.resumed(lab) == undisturbed

    def test_stopped_again_and_again(self, lab, undisturbed):
        for number, step in enumerate((2, 3, 7, 11)):
            experiment = blobs.build()
            with lab.track(experiment, resume=number > 0):
                experiment.add_reporter(At(step, experiment.request_stop))
                if number:
                    experiment.resume(**QUIET)
                else:
                    experiment.run(**QUIET)

        assert self.resumed(lab) == undisturbed

    def test_after_a_failure_goes_on_from_the_last_checkpoint(self, lab, undisturbed):
        def fail():
            raise ZeroDivisionError

        experiment = blobs.build()
        experiment.add_reporter(At(8, fail))
        with pytest.raises(ZeroDivisionError), lab.track(experiment):
            experiment.run(**QUIET)

        assert self.resumed(lab) == undisturbed

    def test_a_damaged_checkpoint_is_named_and_the_one_before_used(self, lab, undisturbed, rows):
        experiment = blobs.build()
        with lab.track(experiment, checkpoints=CheckpointPolicy(keep_last=5)):
            experiment.add_reporter(At(12, experiment.request_stop))
            experiment.run(**QUIET)
        ((path,),) = rows("SELECT path FROM checkpoints WHERE batch = 2")
        file = lab.files.path(path)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

        with pytest.warns(UserWarning, match="'train-epoch-2-batch-2' is left out.*is damaged"):
            found = self.resumed(lab)

        assert found == undisturbed

    def test_a_run_without_a_checkpoint_cannot_go_on(self, lab):
        lab.run("blobs", experiment="blobs").finish()

        with pytest.raises(StateError, match="no checkpoint to go on from"):
            self.resumed(lab)

    def test_an_unknown_run_suggests_the_nearest(self, lab):
        lab.run("blobs-2", experiment="blobs").finish()

        with pytest.raises(NotFoundError, match="Did you mean 'blobs-2'"):
            self.resumed(lab)


class TestKill:
    def program(self, lab, *arguments):
        command = [sys.executable, str(PROGRAM), str(lab.root), *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def check(self, lab, undisturbed, step, name):
        killed = self.program(lab, "run", step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        resumed = self.program(lab, "resume")
        assert resumed.returncode == 0, resumed.stderr

        recorded, learned = undisturbed
        assert resumed.stdout.split() == [name, learned]
        with lab.database.read() as session:
            run = find_run(session, name)
        assert outcome(_rows(lab), run.id) == recorded
        assert _rows(lab)("SELECT exit FROM sessions WHERE run_id = :run", run=run.id) == [
            ("lost",),
            ("returned",),
        ]

    def test_in_another_process_everything_is_as_if_nothing_had_been(self, lab, undisturbed):
        self.check(lab, undisturbed, 8, "blobs")

    @pytest.mark.slow
    @pytest.mark.parametrize("step", range(6, 16))
    def test_at_every_step(self, lab, undisturbed, step):
        self.check(lab, undisturbed, step, "blobs")


def _new_lab(empty_database, folder):
    (folder / ".labkeeper" / "files").mkdir(parents=True)
    shutil.copy(empty_database, folder / ".labkeeper" / "lab.db")
    return Lab.open(folder)


def _rows(lab):
    def ask(query, **parameters):
        with lab.database.read() as session:
            return [tuple(row) for row in session.execute(sa.text(query), parameters)]

    return ask
