"""Training goes on from a restored checkpoint to the same bits, whichever way it was restored.

Two epochs, a checkpoint, two more that spoil everything, back, two again: against two and two.
"""

import copy

import pytest
import torch

from engine.callbacks import Checkpointing, EarlyStopping, Evaluation
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.models.torch import SequentialMLP
from engine.optimizers import Optimizer, Scheduler
from engine.phases import Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.children import in_child  # noqa: F401 - a fixture
from tests.engine.small_experiments import assert_equal, classes, cross_entropy


def build(*, dropout=0.0, ctx=None):
    experiment = Experiment("small", seed=4, ctx=ctx)
    net = SequentialMLP(output_shape=(3,), hidden_dim=8, dropout=dropout)
    scheduler = Scheduler("exponentiallr", {"gamma": 0.9})
    optimizer = Optimizer("adam", opt_kwargs={"lr": 0.05}, scheduler=scheduler)
    ModelGraph([ModelNode("net", net, classes().reference())], optimizer)
    return experiment


def phase(label="train", **options):
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=16, shuffle=True),
        losses=[cross_entropy()],
        n_epochs=2,
        **{"result_recording": "none", **options},
    )


def batches(results):
    """The samples of each batch, in the order in which they were used."""
    return [
        uuid
        for context in results.execution_contexts().values()
        for view in context.inputs.values()
        for uuid in view.get_role_view("default").get_sample_uuids()
    ]


def state_of(experiment):
    return copy.deepcopy(experiment.model_graph.get_state())


@pytest.fixture(params=[0.0, 0.4], ids=["plain", "dropout"])
def dropout(request):
    return request.param


@pytest.fixture
def whole(dropout):
    """Two and two epochs without an interruption: the end, and the last batches' order."""
    with ExperimentContext().activate():
        experiment = build(dropout=dropout)
        experiment.run_phase(phase())
        results = experiment.run_phase(phase(result_recording="all"))
        return state_of(experiment), batches(results)


@pytest.fixture
def spoiled(dropout, tmp_path):
    """The experiment, four epochs on, with a checkpoint of it and one of its graph after two."""
    experiment = build(dropout=dropout)
    experiment.set_checkpoint_dir(tmp_path)
    experiment.run_phase(phase())
    experiment.save_checkpoint("after-two")
    experiment.model_graph.save_checkpoint(tmp_path / "graph.ckpt")
    experiment.run_phase(phase("other"))
    torch.rand(17)
    return experiment


def goes_on(experiment, whole, again=None):
    results = experiment.run_phase(again or phase(result_recording="all"))
    end, order = whole
    assert_equal(state_of(experiment), end)
    if again is None:
        assert batches(results) == order


def test_two_uninterrupted_runs_are_equal(whole, dropout):
    experiment = build(dropout=dropout)
    experiment.run_phase(phase())
    goes_on(experiment, whole)


def test_an_experiments_checkpoint_and_a_fresh_sampler(spoiled, whole):
    spoiled.restore_checkpoint("after-two")
    goes_on(spoiled, whole)
    assert [run.label for run in spoiled.history] == ["train", "train"]


def test_the_very_phase_that_ran_before_the_checkpoint_and_after(whole, dropout, tmp_path):
    experiment, train = build(dropout=dropout), phase()
    experiment.run_phase(train)
    experiment.write_checkpoint(tmp_path / "a.ckpt")
    experiment.run_phase(train)
    experiment.restore_checkpoint(tmp_path / "a.ckpt")
    goes_on(experiment, whole, train)


@pytest.mark.parametrize("by", ["graph", "experiment"])
def test_a_graphs_checkpoint_brings_the_moments_back(spoiled, whole, tmp_path, by):
    restoring = spoiled.model_graph if by == "graph" else spoiled
    restoring.restore_checkpoint(tmp_path / "graph.ckpt")
    goes_on(spoiled, whole)


def test_the_states_in_memory_do_too(whole, dropout):
    experiment, saving = build(dropout=dropout), Checkpointing(max_to_keep=1)
    experiment.run_phase(phase(checkpointing=saving))
    experiment.run_phase(phase("other"))
    experiment.model_graph.set_state(saving.get_state(1))
    goes_on(experiment, whole)


def test_a_graph_takes_its_part_of_an_experiments_checkpoint(spoiled, whole, tmp_path):
    spoiled.model_graph.restore_checkpoint(tmp_path / "after-two.ckpt")
    goes_on(spoiled, whole)


def test_a_training_phases_file_restores_everything(whole, dropout, tmp_path):
    saving = Checkpointing(mode="disk", directory=tmp_path, save_on="phase_end")
    experiment = build(dropout=dropout)
    experiment.run_phase(phase(checkpointing=saving))
    experiment.run_phase(phase("other"))
    experiment.restore_checkpoint(saving.get_path("train_epoch2"))
    again = Checkpointing(mode="disk", directory=tmp_path / "again", save_on="phase_end")
    train = phase(checkpointing=again)
    experiment.resume(train)  # only the phase's end was left
    goes_on(experiment, whole)


class Weights(Reporter):
    """The weights after each epoch."""

    def __init__(self, experiment):
        self.experiment, self.after = experiment, {}

    def epoch_ended(self, *, path, epoch, step):
        self.after[epoch] = copy.deepcopy(self.experiment.model_graph.get_weights())


def test_early_stopping_puts_back_the_best_epoch_that_no_file_was_saved_of(dropout, tmp_path):
    experiment = build(dropout=dropout)
    validation = Evaluation.from_split(label="val", split="val", losses=[cross_entropy()])
    stopping = EarlyStopping(monitor="val_loss", mode="max", restore_best=True)
    saving = Checkpointing(mode="disk", directory=tmp_path, every_n=3, max_to_keep=1)
    weights = Weights(experiment)
    experiment.add_reporter(weights)
    train = phase(callbacks=[validation, stopping], checkpointing=saving)
    train.n_epochs = 5
    experiment.run_phase(train)

    assert saving.saved_keys == [2]
    assert stopping.best_epoch != 2
    assert_equal(experiment.model_graph.get_weights(), weights.after[stopping.best_epoch])


class TestInANewProcess:
    def ended(self, run):
        assert run.signal == 0
        assert run.text == "same", run.text

    def test_the_same_script_builds_a_graph_that_takes_the_checkpoint(
        self,
        spoiled,
        whole,
        dropout,
        tmp_path,
        in_child,  # noqa: F811 - the fixture
    ):
        def work():
            with ExperimentContext().activate():
                torch.rand(5)
                experiment = build(dropout=dropout)
                experiment.restore_checkpoint(tmp_path / "after-two.ckpt")
                goes_on(experiment, whole)
            return "same"

        self.ended(in_child(work))

    def test_the_experiment_can_be_loaded_whole(
        self,
        whole,
        dropout,
        tmp_path,
        in_child,  # noqa: F811 - the fixture
    ):
        with ExperimentContext().activate():
            experiment = build(dropout=dropout)
            experiment.run_phase(phase())
            experiment.execution_plan.add_phase(phase())
            experiment.save(tmp_path / "small.experiment")

        def work():
            with ExperimentContext().activate():
                loaded = Experiment.load(tmp_path / "small.experiment")
                goes_on(loaded, whole, loaded.execution_plan.get_train_phase("train"))
            return "same"

        self.ended(in_child(work))
