"""What recorded batches take of memory, beside the tensors that they give: the digits, an MLP.

A recorded step gives the batch's features, outputs and targets. Those of the data are read from
it again; what is kept is the outputs, the losses, and which samples they were.
"""

import gc
import subprocess
import sys

import psutil
import torch

from benchmarks.measure import Row, report
from benchmarks.training_step import RATE, X, Y, mlp
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import InputBinding, TrainPhase
from engine.samplers import SimpleSampler

SHORT, LONG = 50, 250  # epochs
# Of the history: a number for each step, its place in a list, and what list and heap have to spare.
HISTORY = 128


def trained(recording: str, epochs: int, batch_size: int):
    with ExperimentContext().activate():
        experiment = Experiment("digits", seed=1)
        data = {"pixels": X.numpy(), "digit": Y.numpy()}
        feature_set = FeatureSet.from_dict("digits", data, ["pixels"], ["digit"])
        node = ModelNode("mlp", mlp(), feature_set)
        ModelGraph([node], optimizer=Optimizer("adam", opt_kwargs={"lr": RATE}))
        sampler = SimpleSampler(batch_size=batch_size, shuffle=True, seed=5)
        phase = TrainPhase(
            "train",
            input_sources=[
                InputBinding.for_training(node="mlp", sampler=sampler, upstream=feature_set)
            ],
            losses=[AppliedLoss("crossentropy", on="mlp")],
            n_epochs=epochs,
            result_recording=recording,
        )
        return experiment.run_phase(phase, show_training_progress=False)


def resident(recording: str, epochs: int, batch_size: int) -> int:
    """The bytes of a new process that has trained for so long and keeps the results."""
    arguments = (recording, str(epochs), str(batch_size))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.recorded_batches", *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    return int(done.stdout)


def held_per_step(recording: str, batch_size: int) -> float:
    """By how much a process grows for a step, between a short and a long training."""
    short, long = (resident(recording, epochs, batch_size) for epochs in (SHORT, LONG))
    steps = -(-len(X) // batch_size)
    return max(long - short, 0) / (steps * (LONG - SHORT))


def given_per_step(batch_size: int) -> float:
    """The bytes of what a recorded step gives, on average."""
    steps = -(-len(X) // batch_size)
    outputs = torch.zeros(len(X), 10)
    return (X.nbytes + outputs.nbytes + Y.nbytes) / steps


def main() -> int:
    torch.set_num_threads(1)
    rows = [
        Row(
            f"every batch of {size} recorded",
            held_per_step("all", size),
            given_per_step(size),
            1.5,
            "bytes a step",
        )
        for size in (32, 256)
    ]
    rows += [
        Row(
            f"{recording} recorded",
            held_per_step(recording, 32),
            budget=HISTORY,
            unit="bytes a step",
        )
        for recording in ("last", "none")
    ]
    return not report(rows, "Memory of recorded batches")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        torch.set_num_threads(1)
        kept = trained(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        gc.collect()
        print(psutil.Process().memory_info().rss)
    else:
        sys.exit(main())
