"""What a step of a graph with two branches costs beside the same written by hand in PyTorch."""

import sys
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.measure import Row, compare, report
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import TrainPhase
from engine.samplers import SimpleSampler

ROWS, LEFT, RIGHT, HIDDEN, CLASSES = 1_792, 48, 16, 32, 10
BATCH_SIZE, EPOCHS, RATE = 32, 20, 1e-3
STEPS = EPOCHS * -(-ROWS // BATCH_SIZE)

rng = np.random.RandomState(0)
A = torch.from_numpy(rng.normal(size=(ROWS, LEFT)).astype(np.float32))
B = torch.from_numpy(rng.normal(size=(ROWS, RIGHT)).astype(np.float32))
Y = torch.from_numpy(rng.randint(0, CLASSES, ROWS).astype(np.int64))


def branches() -> tuple[torch.nn.Module, torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    left = torch.nn.Sequential(torch.nn.Linear(LEFT, HIDDEN), torch.nn.ReLU())
    right = torch.nn.Sequential(torch.nn.Linear(RIGHT, HIDDEN), torch.nn.ReLU())
    return left, right, torch.nn.Linear(2 * HIDDEN, CLASSES)


def sampler() -> SimpleSampler:
    return SimpleSampler(batch_size=BATCH_SIZE, shuffle=True, seed=5)


def ours() -> Callable[[], list[torch.nn.Module]]:
    """A training phase, run anew by each call."""
    with ExperimentContext().activate():
        experiment = Experiment("branches", seed=1)
        columns = {"a": list(A.numpy()), "b": list(B.numpy()), "y": Y.numpy()}
        data = FeatureSet.from_dict("data", columns, ["a", "b"], ["y"])
        data.split_random({"train": 1.0}, seed=1)
        modules = branches()
        left = ModelNode("left", modules[0], data.reference(features="a", targets="y"))
        right = ModelNode("right", modules[1], data.reference(features="b", targets="y"))
        joined = ConcatNode("joined", [left, right], concat_axis=0)
        head = ModelNode("head", modules[2], joined)
        ModelGraph(
            [left, right, joined, head], optimizer=Optimizer("adam", opt_kwargs={"lr": RATE})
        )
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=sampler(),
            losses=[AppliedLoss("crossentropy", on="head")],
            n_epochs=EPOCHS,
            result_recording="none",
        )

    def run() -> list[torch.nn.Module]:
        experiment.run_phase(phase, show_training_progress=False)
        return list(modules)

    return run


def by_hand(batches: Callable[[int], object]) -> Callable[[], list[torch.nn.Module]]:
    """The loop that anyone would write, gathering each batch by its index."""
    left, right, head = branches()
    weights = [one for module in (left, right, head) for one in module.parameters()]
    optimizer = torch.optim.Adam(weights, lr=RATE)
    loss_of = torch.nn.CrossEntropyLoss()

    def run() -> list[torch.nn.Module]:
        for epoch in range(EPOCHS):
            for index in batches(epoch):
                optimizer.zero_grad()
                joined = torch.cat([left(A[index]), right(B[index])], dim=1)
                loss = loss_of(head(joined), Y[index])
                loss.backward()
                optimizer.step()
        return [left, right, head]

    return run


def check_same_work() -> None:
    """In the same order from the same weights, both end with the same weights, bit for bit."""
    with ExperimentContext().activate():
        data = FeatureSet.from_dict("data", {"a": A.numpy()}, ["a"])
        data.split_random({"train": 1.0}, seed=1)
        one = sampler()
        one.bind_sources([data.get_split("train")])
        rows = data.get_split("train").indices
    orders = [
        [torch.from_numpy(rows[index]) for index in one.epoch_batches(e)] for e in range(EPOCHS)
    ]
    for mine, theirs in zip(ours()(), by_hand(lambda epoch: orders[epoch])(), strict=True):
        for found, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(found, expected)


def main() -> int:
    torch.set_num_threads(1)
    check_same_work()
    loop = by_hand(lambda _epoch: torch.randperm(ROWS).split(BATCH_SIZE))
    row = compare("two branches and a ConcatNode", ours(), loop, 1.25)
    per_step = Row(row.name, row.ours / STEPS, row.bare and row.bare / STEPS, row.budget)
    return not report([per_step], f"A step of a branching graph, {STEPS} steps a run")


if __name__ == "__main__":
    sys.exit(main())
