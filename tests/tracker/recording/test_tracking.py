import json
import math

import pytest

from engine.cross_validation import CrossValidation, CVBinding
from engine.phases import PhaseGroup
from tests.tracker.recording import blobs
from tests.tracker.recording.blobs import QUIET, At
from tracker.recording import batch_values
from tracker.registry.sessions import ask_stop


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

        phases = rows(
            "SELECT label, kind, position, status, epochs, batches, summary FROM phase_results"
            " ORDER BY id"
        )
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

    def test_folds_are_rows_that_hold_their_phases(self, lab, rows):
        experiment = blobs.build(n_epochs=1)
        strategy = CrossValidation(
            bindings=CVBinding("data", ["train", "val"]), n_folds=2, experiment=experiment
        )
        with lab.track(experiment):
            strategy.run()

        found = rows(
            "SELECT phase.label, phase.kind, above.label FROM phase_results AS phase"
            " LEFT JOIN phase_results AS above ON above.id = phase.parent_id ORDER BY phase.id"
        )
        fold = [("train", "train"), ("test", "eval")]
        assert found == [
            ("CV", "group", None),
            *(
                row
                for number in (0, 1)
                for row in [
                    (f"fold_{number}", "fold", "CV"),
                    *((label, kind, f"fold_{number}") for label, kind in fold),
                ]
            ),
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
            ("finished", "early stopping after 2 epochs")
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

    def test_what_is_held_back_is_stored_whatever_ends_the_run(self, lab, rows, monkeypatch):
        monkeypatch.setattr(batch_values, "HOLD_S", math.inf)
        experiment = blobs.build(n_epochs=1)
        at_the_third = "SELECT count(*) FROM metrics"
        seen = []

        def interrupt():
            seen.extend(rows(at_the_third))
            raise KeyboardInterrupt

        experiment.add_reporter(At(3, interrupt))
        with pytest.raises(KeyboardInterrupt), lab.track(experiment) as run:
            experiment.run(**QUIET)

        assert seen == [(1,)]  # the first does not wait
        assert rows(
            "SELECT step FROM metrics JOIN series ON id = series_id WHERE run_id = :run",
            run=run.id,
        ) == [(1,), (2,), (3,)]


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
