"""A script that defines parts of every kind and saves them; with `load`, what loads them again."""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from torch import nn

from engine import (
    AppliedLoss,
    BaseModel,
    Callback,
    ExperimentCallback,
    Loss,
    Optimizer,
    SequentialMLP,
    TorchBaseModel,
)
from engine.callbacks import EvaluationMetric, MetricCallback, ScoreMetric
from engine.models import TorchModelWrapper, wrap_model
from engine.optimizers import Scheduler
from engine.samplers import BaseSampler, PairedSampler, Samples, SimilarityCondition
from engine.scalers import Scaler
from engine.splitters import BaseSplitter, ConditionSplitter, RandomSplitter

WIDTH = 4


class Halves(RandomSplitter):
    def __init__(self, **_):
        super().__init__({"a": 0.5, "b": 0.5})


def is_high(values):
    return np.asarray(values) > WIDTH


class Everything(BaseSampler):
    def build_samples(self):
        return {("all", 0): Samples({"default": np.arange(self.sources[0].n_samples)})}


def distance(one, other):
    return abs(one - other) / WIDTH


class Halving:
    def __init__(self, by=2.0):
        self.by = by

    def fit(self, x):
        self.seen_ = float(x.max())
        return self

    def transform(self, x):
        return x / self.by


class Net(nn.Module):
    def __init__(self, input_shape, output_shape, activation=nn.ReLU):
        super().__init__()
        self.first = nn.Linear(input_shape[0], WIDTH)
        self.last = nn.Linear(WIDTH, output_shape[0])
        self.activation = activation()

    def forward(self, x):
        return self.last(self.activation(self.first(x)))


class OwnModel(TorchBaseModel):
    def __init__(self, width=WIDTH):
        super().__init__(width=width)
        self.layer = nn.Linear(3, width)
        self.width = width

    is_built = True
    input_shape = (3,)

    @property
    def output_shape(self):
        return (self.width,)

    def build(self, input_shape=None, output_shape=None, *, force=False):
        pass

    def forward(self, x):
        return torch.tanh(self.layer(x))


class Wider(SequentialMLP):
    pass


class Median(RegressorMixin, BaseEstimator):
    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, x, y):
        self.median_ = np.median(y)
        return self

    def predict(self, x):
        return np.full(len(x), self.median_ + self.shift)


def absolute(outputs, targets):
    return (outputs - targets).abs().mean()


class Bounded(nn.MSELoss):
    def forward(self, input, target):  # noqa: A002 - torch's own name
        return super().forward(input.clamp(-WIDTH, WIDTH), target)


def make_loss():
    return Bounded()


class Sluggish(torch.optim.SGD):
    pass


def make_optimizer(parameters):
    return Sluggish(parameters, lr=0.01)


def decay(epoch):
    return 0.5**epoch


class Watching(Callback):
    def __init__(self, every=3, **base):
        super().__init__(**base)
        self.every = every

    def get_config(self):
        return {"every": self.every, **super().get_config()}


class Timing(ExperimentCallback):
    def on_experiment_end(self, *, experiment):
        self.ended = True


class Norm(MetricCallback):
    pass


class Worst(EvaluationMetric):
    def extract(self, *, eval_result, exec_ctx=None):
        return 1.0


def spread(targets, outputs):
    return float(np.std(targets - outputs))


def fitted(model, shape=(3,)):
    torch.manual_seed(0)
    model.build(shape, (2,))
    return model


def parts():
    numbers = np.arange(6.0).reshape(-1, 1)
    median = wrap_model(Median(shift=0.5))
    median.fit(numbers, numbers)
    net = {"model_class": Net, "model_kwargs": {"activation": nn.Tanh}}
    sgd = Optimizer("sgd", scheduler=Scheduler("LambdaLR", {"lr_lambda": decay}))
    return {
        "Halves": (BaseSplitter, Halves()),
        "is_high": (BaseSplitter, ConditionSplitter(high={"x": is_high})),
        "Everything": (BaseSampler, Everything(batch_size=2)),
        "distance": (BaseSampler, PairedSampler({"x": SimilarityCondition(metric=distance)})),
        "Halving": (Scaler, Scaler(Halving(4.0)).fit(numbers)),
        "Net": (BaseModel, fitted(TorchModelWrapper(**net))),
        "Net.made": (BaseModel, wrap_model(nn.Sequential(Net((3,), (2,)), nn.ReLU()))),
        "OwnModel": (BaseModel, OwnModel(width=5)),
        "Wider": (BaseModel, fitted(Wider(hidden_dim=8))),
        "Median": (BaseModel, median),
        "absolute": (Loss, Loss(absolute)),
        "Bounded": (Loss, Loss(Bounded)),
        "Bounded.made": (Loss, Loss(Bounded())),
        "make_loss": (Loss, Loss(factory=make_loss)),
        "absolute.applied": (AppliedLoss, AppliedLoss(Loss(absolute), "net")),
        "Sluggish": (Optimizer, Optimizer(Sluggish, opt_kwargs={"lr": 0.5})),
        "make_optimizer": (Optimizer, Optimizer(factory=make_optimizer)),
        "decay": (Optimizer, sgd),
        "decay.alone": (Scheduler, sgd.scheduler),
        "Watching": (Callback, Watching(every=7)),
        "Timing": (ExperimentCallback, Timing()),
        "Norm": (Callback, Norm(name="norm")),
        "Worst": (EvaluationMetric, Worst(name="worst")),
        "spread": (EvaluationMetric, ScoreMetric(spread)),
    }


def save(folder):
    for name, (_, part) in parts().items():
        try:
            part.save(folder / "unasked" / name)
        except Exception as error:  # noqa: BLE001 - told to the test
            told = str(error)
        part.save(folder / name, package_code=True)
        print(name, told)


if __name__ == "__main__":
    save(Path(sys.argv[1]))
