"""Loads each experiment in a folder, goes on with it, and writes down what came out."""

import sys
from pathlib import Path

import torch

from engine import Experiment
from engine.context import ExperimentContext
from engine.saving import write_file
from tests.engine.experiment.experiments import outcome

torch.set_num_threads(1)


def main(folder):
    for path in sorted(folder.glob("*.experiment")):
        with ExperimentContext().activate():
            # Net is defined in the tests, and no module of ours.
            experiment = Experiment.load(path, allow_packaged_code=True)
            experiment.resume()
            write_file(path.with_suffix(".outcome"), "outcome", outcome(experiment))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
