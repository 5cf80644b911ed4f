"""What two workers save: folds in two processes at a time, beside the same one after another."""

import sys
import time

import numpy as np
import torch

from benchmarks.measure import Row, report
from engine.callbacks import Accuracy, Evaluation
from engine.context import ExperimentContext
from engine.cross_validation import CrossValidation, CVBinding
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import TrainPhase
from engine.samplers import SimpleSampler

N_FOLDS, ROWS, WIDTH, EPOCHS = 6, 12_000, 64, 45


def cross_validation() -> CrossValidation:
    """Six folds that take twenty seconds and more together."""
    with ExperimentContext().activate():
        experiment = Experiment("clouds", seed=1)
        rng = np.random.RandomState(0)
        y = np.arange(ROWS) % 10
        x = (rng.normal(size=(ROWS, WIDTH)) + y[:, None] * 0.1).astype("float32")
        data = FeatureSet.from_dict("data", {"x": list(x), "y": y}, ["x"], ["y"])
        data.split_random({"train": 0.8, "val": 0.2}, seed=1)
        data.fit_transform("StandardScaler", domain="features", fit_to_split="train")
        torch.manual_seed(0)
        layers = [torch.nn.Linear(WIDTH, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)]
        ModelGraph(
            [ModelNode("mlp", torch.nn.Sequential(*layers), data.reference())],
            optimizer=Optimizer("adam", opt_kwargs={"lr": 1e-3}),
        )
        loss = AppliedLoss("crossentropy", on="mlp")
        validation = Evaluation.from_split(
            label="val", split="val", losses=[loss], metrics=[Accuracy()]
        )
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=SimpleSampler(batch_size=32, shuffle=True),
            losses=[loss],
            n_epochs=EPOCHS,
            callbacks=[validation],
            result_recording="none",
        )
        return CrossValidation(
            bindings=CVBinding(data, ["train", "val"], stratify_by="y"),
            n_folds=N_FOLDS,
            phase=phase,
            experiment=experiment,
            keep_weights=True,
        )


def timed(workers: int):
    strategy = cross_validation()
    began = time.perf_counter()
    results = strategy.run(workers=workers)
    return time.perf_counter() - began, results


def check_same(found, expected) -> None:
    assert found.to_pandas().equals(expected.to_pandas())
    for label, fold in expected.folds():
        mine = found.get_fold(label).weights["mlp"]
        for name, weights in fold.weights["mlp"].items():
            assert torch.equal(mine[name], weights)


def main() -> int:
    torch.set_num_threads(1)
    timed(2)  # whatever is imported or compiled at first use
    alone, expected = timed(1)
    together, found = timed(2)
    check_same(found, expected)
    row = Row(f"{N_FOLDS} folds by two workers / one by one", together, alone, 0.7)
    return not report([row], "Cross-validation in two processes at a time")


if __name__ == "__main__":
    sys.exit(main())
