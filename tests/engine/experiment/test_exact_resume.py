"""Interrupted anywhere and resumed, a run ends exactly as one that never was."""

import copy

import pytest
import torch

from engine.callbacks import Callback
from engine.phases import Reporter
from tests.engine.small_experiments import Log, assert_equal, fresh, resumable


class StopAfter(Reporter):
    """Asks for a stop at one batch, counted over the whole run, or at the end of one epoch."""

    def __init__(self, experiment, *, step=None, epoch=None):
        self.experiment, self.step, self.epoch = experiment, step, epoch

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.request_stop()

    def epoch_ended(self, *, path, epoch, step):
        if epoch == self.epoch:
            self.experiment.request_stop()


class SaveAt(Reporter):
    """Writes a checkpoint after one batch, or at the end of one epoch."""

    def __init__(self, experiment, path, *, step=None, epoch=None):
        self.experiment, self.path, self.step, self.epoch = experiment, path, step, epoch
        self.saved = None

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.saved = self.experiment.write_checkpoint(self.path)

    def epoch_ended(self, *, path, epoch, step):
        if epoch == self.epoch:
            self.saved = self.experiment.write_checkpoint(self.path)


def everything(experiment, log):
    """All that must be equal at the end, as plain values."""
    phase = experiment.execution_plan.get_train_phase("train")
    stopping = phase.callbacks[1]
    return {
        "graph": copy.deepcopy(experiment.model_graph.get_state()),
        "step": experiment.step,
        "values": log.values,
        "stopping": stopping.get_state(),
        "metrics": experiment.last_run.results.get_train_result().metrics().where(batch=None).data,
    }


def uninterrupted(**options):
    experiment, log = fresh(resumable, **options), Log()
    experiment.add_reporter(log)
    experiment.run()
    return everything(experiment, log)


@pytest.fixture(scope="module")
def whole():
    return uninterrupted(n_epochs=2)


N_STEPS = 10  # 72 samples in batches of 16, twice


def test_the_run_to_be_interrupted_has_what_can_go_wrong(whole):
    assert whole["step"] == N_STEPS
    moments = whole["graph"]["optimizer"]["optimizer"]["state"][0]
    assert moments["step"] == N_STEPS
    assert whole["graph"]["optimizer"]["scheduler"]["last_epoch"] == N_STEPS


@pytest.mark.parametrize("step", range(1, N_STEPS + 1))
def test_stopped_after_any_batch_and_resumed_in_the_same_process(whole, step):
    experiment, log = fresh(resumable), Log()
    experiment.add_reporter(log)
    experiment.add_reporter(StopAfter(experiment, step=step))

    experiment.run()
    assert experiment.last_run.status == "stopped"
    assert experiment.cursor.step == step
    experiment.resume()

    assert_equal(everything(experiment, log), whole)


def test_an_epoch_that_is_to_be_the_last_is_finished_after_a_resume():
    class Enough(Callback):
        def on_batch_end(self, *, phase, **_):
            phase.request_stop()

    experiment = fresh(resumable, n_epochs=5)
    experiment.execution_plan.get_train_phase("train").add_callback(Enough())
    experiment.add_reporter(StopAfter(experiment, step=2))

    experiment.run()
    results = experiment.resume().get_train_result()

    assert experiment.step == 5
    assert results.n_epochs == 1


def test_random_numbers_drawn_while_resuming_are_given_back(whole):
    class Drawing(Callback):
        def on_phase_resume(self, **_):
            torch.rand(3)

    experiment, log = fresh(resumable), Log()
    experiment.execution_plan.get_train_phase("train").add_callback(Drawing())
    experiment.add_reporter(log)
    experiment.add_reporter(StopAfter(experiment, step=3))

    experiment.run()
    experiment.resume()

    assert_equal(everything(experiment, log), whole)


@pytest.mark.parametrize("step", range(1, N_STEPS + 1))
def test_saved_after_any_batch_and_resumed_by_another_experiment(whole, step, tmp_path):
    path = tmp_path / "state.ckpt"
    first, log = fresh(resumable), Log()
    first.add_reporter(log)
    first.add_reporter(SaveAt(first, path, step=step))
    first.add_reporter(StopAfter(first, step=step))
    first.run()
    second = fresh(resumable, seed=None)
    second.add_reporter(log)

    second.restore_checkpoint(path)
    second.resume()

    assert second.seed == first.seed
    assert_equal(everything(second, log), whole)
