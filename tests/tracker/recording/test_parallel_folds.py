"""Folds in processes of their own are recorded as folds that run one after another are."""

import os
import signal
import time

import pytest

from engine.callbacks import Callback
from engine.context import ExperimentContext
from engine.cross_validation import CrossValidation, CVBinding, relay
from engine.errors import FoldError
from engine.phases import Reporter
from tests.tracker.recording import blobs
from tests.tracker.recording.blobs import QUIET
from tests.tracker.recording.recorded import new_lab, outcome, rows_of
from tracker.lab import Lab
from tracker.registry.sessions import ask_stop

STATES = (
    "SELECT name, epoch, batch, step FROM checkpoints WHERE run_id = 1 AND kind = 'state'"
    " ORDER BY id"
)


# All that is still there, and what each needs.
KEPT = (
    "SELECT one.name, one.kind, one.epoch, one.batch, one.step, one.metric, one.value,"
    " CASE one.kind WHEN 'best' THEN one.sha256 END, phase.label, fold.label,"
    " CASE needed.kind WHEN 'best' THEN needed.sha256 END"
    " FROM checkpoints AS one"
    " LEFT JOIN checkpoints AS needed ON needed.id = one.best_id"
    " LEFT JOIN phase_results AS phase ON phase.id = one.phase_result_id"
    " LEFT JOIN phase_results AS fold ON fold.id = phase.parent_id"
    " WHERE one.removed IS NULL ORDER BY one.id"
)


@pytest.fixture(autouse=True)
def telling_where_they_stand(monkeypatch):
    """As long runs do."""
    monkeypatch.setattr(relay, "STANDING_EVERY_S", 0.0)
    monkeypatch.setattr(relay, "HOLD_S", 0.0)


def folded(callback=None):
    with ExperimentContext().activate():
        experiment = blobs.build(n_epochs=3)
        if callback is not None:
            experiment.execution_plan.get_train_phase("train").add_callback(callback)
        return CrossValidation(
            bindings=CVBinding("data", ["train", "val"]), n_folds=3, experiment=experiment
        )


def resumed(lab, workers):
    strategy = folded()
    with lab.track(strategy.experiment, resume=True):
        strategy.resume(workers=workers, **QUIET)
    return outcome(rows_of(lab))


@pytest.fixture(scope="module")
def expected(empty_database, tmp_path_factory):
    """What is recorded of folds that run one by one: all of it, and the states to go on from."""
    lab = new_lab(empty_database, tmp_path_factory.mktemp("one-by-one"))
    strategy = folded()
    with lab.track(strategy.experiment):
        strategy.run(**QUIET)
    found = outcome(rows_of(lab)), rows_of(lab)(STATES), rows_of(lab)(KEPT)
    lab.close()
    return found


@pytest.mark.parametrize("workers", [2, 3])
def test_the_record_is_the_same(lab, rows, expected, workers):
    strategy = folded()
    with lab.track(strategy.experiment):
        strategy.run(workers=workers, **QUIET)

    assert outcome(rows) == expected[0]
    assert rows(STATES) == expected[1]
    assert rows(KEPT) == expected[2]
    assert rows("SELECT status FROM runs") == [("finished",)]


class Slow(Callback):
    def on_epoch_start(self, *, experiment, phase, exec_ctx, results):
        time.sleep(0.4)


def test_moments_are_those_at_which_it_happened(lab, rows):
    strategy = folded(Slow())
    with lab.track(strategy.experiment):
        strategy.run(workers=2, **QUIET)

    (first, second, _) = rows(
        "SELECT started, ended FROM phase_results WHERE kind = 'fold' ORDER BY position"
    )
    assert second[0] < first[1]  # side by side
    trained = rows(
        "SELECT unixepoch(started, 'subsec'), unixepoch(ended, 'subsec') FROM phase_results"
        " WHERE kind = 'train'"
    )
    assert all(ended - started >= 1.2 for started, ended in trained)
    points = rows(
        "SELECT min(time), max(time) FROM metrics JOIN series ON series.id = series_id"
        " JOIN phase_results ON phase_results.id = phase_result_id WHERE kind = 'train'"
        " GROUP BY phase_result_id"
    )
    assert all(last - first >= 800 for first, last in points)


class AskingToStop(Callback):
    """Somebody asks the run to stop, in the middle of a fold."""

    def __init__(self, lab):
        super().__init__()
        self.root = lab.root

    def on_epoch_end(self, *, experiment, phase, exec_ctx, results):
        if exec_ctx.epoch_idx == 0:
            with Lab.open(self.root) as lab, lab.database.write() as session:
                ask_stop(session, 1)
            time.sleep(0.3)


@pytest.mark.parametrize("workers", [1, 2])
def test_asked_to_stop_by_another_process_and_resumed(lab, rows, expected, workers):
    strategy = folded(AskingToStop(lab))
    with lab.track(strategy.experiment):
        strategy.run(workers=2, **QUIET)
    assert rows("SELECT status FROM runs") == [("stopped",)]

    assert resumed(lab, workers) == expected[0]


class Behind(Callback):
    """The first fold is slow."""

    def on_epoch_start(self, *, experiment, phase, exec_ctx, results):
        time.sleep(0.8 if experiment.cursor.path[1] == 0 and exec_ctx.epoch_idx == 1 else 0)


class StopInSecondEpoch(Reporter):
    def __init__(self, experiment):
        self.experiment = experiment

    def epoch_ended(self, *, path, epoch, step):
        if epoch == 1:
            self.experiment.request_stop()


def test_folds_that_have_finished_before_their_turn_are_recorded_when_it_comes(lab, rows, expected):
    strategy = folded(Behind())
    strategy.experiment.add_reporter(StopInSecondEpoch(strategy.experiment))
    with lab.track(strategy.experiment):
        strategy.run(workers=2, **QUIET)
    assert rows("SELECT count(*) FROM phase_results WHERE kind = 'fold'") == [(1,)]

    assert resumed(lab, 2) == expected[0]
    assert rows(KEPT) == expected[2]


class Killing(Callback):
    """Kills a process in the last fold's last epoch: this fold's, or that of the run."""

    def __init__(self, whom):
        super().__init__()
        self.whom = whom

    def on_batch_end(self, *, experiment, phase, exec_ctx, results):
        if exec_ctx.epoch_idx == 2 and exec_ctx.batch_idx == 3:
            os.kill(self.whom(), signal.SIGKILL)


def test_a_fold_that_is_killed_fails_the_run_which_goes_on(lab, rows, expected):
    strategy = folded(Killing(os.getpid))
    with pytest.raises(FoldError, match="SIGKILL"), lab.track(strategy.experiment):
        strategy.run(workers=2, **QUIET)
    (status, reason) = rows("SELECT status, reason FROM runs")[0]
    assert status == "failed"
    assert "SIGKILL" in reason

    assert resumed(lab, 2) == expected[0]


class KillingTheRun(Callback):
    def on_batch_end(self, *, experiment, phase, exec_ctx, results):
        # Once what came before is in the record, with checkpoints of it.
        if exec_ctx.epoch_idx == 2 and exec_ctx.batch_idx == 3:
            time.sleep(0.3)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(5)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_goes_on_from_what_was_recorded(
    lab, in_child, rows, expected, workers
):
    def run():
        strategy = folded(KillingTheRun())
        with Lab.open(lab.root) as opened, opened.track(strategy.experiment):
            strategy.run(workers=2, **QUIET)

    assert in_child(run).signal == signal.SIGKILL
    assert rows("SELECT count(*) FROM checkpoints")[0][0] > 0

    assert resumed(lab, workers) == expected[0]
