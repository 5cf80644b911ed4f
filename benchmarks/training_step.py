"""What a training step costs beside a bare PyTorch loop: the digits, a small MLP, batches of 32."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measure import Row, compare, report
from engine.callbacks import Callback
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import InputBinding, Reporter, TrainPhase
from engine.samplers import SimpleSampler

BATCH_SIZE, EPOCHS, RATE = 32, 20, 1e-3

digits = load_digits()
X = torch.from_numpy(digits.data.astype(np.float32) / 16.0)
Y = torch.from_numpy(digits.target.astype(np.int64))
STEPS = EPOCHS * -(-len(X) // BATCH_SIZE)


def mlp() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))


class Losses(Reporter):
    """Hears every step's loss, and does nothing with it."""

    wants_batch_metrics = True

    def metrics(self, values, *, path, epoch, batch, step):
        pass


class EachBatch(Callback):
    """Is called after every step, and does nothing."""

    def on_batch_end(self, *, experiment, phase, exec_ctx, results=None):
        pass


def ours(*, recording: str = "none", reporter: bool = False, callback: bool = False):
    """A training phase, run anew by each call; what was recorded is thrown away."""
    with ExperimentContext().activate():
        experiment = Experiment("digits", seed=1)
        data = {"pixels": X.numpy(), "digit": Y.numpy()}
        feature_set = FeatureSet.from_dict("digits", data, ["pixels"], ["digit"])
        node = ModelNode("mlp", mlp(), feature_set)
        ModelGraph([node], optimizer=Optimizer("adam", opt_kwargs={"lr": RATE}))
        phase = TrainPhase(
            "train",
            input_sources=[binding(feature_set)],
            losses=[AppliedLoss("crossentropy", on="mlp")],
            n_epochs=EPOCHS,
            callbacks=[EachBatch()] if callback else [],
            result_recording=recording,
        )
    if reporter:
        experiment.add_reporter(Losses())

    def run() -> torch.nn.Module:
        experiment.run_phase(phase)
        return node.module

    return run


def binding(feature_set):
    sampler = SimpleSampler(batch_size=BATCH_SIZE, shuffle=True, seed=5)
    return InputBinding.for_training(node="mlp", sampler=sampler, upstream=feature_set)


def bare(batches: Callable[[int], Iterator[torch.Tensor]]):
    """The loop that anyone would write, gathering each batch by its index."""
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    loss_of = torch.nn.CrossEntropyLoss()

    def run() -> torch.nn.Module:
        model.train()
        for epoch in range(EPOCHS):
            for index in batches(epoch):
                optimizer.zero_grad()
                loss = loss_of(model(X[index]), Y[index])
                loss.backward()
                optimizer.step()
        return model

    return run


def with_loader():
    """The same with torch's own loader."""
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    loader = DataLoader(TensorDataset(X, Y), batch_size=BATCH_SIZE, shuffle=True)

    def run() -> None:
        for _ in range(EPOCHS):
            for x, y in loader:
                optimizer.zero_grad()
                loss = loss_of(model(x), y)
                loss.backward()
                optimizer.step()

    return run


def by_chance(_epoch: int):
    return torch.randperm(len(X)).split(BATCH_SIZE)


def check_same_work() -> None:
    """In the same order from the same weights, both end with the same weights, bit for bit."""
    sampler = SimpleSampler(batch_size=BATCH_SIZE, shuffle=True, seed=5)
    with ExperimentContext().activate():
        sampler.bind_sources([FeatureSet.from_dict("digits", {"x": X.numpy()}, ["x"])])
    orders = [[torch.from_numpy(one) for one in sampler.epoch_batches(e)] for e in range(EPOCHS)]
    expected = bare(lambda epoch: iter(orders[epoch]))()
    found = ours()()
    for mine, theirs in zip(found.parameters(), expected.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def per_step(row: Row) -> Row:
    return replace(row, ours=row.ours / STEPS, bare=row.bare and row.bare / STEPS)


def main() -> int:
    torch.set_num_threads(1)
    check_same_work()
    loop = bare(by_chance)
    rows = [
        compare("nothing recorded", ours(), loop, 1.15),
        compare("every batch recorded", ours(recording="all"), loop, 1.3),
        compare("every step's loss reported", ours(reporter=True), loop, 1.15),
        compare("a callback after every step", ours(callback=True), loop, None),
        compare("nothing recorded, beside a DataLoader", ours(), with_loader(), 1.0),
    ]
    return not report(map(per_step, rows), f"A training step: digits, MLP, {STEPS} steps a run")


if __name__ == "__main__":
    sys.exit(main())
