"""Interrupted anywhere, a cross-validation ends as if it never had been."""

import pytest

from engine.phases import Reporter
from tests.engine.cross_validation.folding import N_FOLDS, everything, folded
from tests.engine.small_experiments import Log, assert_equal, fresh

STEPS_A_FOLD = 3  # 60 samples in batches of 24
N_STEPS = N_FOLDS * STEPS_A_FOLD


class StopAfter(Reporter):
    def __init__(self, experiment, step):
        self.experiment, self.step = experiment, step

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.request_stop()


class SaveAfter(StopAfter):
    def __init__(self, experiment, step, path):
        super().__init__(experiment, step)
        self.path = path

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.write_checkpoint(self.path)


@pytest.fixture(scope="module")
def whole():
    strategy, log = fresh(folded), Log()
    strategy.experiment.add_reporter(log)
    results = strategy.run()
    assert strategy.experiment.step == N_STEPS
    return everything(strategy, results, log)


@pytest.mark.parametrize("step", range(1, N_STEPS + 1))
def test_stopped_after_any_batch_and_resumed(whole, step):
    strategy, log = fresh(folded), Log()
    strategy.experiment.add_reporter(log)
    strategy.experiment.add_reporter(StopAfter(strategy.experiment, step))
    data = strategy.experiment.ctx.get_node("clouds")
    strategy.run()
    assert strategy.experiment.last_run.status == "stopped"
    assert strategy.experiment.ctx.get_node("clouds") is data
    results = strategy.resume()

    assert_equal(everything(strategy, results, log), whole)


@pytest.mark.parametrize("step", range(1, N_STEPS + 1))
def test_saved_after_any_batch_and_resumed_by_another_process(whole, tmp_path, step):
    first, early = fresh(folded), Log()
    first.experiment.add_reporter(early)
    first.experiment.add_reporter(SaveAfter(first.experiment, step, tmp_path / "at.ckpt"))
    first.run()

    second, late = fresh(folded), Log()
    second.experiment.restore_checkpoint(tmp_path / "at.ckpt")
    second.experiment.add_reporter(late)
    results = second.resume()

    known = {key: value for key, value in early.values.items() if key[-1] <= step}
    late.values = {key: late.values.get(key, known.get(key)) for key in whole["values"]}
    assert_equal(everything(second, results, late), whole)


def test_finished_folds_are_not_run_again():
    strategy, log = fresh(folded), Log()
    strategy.experiment.add_reporter(StopAfter(strategy.experiment, STEPS_A_FOLD + 1))
    strategy.run()
    strategy.experiment.add_reporter(log)
    strategy.resume()

    started = [event[1] for event in log.events if event[0] == "phase_started"]
    assert started == ["CV", "fold_1", "train", "fold_2", "train"]


def test_a_checkpoint_holds_the_beginning_once_however_many_folds_are_done():
    strategy = fresh(folded)
    strategy.experiment.add_reporter(StopAfter(strategy.experiment, N_STEPS - 1))
    strategy.run()

    around = strategy.experiment.get_state()["position"]["around"]
    assert [path for path, _ in around] == [[0, N_FOLDS - 1]]
