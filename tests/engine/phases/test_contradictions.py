"""Active nodes and losses that do not go together: an error that names those that there are."""

import pytest
import torch

from engine.callbacks import Evaluation
from engine.errors import EngineError, LossError, PhaseError, UnknownLabelError
from engine.graph import ModelGraph, ModelNode
from engine.phases import EvalPhase, FitPhase, TrainPhase
from tests.engine.phases.parts import adam, sampler
from tests.engine.small_experiments import line, mse, numbers


@pytest.fixture
def graph(experiment):
    data = numbers("data")
    encoder = ModelNode("encoder", torch.nn.Linear(2, 2), data)
    line("head", encoder)
    line("other", data)
    return ModelGraph(optimizer=adam())


def train(losses, label="stage", **options):
    return TrainPhase.from_split(label, split="train", sampler=sampler(), losses=losses, **options)


def evaluate(losses, label="judge", **options):
    return EvalPhase.from_split(label, split="val", losses=losses, **options)


def fit(losses, label="fit", **options):
    return FitPhase.from_split(label, split="train", losses=losses, **options)


@pytest.mark.parametrize(("make", "label"), [(train, "stage"), (evaluate, "judge"), (fit, "fit")])
class TestALoss:
    def test_on_a_node_that_is_not_computed(self, experiment, graph, make, label):
        phase = make([mse("head")], active_nodes=["other"])

        with pytest.raises(
            PhaseError,
            match=rf"phase '{label}' has a loss 'head.mse' on node 'head'.*computes only other.*"
            r"Add 'head'",
        ):
            experiment.run_phase(phase)
        assert experiment.step == 0

    def test_on_a_node_that_does_not_exist(self, experiment, graph, make, label):
        with pytest.raises(UnknownLabelError, match=rf"phase '{label}'.*'haed'.*mean 'head'"):
            experiment.run_phase(make([mse("haed")]))

    def test_before_the_node_that_is_active_is_computed(self, experiment, graph, make, label):
        phase = make([mse("encoder")], active_nodes=["head"])

        assert phase.open_feed(graph, seed=0, place=(label,))


def test_a_training_by_no_node_that_is_trained(experiment, graph):
    phase = train([mse("encoder")], active_nodes=["head"])

    with pytest.raises(LossError, match=r"\('encoder.mse' on 'encoder'\).*trained \(head\)"):
        experiment.run_phase(phase)
    assert experiment.step == 0


def test_an_evaluation_in_a_training_says_its_own_name(experiment, graph):
    validation = Evaluation.from_split(
        label="validation", split="val", losses=[mse("head")], active_nodes=["other"]
    )
    phase = train([mse("other")], active_nodes=["other"], callbacks=[validation])

    with pytest.raises(PhaseError, match=r"phase 'validation' has a loss 'head\.mse'"):
        experiment.run_phase(phase)


@pytest.mark.parametrize("make", [train, evaluate, fit])
class TestActiveNodes:
    def test_are_some(self, graph, make):
        with pytest.raises(PhaseError, match=r"no active nodes.*has encoder, head, other"):
            make([mse("head")], active_nodes=[])

    def test_exist_and_the_phase_is_named(self, graph, make):
        with pytest.raises(EngineError, match=r"phase 'mine'.*'haed'.*mean 'head'"):
            make([mse("head")], label="mine", active_nodes=["haed"])
