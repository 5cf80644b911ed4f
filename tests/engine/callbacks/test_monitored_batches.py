"""Early stopping by a metric that is measured in every batch."""

import pytest

from engine.callbacks import EarlyStopping, MetricCallback
from engine.experiment import Experiment
from engine.phases import Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import classes, classifier, cross_entropy, fresh

# By epoch and batch; the means are 4, 2, 3 and 5.
VALUES = [[6.0, 2.0], [1.0, 3.0], [4.0, 2.0], [5.0, 5.0], [0.0, 0.0]]
BEST = {"mean": (1, 2.0), "sum": (1, 4.0), "first": (1, 1.0), "last": (0, 2.0)}


class EachBatch(MetricCallback):
    def __init__(self, *, name="each"):
        super().__init__(name=name)

    def on_batch_end(self, *, experiment, phase, exec_ctx, results=None):
        return VALUES[exec_ctx.epoch_idx][exec_ctx.batch_idx]

    def get_config(self):
        return {"name": self.metric_name}


class SaveAfter(Reporter):
    def __init__(self, experiment, path, step):
        self.experiment, self.path, self.step = experiment, path, step

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.write_checkpoint(self.path)


def build(reducer="mean", patience=2):
    experiment = Experiment("small", seed=4)
    classifier(classes())
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=36),
        losses=[cross_entropy()],
        n_epochs=len(VALUES),
        callbacks=[EachBatch(), EarlyStopping(monitor="each", reducer=reducer, patience=patience)],
        result_recording="none",
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def stopping_of(experiment):
    return experiment.execution_plan.get_train_phase("train").callbacks[1]


@pytest.mark.parametrize("reducer", BEST)
def test_the_values_of_an_epochs_batches_are_reduced_to_one(reducer):
    experiment = build(reducer)
    experiment.run()

    stopping = stopping_of(experiment)
    epoch, value = BEST[reducer]
    assert (stopping.best_epoch, stopping.best_value) == (epoch, value)
    assert stopping.stopped_epoch == epoch + 2


@pytest.mark.parametrize("step", range(1, 9))
def test_an_epoch_that_is_gone_on_with_counts_the_batches_before(tmp_path, step):
    path = tmp_path / "state.ckpt"
    first = fresh(build)
    first.add_reporter(SaveAfter(first, path, step))
    first.run()
    second = fresh(build)
    second.restore_checkpoint(path)

    second.resume()

    assert stopping_of(second).get_state() == stopping_of(first).get_state()
    assert stopping_of(second).best_value == 2.0
