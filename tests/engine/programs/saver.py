"""Trains a model with a loss of its own, and saves everything in its folder."""

import numpy as np
import pytest
import torch

from engine import (
    AppliedLoss,
    Checkpointing,
    EarlyStopping,
    EvalLossMetric,
    EvalPhase,
    Evaluation,
    Experiment,
    FeatureSet,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    RandomSplitter,
    Scaler,
    SimpleSampler,
    TorchBaseModel,
    TrainPhase,
)
from engine.errors import PackagedCodeError

SCALE = 2.0


class Gated(TorchBaseModel):
    """A model of the user's own, as the documentation says: built from shapes, saved by weights."""

    def __init__(self, *, width=4):
        super().__init__(width=width)
        self.width = width
        self._in = self._out = None

    @property
    def input_shape(self):
        return self._in

    @property
    def output_shape(self):
        return self._out

    def build(self, input_shape=None, output_shape=None, *, force=False):
        if self.is_built and not force:
            return
        self._in, self._out = input_shape, output_shape or (1,)
        self.inner = torch.nn.Linear(input_shape[-1], self.width)
        self.outer = torch.nn.Linear(self.width, self._out[-1])

    def forward(self, x):
        return self.outer(torch.sigmoid(self.inner(x)) * SCALE)


def pinball(outputs, targets):
    miss = targets - outputs
    return torch.maximum(0.7 * miss, -0.3 * miss)


def main():
    experiment = Experiment("saved", seed=6)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).astype("float32")
    data = FeatureSet.from_dict("data", {"x": x, "y": x.sum(axis=1)}, "x", "y")
    splitter = RandomSplitter({"train": 0.8, "val": 0.2}, seed=4)
    data.split(splitter)
    scaler = Scaler("MinMaxScaler", scaler_kwargs={"feature_range": (-1, 1)})
    data.fit_transform(scaler, domain="features", fit_to_split="train")
    net = ModelNode("net", Gated(width=5), data.reference(features="x", targets="y"))
    graph = ModelGraph([net], Optimizer("adamw", opt_kwargs={"lr": 0.01}, backend="torch"))
    loss = Loss(pinball, backend="torch")
    applied = AppliedLoss(loss, on="net", inputs=["outputs", "targets"], label="pinball")
    watch = Evaluation.from_split(
        label="watch", split="val", losses=[applied], metrics=[EvalLossMetric(loss=applied)]
    )
    stopping = EarlyStopping(monitor="val_loss", patience=9, restore_best=True)
    sampler = SimpleSampler(batch_size=12, shuffle=True, seed=2)
    train = TrainPhase.from_split(
        "train",
        split="train",
        sampler=sampler,
        losses=[applied],
        n_epochs=3,
        callbacks=[watch, stopping],
        checkpointing=Checkpointing(mode="disk"),
    )
    experiment.set_checkpoint_dir("checkpoints")
    experiment.execution_plan.add_items(
        [train, EvalPhase.from_split("test", split="val", losses=[applied])]
    )
    experiment.run()

    for name, thing in {
        "data": data,
        "splitter": splitter,
        "sampler": sampler,
        "scaler": scaler,
    }.items():
        print(thing.save(name).name, end=" ")
    for name, thing in {
        "graph": graph,
        "model": net.model,
        "loss": loss,
        "all": experiment,
    }.items():
        with pytest.raises(PackagedCodeError, match="package_code=True"):
            thing.save("plain-" + name)
        print(thing.save(name, package_code=True).name, end=" ")
    print(graph.optimizer.save("optimizer").name)
    outputs = experiment.run_phase(EvalPhase.from_split("t", split="val")).stacked_tensors(
        "net", "outputs"
    )
    np.save("outputs.npy", outputs.numpy())


if __name__ == "__main__":
    main()
