"""Writes `version-N/`, a small file of every kind, as this version of the format makes it.

Run it once before a release that has a new version of the format, or a new kind of file, and
commit what it wrote: it is what later versions must be able to read. Never run it again for one
that was released, and never change what `build` builds: the stored checkpoints fit nothing else.

    PYTHONPATH=. .venv/bin/python tests/engine/saving/formats/make.py
"""

import sys
from pathlib import Path

import numpy as np
import torch

from engine.callbacks import (
    Accuracy,
    Checkpointing,
    EarlyStopping,
    Evaluation,
    ExperimentCallback,
)
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss, Loss
from engine.models.torch import SequentialMLP
from engine.optimizers import Optimizer, Scheduler
from engine.phases import EvalPhase, Reporter, TrainPhase
from engine.samplers import SimpleSampler
from engine.saving.container import VERSION
from engine.scalers import Scaler
from engine.splitters import RandomSplitter

HERE = Path(__file__).parent


def build() -> Experiment:
    """Twelve points on a line to be learned by a small net, best weights kept."""
    experiment = Experiment("line", seed=5)
    x = np.linspace(-1, 1, 12, dtype="float32")
    points = FeatureSet.from_dict("points", {"x": x, "y": 2 * x + 1}, ["x"], ["y"])
    points.split_random({"train": 0.75, "val": 0.25}, seed=2)
    points.fit_transform("StandardScaler", domain="features", fit_to_split="train")
    torch.manual_seed(0)
    layer = SequentialMLP(n_layers=1, hidden_dim=2, dropout=0.1)
    scheduler = Scheduler("steplr", {"step_size": 2, "gamma": 0.5}, interval="step")
    ModelGraph(
        [ModelNode("net", layer, points.reference(features="x.transformed"))],
        Optimizer("adam", opt_kwargs={"lr": 0.1}, scheduler=scheduler),
    )
    loss = AppliedLoss("mse", "net")
    validation = Evaluation.from_split(label="val", split="val", losses=[loss])
    train = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=3, shuffle=True),
        losses=[loss],
        n_epochs=3,
        callbacks=[validation, EarlyStopping(monitor="val_loss", restore_best=True)],
        checkpointing=Checkpointing(save_on="epoch_end", max_to_keep=2, best="val_loss"),
        result_recording="none",
    )
    test = EvalPhase.from_split("test", split="val", losses=[loss])
    experiment.execution_plan.add_phase(train).add_phase(test)
    return experiment


class StopAfter(Reporter):
    """Asks for a stop after the second epoch's first batch."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment

    def batch_ended(self, *, epoch: int, batch: int, **_: object) -> None:
        if (epoch, batch) == (1, 0):
            self.experiment.request_stop()


def stopped() -> Experiment:
    """The experiment, stopped in its second epoch."""
    experiment = build()
    experiment.add_reporter(StopAfter(experiment))
    experiment.run(show_training_progress=False)
    return experiment


class Watching(ExperimentCallback):
    """A callback of the user's own, found by its location."""


def make(folder: Path) -> None:
    """Writes all of them into a folder that is still to be made."""
    folder.mkdir(parents=True)
    with ExperimentContext().activate():
        experiment = stopped()
        graph = experiment.model_graph
        experiment.write_checkpoint(folder / "experiment.ckpt", meta={"note": "stopped"})
        graph.save_checkpoint(folder / "graph.ckpt", meta={"note": "alone"})
        graph.save(folder / "net.graph")
        experiment.save(folder / "line.experiment")
        experiment.ctx.get_node("points").save(folder / "points.featureset")
        graph.nodes["net"].model.save(folder / "net.model")
    make_parts(folder)


def make_parts(folder: Path) -> None:
    """Those that stand for themselves."""
    sampler = SimpleSampler(batch_size=3, shuffle=True, seed=7)
    sampler.save(folder / "threes.sampler")
    RandomSplitter({"a": 0.5, "b": 0.5}, seed=3).save(folder / "halves.splitter")
    scaler = Scaler("MinMaxScaler")
    scaler.fit(np.array([[1.0], [3.0]]))
    scaler.save(folder / "fitted.scaler")
    scheduler = Scheduler("steplr", {"step_size": 2, "gamma": 0.5}, interval="step")
    scheduler.save(folder / "steps.scheduler")
    Optimizer("adam", opt_kwargs={"lr": 0.1}, scheduler=scheduler).save(folder / "adam.optimizer")
    Loss("huber", loss_kwargs={"delta": 0.5}).save(folder / "huber.loss")
    AppliedLoss("mse", "net", weight=0.5, label="half").save(folder / "half.applied_loss")
    EarlyStopping(monitor="val_loss", patience=4).save(folder / "patient.callback")
    Accuracy("net").save(folder / "accuracy.metric")
    Watching(label="watching", execution_order=2).save(folder / "watching.experiment_callback")


if __name__ == "__main__":
    # Not as a script's own: those could not be imported from there.
    from tests.engine.saving.formats import make as this

    torch.set_num_threads(1)
    made = HERE / f"version-{VERSION}"
    if made.exists():
        sys.exit(f"{made} is there already; what was released is never made again.")
    this.make(made)
