"""A small experiment with all that can go wrong in a resume: dropout, Adam, a scheduler, early
stopping that keeps the best weights. Run as a program, it trains or goes on in the lab given.
"""

import hashlib
import os
import signal
import sys

import numpy as np
import torch

from engine.callbacks import EarlyStopping, EvalLossMetric, Evaluation
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer, Scheduler
from engine.phases import EvalPhase, TrainPhase
from engine.phases.reporting import Reporter
from engine.samplers import SimpleSampler
from tracker.lab import Lab

STEPS_PER_EPOCH = 5
QUIET = {"show_training_progress": False}


def build(n_epochs=3):
    experiment = Experiment("blobs", seed=1)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 4)).astype("float32")
    data = FeatureSet.from_dict(
        "data",
        {"x": list(points), "y": (points.sum(1) > 0).astype("int64")},
        feature_keys="x",
        target_keys="y",
    )
    data.split_random({"train": 0.8, "val": 0.2}, seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [torch.nn.Linear(4, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 2)]
    ModelNode("mlp", torch.nn.Sequential(*layers), data.reference(features="x", targets="y"))
    scheduler = Scheduler("StepLR", {"step_size": 1, "gamma": 0.5})
    ModelGraph(optimizer=Optimizer("adam", opt_kwargs={"lr": 0.01}, scheduler=scheduler))
    loss = AppliedLoss(torch.nn.CrossEntropyLoss(), "mlp")
    validation = Evaluation.from_split(
        label="val",
        split="val",
        losses=[loss],
        metrics=[EvalLossMetric(name="val_loss", loss=loss)],
    )
    stopping = EarlyStopping(monitor="val_loss", patience=50, restore_best=True)
    train = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=32, shuffle=True),
        losses=[loss],
        n_epochs=n_epochs,
        callbacks=[validation, stopping],
    )
    experiment.execution_plan.add_phase(train)
    experiment.execution_plan.add_phase(EvalPhase.from_split("test", split="val", losses=[loss]))
    return experiment


def fingerprint(experiment):
    """Of everything learned: weights, optimizer, scheduler."""

    def add(digest, value):
        if isinstance(value, torch.Tensor):
            digest.update(value.detach().numpy().tobytes())
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                digest.update(str(key).encode())
                add(digest, value[key])
        elif isinstance(value, (list, tuple)):
            for part in value:
                add(digest, part)
        else:
            digest.update(repr(value).encode())

    digest = hashlib.sha256()
    add(digest, experiment.model_graph.get_state())
    return digest.hexdigest()


class At(Reporter):
    """Does something after the given number of optimizer steps."""

    def __init__(self, step, act):
        self._step, self._act = step, act

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self._step:
            self._act()


def vanish():
    """Ends the process without a word."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(root, what, kill_at=0):
    with Lab.open(root) as lab:
        experiment = build()
        with lab.track(experiment, resume=what == "resume") as run:
            experiment.add_reporter(At(int(kill_at), vanish))
            go = experiment.resume if what == "resume" else experiment.run
            go(**QUIET)
    print(run.name, fingerprint(experiment))


if __name__ == "__main__":
    main(*sys.argv[1:])
