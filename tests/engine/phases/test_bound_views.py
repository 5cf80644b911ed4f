"""Phases whose inputs are views: they see exactly these rows, in this order."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, FitPhase, InputBinding, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import line, mse, numbers

ROWS = [9, 3, 3, 27, 1]


@pytest.fixture
def experiment():
    return Experiment("small", seed=1)


@pytest.fixture
def data(experiment):
    return numbers("data")


def evaluated(experiment, view, node="net"):
    phase = EvalPhase("look", input_sources=[InputBinding.for_evaluation(node=node, upstream=view)])
    return experiment.run_phase(phase).stacked_tensors(node, "sample_uuids").tolist()


def test_an_evaluation_goes_over_them(experiment, data):
    node = line("net", data)
    ModelGraph([node], Optimizer("adam"))
    ids = data.get_sample_uuids()

    assert evaluated(experiment, data.take(ROWS)) == ids[ROWS].tolist()
    assert evaluated(experiment, data.take(range(39, -1, -1))) == ids[::-1].tolist()
    assert evaluated(experiment, data.take([0, 1], "train")) == ids[:2].tolist()


def test_a_training_draws_from_them(experiment, data):
    node = line("net", data)
    ModelGraph([node], Optimizer("adam"))
    sampler = SimpleSampler(batch_size=2)
    binding = InputBinding.for_training(node=node, upstream=data.take(ROWS), sampler=sampler)
    phase = TrainPhase("train", input_sources=[binding], losses=[mse(node)])

    seen = [
        uuid
        for context in phase.iter_execution()
        for batch in context.inputs.values()
        for uuid in batch.batch.get_data("default", "sample_uuids")
    ]

    assert seen == data.get_sample_uuids()[ROWS].tolist()


def test_a_fitting_learns_from_them_alone(experiment, data):
    node = ModelNode("net", LinearRegression(), data)
    ModelGraph([node])
    rows = [5, 17, 30, 8]
    binding = InputBinding.for_evaluation(node=node, upstream=data.take(rows))

    experiment.run_phase(FitPhase("fit", input_sources=[binding]))

    x, y = data.get_features("np")[rows], data.get_targets("np")[rows]
    wanted = LinearRegression().fit(x.reshape(4, -1), y.reshape(4, -1))
    assert np.allclose(node.model.estimator.coef_, wanted.coef_)


def test_a_saved_experiment_goes_over_the_same_rows_again(experiment, data, tmp_path):
    node = line("net", data)
    ModelGraph([node], Optimizer("adam"))
    binding = InputBinding.for_evaluation(node=node, upstream=data.take(ROWS, "mine"))
    experiment.execution_plan.add_phase(EvalPhase("look", input_sources=[binding]))
    ids = data.get_sample_uuids()[ROWS].tolist()
    path = experiment.save(tmp_path / "kept")

    with ExperimentContext().activate():
        loaded = Experiment.load(path)
        results = loaded.run()

    found = results["look"].stacked_tensors("net", "sample_uuids").tolist()
    assert found == ids
    assert torch.is_tensor(results["look"].stacked_tensors("net", "outputs"))
