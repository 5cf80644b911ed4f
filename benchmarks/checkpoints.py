"""Checkpoints of 2.2 million weights with Adam's moments, beside `torch.save` and `torch.load`."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import Row, compare, report
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import InputBinding, TrainPhase
from engine.samplers import SimpleSampler
from engine.saving import read_file, write_file


def trained_experiment() -> Experiment:
    """An experiment that has trained a little, so that every moment is there."""
    experiment = Experiment("large", seed=1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 1024),
        torch.nn.ReLU(),
        torch.nn.Linear(1024, 2000),
        torch.nn.ReLU(),
        torch.nn.Linear(2000, 50),
    )
    random = np.random.default_rng(0)
    data = {"x": random.normal(size=(128, 64)), "y": random.integers(0, 50, size=128)}
    feature_set = FeatureSet.from_dict("data", {"x": list(data["x"]), "y": data["y"]}, "x", "y")
    ModelGraph([ModelNode("model", model, feature_set)], optimizer=Optimizer("adam"))
    sampler = SimpleSampler(batch_size=64, shuffle=True)
    phase = TrainPhase(
        "train",
        input_sources=[InputBinding.for_training(node="model", sampler=sampler)],
        losses=[AppliedLoss("crossentropy", "model")],
        result_recording="none",
    )
    experiment.run_phase(phase, show_training_progress=False)
    return experiment


def bare_state(experiment: Experiment) -> dict[str, Any]:
    graph = experiment.model_graph
    return {
        "model": graph.nodes["model"].module.state_dict(),
        "optimizer": graph.optimizer.instance.state_dict(),
    }


def torch_save(state: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def rows(experiment: Experiment, folder: Path) -> list[Row]:
    state = bare_state(experiment)
    bare, plain, full = folder / "bare.pt", folder / "plain.lk", folder / "full.lk"
    # What is read stays alive, so that each load has to find memory of its own, as after a start.
    kept: list[Any] = []

    def load_bare() -> None:
        kept.append(torch.load(bare, weights_only=True))

    def read_plain() -> None:
        kept.append(read_file(plain, "state", sha256=saved.sha256))

    torch_save(state, bare)
    saved = write_file(plain, "state", state)
    first = experiment.write_checkpoint(full)
    others = [experiment.write_checkpoint(folder / f"{number}.lk") for number in range(7)]
    read, _ = read_file(plain, "state", sha256=saved.sha256)
    assert all(torch.equal(read["model"][name], value) for name, value in state["model"].items())

    numbers = sum(value.nbytes for value in state["model"].values())
    moments = state["optimizer"]["state"].values()
    numbers += sum(value.nbytes for moment in moments for value in moment.values())
    return [
        compare(
            "saving the state",
            lambda: write_file(plain, "state", state),
            lambda: torch_save(state, bare),
            2.0,
            repeat=15,
        ),
        compare(
            "saving an experiment",
            lambda: experiment.write_checkpoint(full),
            lambda: torch_save(state, bare),
            2.0,
            repeat=15,
        ),
        compare(
            "saving an experiment whose graph is saved",
            lambda: experiment.write_checkpoint(folder / "brief.lk", share_graph=True),
            lambda: torch_save(state, bare),
            0.8,
            repeat=15,
        ),
        compare("reading the state, hash checked", read_plain, load_bare, 3.0, repeat=15),
        compare(
            "restoring an experiment, hash checked",
            lambda: experiment.restore_checkpoint(full, sha256=first.sha256),
            load_bare,
            3.0,
            repeat=15,
        ),
        # The budget allows 32 kB more, which only a small model's checkpoint would need.
        Row("size, beside that of the numbers", first.bytes, numbers, 1.1, unit="bytes"),
        Row(
            "growth from the first to the eighth",
            max(abs(other.bytes - first.bytes) for other in others),
            budget=0,
            unit="bytes",
        ),
    ]


def main() -> int:
    torch.set_num_threads(1)
    with ExperimentContext().activate(), tempfile.TemporaryDirectory() as folder:
        kept = report(
            rows(trained_experiment(), Path(folder)), "Checkpoints of 2.2 M weights and Adam"
        )
    return not kept


if __name__ == "__main__":
    sys.exit(main())
