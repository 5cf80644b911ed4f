"""A small problem to learn, and ways to look at what was recorded of it."""

import math
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import torch

from engine.phases.reporting import Reporter
from tracker.lab import Lab
from tracker.registry.metrics import history
from tracker.registry.pipelines import current_run, find_pipeline

PARTS = """
    import os
    import time

    import numpy as np
    import torch
    from torch import nn


    def points(n=48, classes=3):
        drawn = np.random.RandomState(0)
        y = np.arange(n) % classes
        return drawn.normal(size=(n, 4)).astype("float32") + y[:, None], y


    def line(n=40):
        x = np.linspace(-1, 1, n, dtype="float32").reshape(-1, 1)
        return x, 100 * x[:, 0] + 300


    class Net(nn.Module):
        '''Dropout and batch statistics: everything that a resume can get wrong.'''

        def __init__(self, inputs=4, outputs=3, hidden=8, delay=0.0, fail_at=None):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Linear(inputs, hidden),
                nn.BatchNorm1d(hidden),
                nn.ReLU(),
                nn.Dropout(0.3),
                nn.Linear(hidden, outputs),
            )
            self.delay = delay
            self.fail_at = fail_at
            self.calls = 0

        def forward(self, x):
            if self.training:
                time.sleep(self.delay)
                self.calls += 1
                if self.calls == self.fail_at and not os.environ.get("MENDED"):
                    raise ArithmeticError("the model broke")
            return self.layers(x)
"""
CONFIG = {
    "experiment": "small",
    "seed": 5,
    "dataset": "parts:points",
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25, "stratify": "y"},
    "scale": "StandardScaler",
    "model": {"loc": "parts:Net"},
    "loss": "CrossEntropyLoss",
    "optimizer": {"loc": "Adam", "args": {"lr": 0.01}},
    "scheduler": {"loc": "StepLR", "args": {"step_size": 3}},
    "metrics": ["accuracy"],
    "batch_size": 8,
    "epochs": 4,
}


def points_of(lab: Lab, name: str) -> dict:
    """The points of the pipeline's run: (metric, axis, step) -> (epoch, value)."""
    with lab.database.read() as session:
        run = current_run(session, find_pipeline(session, name))
        found = {}
        for axis in ("step", "epoch"):
            recorded = history(session, [run.id], axis=axis)
            places = iter(recorded.points)
            for series in recorded.series:
                for _ in range(series.length):
                    step, epoch, value, _time = next(places)
                    key = (series.name, axis, step)
                    assert key not in found, "the same metric twice at one step"
                    found[key] = (epoch, value)
        return found


def weights_of(pipeline, which="last") -> dict:
    return {name: value.clone() for name, value in pipeline.load_model(which).state_dict().items()}


def run_row(lab: Lab, name: str):
    with lab.database.read() as session:
        return current_run(session, find_pipeline(session, name))


class StopIn(Reporter):
    """Asks the experiment to stop after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def run_started(self, experiment, *, resumed):
        self.experiment = experiment

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.request_stop()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def start_worker(lab: Lab, program: str, **environment: str) -> subprocess.Popen:
    """Runs Python in a process of its own, with `lab` open in it."""
    opened = f"from tracker.lab import Lab; lab = Lab.open({str(lab.root)!r})\n"
    return subprocess.Popen(
        [sys.executable, "-c", opened + textwrap.dedent(program)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_equal_training(lab, one, other):
    """The same points at the same places, and the same weights, bit for bit."""
    expected, found = points_of(lab, one.name), points_of(lab, other.name)
    assert found.keys() == expected.keys()
    different = [
        key
        for key, point in expected.items()
        if point != found[key] and not all(map(math.isnan, (point[1], found[key][1])))
    ]
    assert different == []
    for which in ("last", "best"):
        left, right = weights_of(one, which), weights_of(other, which)
        assert all(torch.equal(left[name], right[name]) for name in left)
