"""Loads what `own_parts` saved, in a process that knows none of it, and saves it again."""

import sys
from pathlib import Path

from engine import AppliedLoss, BaseModel, Callback, ExperimentCallback, Loss, Optimizer
from engine.callbacks import EvaluationMetric
from engine.optimizers import Scheduler
from engine.samplers import BaseSampler
from engine.scalers import Scaler
from engine.splitters import BaseSplitter

BASES = {
    base.saved_as: base
    for base in (AppliedLoss, BaseModel, Callback, ExperimentCallback, Loss, Optimizer)
}
BASES |= {
    base.saved_as: base for base in (EvaluationMetric, Scheduler, BaseSampler, Scaler, BaseSplitter)
}


def main(folder):
    for path in sorted(folder.glob("*.*")):
        base = BASES[path.suffix[1:]]
        try:
            base.load(path)
        except Exception as error:  # noqa: BLE001 - told to the test
            print(path.name, type(error).__name__, error)
        base.load(path, allow_packaged_code=True).save(
            folder / "again" / path.name, package_code=True
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
