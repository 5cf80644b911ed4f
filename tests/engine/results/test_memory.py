"""What results hold grows with what is recorded, and with nothing else."""

import gc
import sys

import pytest
import torch

from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.graph.plan import Plan
from engine.optimizers import Optimizer
from engine.phases import TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import fresh, mse

ROWS, WIDTH, OUT, BATCH = 480, 64, 8, 32
STEPS = ROWS // BATCH
SHARED = (type, type(sys), FeatureSet, ModelNode, ModelGraph, Plan, torch.nn.Module)
# A number in the history and its place in a list, and a step's share of what an epoch has there.
HISTORY = 24 + 8 + 32


def trained(recording, n_epochs):
    def run():
        experiment = Experiment("wide", seed=1)
        x, y = torch.randn(ROWS, WIDTH), torch.randn(ROWS, OUT)
        columns = {"x": list(x.numpy()), "y": list(y.numpy())}
        data = FeatureSet.from_dict("data", columns, ["x"], ["y"])
        data.split_random({"train": 1.0}, seed=1)
        node = ModelNode("net", torch.nn.Linear(WIDTH, OUT), data.reference())
        ModelGraph([node], optimizer=Optimizer("adam"))
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=SimpleSampler(batch_size=BATCH, shuffle=True),
            losses=[mse("net")],
            n_epochs=n_epochs,
            result_recording=recording,
        )
        return experiment.run_phase(phase)

    return fresh(run)


def held(results):
    """The bytes of all that only these results hold: objects, and the memory of tensors."""
    seen, storages, todo, total = set(), {}, [results], 0
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, SHARED) or callable(thing):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        if isinstance(thing, torch.Tensor):
            assert thing.grad_fn is None, "the way of gradients is held"
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        todo.extend(gc.get_referents(thing))
    return total + sum(storages.values())


def growth(recording, look=lambda results: None):
    """Bytes for each step more."""
    found = []
    for n_epochs in (4, 12):
        results = trained(recording, n_epochs)
        look(results)
        found.append(held(results))
    return (found[1] - found[0]) / (8 * STEPS)


def given():
    """The bytes that a recorded step gives: features, outputs and targets of its batch."""
    return 4 * BATCH * (WIDTH + OUT + OUT)


def test_recorded_batches_take_little_more_than_the_tensors_they_give():
    assert 4 * BATCH * OUT < growth("all") < 1.5 * given()


def test_so_do_those_that_were_read():
    def read(results):
        for domain in ("outputs", "targets"):
            results.tensors("net", domain)

    assert growth("all", read) < 1.5 * given()


@pytest.mark.parametrize("recording", ["none", "last"])
def test_what_is_not_recorded_takes_nothing(recording):
    assert growth(recording) <= HISTORY
    steps = 0 if recording == "none" else STEPS
    assert len(trained(recording, 3)._execution) == steps
