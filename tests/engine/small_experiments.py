"""Small experiments with everything in them that must survive an interruption."""

import numpy as np
import pandas as pd
import torch

from engine.callbacks import Accuracy, EarlyStopping, Evaluation
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.models import TorchModelWrapper
from engine.models.comparing import same_values
from engine.optimizers import Optimizer, Scheduler
from engine.phases import Reporter, TrainPhase
from engine.samplers import SimpleSampler

N_FEATURES, N_CLASSES = 6, 3


class Net(torch.nn.Module):
    """A classifier whose steps use up random numbers and change buffers."""

    def __init__(self, hidden=8, dropout=0.3):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(N_FEATURES, hidden),
            torch.nn.BatchNorm1d(hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(hidden, N_CLASSES),
        )

    def forward(self, x):
        # Noise from every generator a user may reach for.
        if self.training:
            x = x + 0.01 * float(np.random.random())  # noqa: NPY002 - the global generator is meant
        return self.layers(x)


def classes_frame(rows=90):
    """Three clouds of points, the same in every process."""
    rng = np.random.RandomState(7)
    y = np.arange(rows) % N_CLASSES
    x = rng.normal(size=(rows, N_FEATURES)) + y[:, None] * 0.7
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(N_FEATURES)])
    return frame.assign(y=y)


def classes(label="clouds", rows=90):
    frame = classes_frame(rows)
    features = [name for name in frame if name != "y"]
    feature_set = FeatureSet.from_pandas(label, frame, feature_cols=features, target_cols="y")
    feature_set.split_random({"train": 0.8, "val": 0.2}, seed=3)
    return feature_set


def classifier(feature_set, *, label="net", scheduler=None, optimizer="adam", lr=0.01):
    # The six columns stand side by side, and the net takes them as one row of features.
    model = TorchModelWrapper(model_class=Net)
    node = ModelNode(label, model, feature_set.reference())
    made = Optimizer(optimizer, opt_kwargs={"lr": lr}, scheduler=scheduler)
    return ModelGraph([node], optimizer=made)


def cross_entropy(node="net"):
    return AppliedLoss("crossentropy", on=node)


def numbers(label, rows=40, columns=2, seed=0):
    rng = np.random.RandomState(seed)
    data = {f"x{place}": rng.normal(size=rows).astype("float32") for place in range(columns)}
    total = sum(data.values())
    feature_set = FeatureSet.from_dict(label, {**data, "y": total}, list(data), ["y"])
    feature_set.split_random({"train": 0.75, "val": 0.25}, seed=2)
    return feature_set


def line(label, upstream, inputs=2, optimizer=None):
    return ModelNode(label, torch.nn.Linear(inputs, 1), upstream, optimizer)


def mse(node):
    return AppliedLoss("mse", on=node)


def resumable(*, n_epochs=2, patience=50, seed=11, batch_size=16, **options):
    """Dropout, batch norm, Adam, a scheduler, an evaluation and early stopping."""
    experiment = Experiment("small", seed=seed)
    feature_set = classes()
    scheduler = Scheduler("steplr", {"step_size": 3, "gamma": 0.5}, interval="step")
    classifier(feature_set, scheduler=scheduler)
    evaluation = Evaluation.from_split(
        label="val", split="val", losses=[cross_entropy()], metrics=[Accuracy()]
    )
    stopping = EarlyStopping(monitor="val_loss", patience=patience, restore_best=True)
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=batch_size, shuffle=True),
        losses=[cross_entropy()],
        n_epochs=n_epochs,
        callbacks=[evaluation, stopping],
        **{"result_recording": "none", **options},
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def fresh(build, **options):
    """As if in a new process: nothing that was made before is known."""
    context = ExperimentContext()
    with context.activate():
        return build(**options)


class Log(Reporter):
    """Everything that is reported, as plain values."""

    wants_batch_metrics = True

    def __init__(self):
        self.events = []
        self.values = {}

    def run_started(self, experiment, *, resumed):
        self.events.append(("run_started", resumed))

    def run_ended(self, experiment, *, status, error):
        self.events.append(("run_ended", status, error))

    def phase_started(self, phase, *, path, kind, resumed):
        self.events.append(("phase_started", phase.label, path, kind, resumed))

    def phase_ended(self, phase, *, path, status, results):
        self.events.append(("phase_ended", phase.label, path, status))

    def metrics(self, values, *, path, epoch, batch, step):
        for name, value in values.items():
            key = (name, path, epoch, batch, step)
            assert key not in self.values, f"{key} was logged twice"
            self.values[key] = float(value)

    def batch_ended(self, *, path, epoch, batch, step):
        self.events.append(("batch_ended", epoch, batch, step))

    def epoch_ended(self, *, path, epoch, step):
        self.events.append(("epoch_ended", epoch, step))


def assert_equal(found, expected, place="state"):
    """Bit by bit, through nested values; says where they differ."""
    assert type(found) is type(expected), place
    if isinstance(expected, dict):
        assert list(found) == list(expected), place
        for key in expected:
            assert_equal(found[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), place
        for number, pair in enumerate(zip(found, expected, strict=True)):
            assert_equal(*pair, f"{place}[{number}]")
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), place
    elif isinstance(expected, np.ndarray):
        assert np.array_equal(found, expected), place
    else:
        assert same_values(found, expected), place
