"""Graphs of every kind that a file must hold, made the same way in every process."""

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from engine.context import ExperimentContext
from engine.features import FeatureSet
from engine.graph import ConcatNode, EvalStep, FitStep, ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss
from engine.models import SequentialMLP
from engine.optimizers import Optimizer, Scheduler
from tests.engine.graph.conftest import steps_of

COLUMNS = [f"x{place}" for place in range(6)]


def numbers(rows=50):
    generator = np.random.RandomState(0)
    x = generator.normal(size=(rows, 6)).astype(np.float32)
    columns = {name: x[:, place] for place, name in enumerate(COLUMNS)}
    return FeatureSet.from_dict("numbers", {**columns, "y": x.sum(axis=1)}, COLUMNS, ["y"])


def adam(schedule=None):
    return Optimizer("adam", opt_kwargs={"lr": 0.01}, scheduler=schedule)


def branches():
    """Lazily built branches that meet in a ConcatNode, one optimizer with a schedule."""
    data = numbers()
    left_columns = data.reference(features=COLUMNS[:4], targets="y")
    right_columns = data.reference(features=COLUMNS[4:], targets="y")
    left = ModelNode("left", SequentialMLP(output_shape=(4,), dropout=0.2), left_columns)
    right = ModelNode("right", SequentialMLP(output_shape=(3,)), right_columns)
    both = ConcatNode("both", [left, right], concat_axis_targets="first")
    head = ModelNode("head", SequentialMLP(n_layers=1), both)
    schedule = Scheduler("StepLR", {"step_size": 2, "gamma": 0.5}, interval="step")
    return ModelGraph([left, right, both, head], adam(schedule), "branches")


def mixed():
    """An estimator that feeds a torch node, which is built once that is fitted."""
    source = numbers().reference(targets="y")
    first = ModelNode("first", LinearRegression(), source)
    head = ModelNode("head", SequentialMLP(n_layers=1), first)
    return ModelGraph([first, head], adam())


def staged():
    """Nodes with optimizers of their own, the first of them frozen."""
    source = numbers().reference(targets="y")
    encoder = ModelNode("encoder", SequentialMLP(output_shape=(3,)), source, adam())
    head = ModelNode("head", SequentialMLP(n_layers=1), encoder, adam())
    graph = ModelGraph([encoder, head])
    graph.freeze(["encoder"])
    return graph


def twins():
    """Two nodes with one model, and a weight in it that nobody trains."""
    source, shared = numbers(), SequentialMLP(output_shape=(2,))
    left = ModelNode("left", shared, source.reference(features=COLUMNS[:3], targets="y"))
    right = ModelNode("right", shared, source.reference(features=COLUMNS[3:], targets="y"))
    ModelNode("head", SequentialMLP(n_layers=1), ConcatNode("both", [left, right]))
    torch.manual_seed(0)
    shared.build((3,), (2,))
    next(shared.parameters()).requires_grad_(False)
    return ModelGraph(["left", "right", "both", "head"], adam())


GRAPHS = {made.__name__: made for made in (branches, mixed, staged, twins)}


def fit(graph):
    """Fit the estimators, as a FitPhase does."""
    step = FitStep(graph, [], freeze_after_fit=True)
    for context in steps_of(graph, batch_size=50, shuffle=False):
        step(context)


def train(graph, epochs):
    """Some epochs, each with random numbers of its own."""
    graph.build()
    step = TrainStep(graph, [AppliedLoss("mse", "head")])
    for epoch in epochs:
        torch.manual_seed(epoch)
        for context in steps_of(graph, epoch=epoch):
            step(context)


def outputs(graph):
    """What the last node gives for all samples in order."""
    step, found = EvalStep(graph, []), []
    for context in steps_of(graph, shuffle=False):
        step(context)
        found.append(context.outputs["head"].role_data["default"].features)
    return torch.cat(found)


def made(kind):
    """A graph of this kind that has learned for an epoch, in a context of its own."""
    with ExperimentContext().activate():
        graph = GRAPHS[kind]()
        if kind == "mixed":
            fit(graph)
        train(graph, [0])
    return graph
