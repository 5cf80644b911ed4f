"""What the engine trains has the weights that a plain PyTorch loop gives, bit for bit."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer, Scheduler
from engine.phases import TrainPhase
from engine.samplers import SimpleSampler
from engine.seeding import derive_seed

ROWS, BATCH, EPOCHS = 50, 16, 3  # four batches, the last of two
OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
}


class Mlp(nn.Sequential):
    def __init__(self, inputs=6):
        super().__init__(nn.Linear(inputs, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))


class Cnn(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Flatten(),
            nn.Unflatten(1, (1, 6)),
            nn.Conv1d(1, 4, 3, padding=1),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(24, 3),
        )


def table(label, columns=6, seed=0):
    rng = np.random.RandomState(seed)
    data = {"x": list(rng.normal(size=(ROWS, columns)).astype("float32"))}
    data["y"] = rng.randint(0, 3, ROWS)
    return FeatureSet.from_dict(label, data, ["x"], ["y"])


def mlp():
    data = table("data")
    return [ModelNode("net", nn.Sequential(nn.Flatten(), Mlp()), data)], "net", ["data"]


def cnn():
    data = table("data")
    return [ModelNode("net", Cnn(), data)], "net", ["data"]


def two_inputs():
    first, second = table("first"), table("second", 4, seed=1)
    left = ModelNode("left", nn.Sequential(nn.Flatten(), Mlp(6)), first)
    right = ModelNode("right", nn.Sequential(nn.Flatten(), Mlp(4)), second)
    both = ConcatNode("both", [left, right], concat_axis_targets="first")
    return [left, right, both, ModelNode("net", Mlp(6), both)], "net", ["first", "second"]


def sampler():
    return SimpleSampler(batch_size=BATCH, shuffle=True, seed=3)


def by_engine(make, optimizer):
    """The trained weights, and copies of the modules as they were before."""
    experiment = Experiment("numbers", seed=9)
    torch.manual_seed(1)
    nodes, tail, sources = make()
    schedule = Scheduler("steplr", {"step_size": 2, "gamma": 0.5}, interval="step")
    made = Optimizer(optimizer, opt_kwargs=OPTIMIZERS[optimizer][1], scheduler=schedule)
    graph = ModelGraph(nodes, optimizer=made)
    graph.build()
    modules = {node.label: copy.deepcopy(node.module) for node in graph.model_nodes}
    data = [experiment.ctx.get_node(label) for label in sources]
    for one in data:
        one.add_split(one.take(range(ROWS), label="all"))
    phase = TrainPhase.from_split(
        "train",
        split="all",
        sampler=sampler(),
        losses=[AppliedLoss("crossentropy", on=tail)],
        n_epochs=EPOCHS,
        result_recording="none",
    )
    experiment.run_phase(phase)
    found = {node.label: node.module.state_dict() for node in graph.model_nodes}
    return found, modules, data, experiment.seed


def by_hand(modules, data, optimizer, seed):
    kind, options = OPTIMIZERS[optimizer]
    x = [torch.from_numpy(one.get_features("np")) for one in data]
    y = torch.from_numpy(data[0].get_targets("np")).flatten()
    parameters = [one for module in modules.values() for one in module.parameters()]
    descent = kind(parameters, **options)
    schedule = torch.optim.lr_scheduler.StepLR(descent, step_size=2, gamma=0.5)
    drawing = sampler()
    drawing.bind_sources([data[0].get_split("all")])
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, "phase", "train"))
        for epoch in range(EPOCHS):
            for rows in map(torch.as_tensor, map(np.asarray, drawing.epoch_batches(epoch))):
                inputs = [one[rows] for one in x]
                if len(modules) == 1:
                    outputs = modules["net"](inputs[0])
                else:
                    sides = modules["left"](inputs[0]), modules["right"](inputs[1])
                    outputs = modules["net"](torch.cat(sides, dim=1))
                descent.zero_grad()
                nn.functional.cross_entropy(outputs, y[rows]).backward()
                descent.step()
                schedule.step()
    return {label: module.state_dict() for label, module in modules.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [mlp, cnn, two_inputs])
def test_equals_the_plain_loop(make, optimizer):
    found, modules, data, seed = by_engine(make, optimizer)
    untrained = {label: copy.deepcopy(one.state_dict()) for label, one in modules.items()}
    expected = by_hand(modules, data, optimizer, seed)

    for label, weights in expected.items():
        for name, values in weights.items():
            assert torch.equal(found[label][name], values), f"{label}.{name}"
        assert any(not torch.equal(found[label][name], untrained[label][name]) for name in weights)
