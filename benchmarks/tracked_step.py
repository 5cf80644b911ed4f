"""What a training step costs with every step logged to a lab, beside a bare PyTorch loop."""

import sys
import tempfile

import torch

from benchmarks.measure import compare, report
from benchmarks.training_step import (
    EPOCHS,
    RATE,
    STEPS,
    X,
    Y,
    bare,
    binding,
    by_chance,
    mlp,
    per_step,
)
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import TrainPhase
from tracker.lab import Lab
from tracker.recording.checkpoints import CheckpointPolicy

AT_THE_END = CheckpointPolicy(every=10**6)


def tracked(lab, policy):
    """A training phase run anew by each call, recorded as a run of its own."""
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
            result_recording="none",
        )

    def run():
        with lab.track(experiment, checkpoints=policy):
            experiment.run_phase(phase, show_training_progress=False)

    return run


def main():
    torch.set_num_threads(1)
    loop = bare(by_chance)
    with tempfile.TemporaryDirectory(prefix="labkeeper-bench-") as place:
        lab = Lab.init(place)
        rows = [
            compare("every step logged", tracked(lab, AT_THE_END), loop, 1.3),
            compare("and a checkpoint every epoch", tracked(lab, None), loop, None),
        ]
        counts = lab.runs(columns=["name"])
        assert len(counts) == 16
        with lab.database.read() as session:
            found = session.connection().exec_driver_sql(
                "SELECT DISTINCT count FROM series WHERE axis = 'step'"
            )
            assert found.all() == [(STEPS,)]
        lab.close()
    return not report(map(per_step, rows), f"A recorded training step: digits, MLP, {STEPS} steps")


if __name__ == "__main__":
    sys.exit(main())
