"""An exception in what a phase is made of: as in a hook, everybody sees that very one."""

import pytest
import torch

from engine.callbacks import Accuracy, EvaluationMetric
from engine.cross_validation import CrossValidation, CVBinding
from engine.errors import DataError, PhaseError
from engine.losses import AppliedLoss
from engine.phases import InputBinding, Reporter
from engine.samplers import SimpleSampler
from engine.scalers import Scaler
from tests.engine.faults.mixed import Watched


class Fault:
    """Something to raise, as long as it is armed."""

    def __init__(self, raised=ArithmeticError):
        self.error, self.armed = raised("in a part"), True

    def __call__(self, *_args, **_options):
        if self.armed:
            raise self.error


def in_forward(watched, fault):
    def hook(module, *_):
        if module.training:
            fault()

    watched.net.module.register_forward_hook(hook)


def in_backward(watched, fault):
    next(watched.net.module.parameters()).register_hook(fault)


def in_the_loss(watched, fault):
    def loss(outputs, targets):
        fault()
        return torch.nn.functional.cross_entropy(outputs, targets.long())

    watched.phase.losses[:] = [AppliedLoss(loss, on="net")]


def in_the_optimizer(watched, fault):
    watched.graph.optimizer.instance.register_step_pre_hook(fault)


class BrokenSampler(SimpleSampler):
    fault = None
    moment = None

    def build_samples(self):
        if self.moment == "bound":
            type(self).fault()
        return super().build_samples()

    def epoch_batches(self, epoch, *stream):
        if (self.moment, epoch) == ("second epoch", 1):
            type(self).fault()
        return super().epoch_batches(epoch, *stream)


def in_the_sampler(moment):
    def put_in(watched, fault):
        broken = type("Broken", (BrokenSampler,), {"fault": fault, "moment": moment})
        watched.phase.input_sources[:] = [
            InputBinding.for_training(node="net", sampler=broken(batch_size=30), split="train")
        ]

    return put_in


def when_an_epoch_ends_for_the_optimizer(watched, fault):
    original = watched.graph.optimizer.end_epoch

    def end_epoch(values):
        fault()
        original(values)

    watched.graph.optimizer.end_epoch = end_epoch


PARTS = {
    "forward": in_forward,
    "backward": in_backward,
    "loss": in_the_loss,
    "optimizer": in_the_optimizer,
    "sampler when bound": in_the_sampler("bound"),
    "sampler later": in_the_sampler("second epoch"),
    "schedule": when_an_epoch_ends_for_the_optimizer,
}


@pytest.mark.parametrize("raised", [ArithmeticError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("part", PARTS)
def test_in_a_part_of_training(part, raised):
    watched, fault = Watched("train"), Fault(raised)
    PARTS[part](watched, fault)

    with pytest.raises(raised, match="in a part") as caught:
        watched.experiment.run()

    assert caught.value is fault.error
    assert watched.witness.seen == [fault.error]
    status = "stopped" if raised is KeyboardInterrupt else "failed"
    watched.assert_recorded(fault.error, finished=["first"], status=status, phase="train")

    fault.armed = False
    watched.assert_usable()


def test_in_an_estimator():
    watched, fault = Watched("fit"), Fault()
    estimator = watched.other.model.estimator
    original = estimator.fit

    def fit(*arrays):
        fault()
        return original(*arrays)

    estimator.fit = fit
    with pytest.raises(ArithmeticError, match="in a part"):
        watched.experiment.run()

    assert watched.witness.seen == [fault.error]
    watched.assert_recorded(fault.error, finished=["first"], phase="fit")

    fault.armed = False
    watched.assert_usable()


def test_in_a_metric():
    watched, fault = Watched("eval"), Fault()

    class Broken(EvaluationMetric):
        def extract(self, *, eval_result, exec_ctx=None):
            fault()

    watched.phase.attach_metric(Broken(name="broken"))
    watched.phase.attach_metric(Accuracy())
    with pytest.raises(ArithmeticError, match="in a part"):
        watched.experiment.run()

    assert watched.witness.seen == [fault.error]
    watched.assert_recorded(fault.error, finished=["first"], phase="eval")

    fault.armed = False
    watched.assert_usable()


EVENTS = ("phase_started", "metrics", "batch_ended", "epoch_ended", "phase_ended")


@pytest.mark.parametrize("event", ["run_started", *EVENTS, "run_ended"])
def test_in_a_reporter(event):
    watched, fault = Watched("train"), Fault()

    def hear(self, *_, path=(), **__):
        # Not before the phase in the groups.
        if len(path) == 3 or event.startswith("run"):
            fault()

    broken = type("Broken", (Reporter,), {event: hear})()
    watched.experiment.add_reporter(broken)
    with pytest.raises(ArithmeticError, match="in a part") as caught:
        watched.experiment.run()

    assert caught.value is fault.error
    assert watched.experiment.last_run.status == "failed" or event == "run_ended"
    if event in ("metrics", "batch_ended", "epoch_ended"):
        assert watched.witness.seen == [fault.error]
    if event != "run_ended":
        phase = "train" if event in EVENTS else None
        finished = ["first"] if event in EVENTS else []
        watched.assert_recorded(fault.error, finished=finished, phase=phase)

    fault.armed = False
    watched.assert_usable()


def test_in_a_scaler_when_a_fold_begins(monkeypatch):
    watched, fault = Watched("train"), Fault()
    experiment = watched.experiment
    data = experiment.ctx.get_node("clouds")
    data.fit_transform("StandardScaler", domain="features", fit_to_split="train")
    before, scaled = watched.surroundings(), data.get_features("np").copy()
    strategy = CrossValidation(bindings=CVBinding(data, ["train", "val"]), n_folds=2)
    calls = []
    original = Scaler.fit

    def fit(self, values):
        calls.append(len(calls))
        if len(calls) == 2:
            fault()
        return original(self, values)

    monkeypatch.setattr(Scaler, "fit", fit)
    with pytest.raises(DataError, match="StandardScaler cannot scale x0") as caught:
        strategy.run()

    assert caught.value.__cause__ is fault.error
    assert watched.surroundings() == before
    assert (data.get_features("np") == scaled).all()
    failed = experiment.last_run
    assert failed.status == "failed"
    assert failed.results["fold_0"].flatten().keys() == {"first", "train", "last"}
    assert watched.around.seen == [(caught.value, None)]

    monkeypatch.undo()
    experiment.remove_reporter(watched.log)
    assert strategy.run().n_folds == 2


def test_a_phase_that_cannot_begin_shows_its_callbacks_why():
    watched = Watched("train")
    watched.phase.device = "cuda:99"

    with pytest.raises(PhaseError, match="torch finds no GPU here") as caught:
        watched.experiment.run()

    assert watched.witness.seen == [caught.value]
    watched.assert_recorded(caught.value, finished=["first"], phase="train")
