"""A sweep on digits that is killed at random moments ends as one that never was."""

import os
import random
import signal
import time

import pytest

from tracker.database.kinds import RunStatus
from tracker.lab import Lab
from tracker.registry.metrics import history
from tracker.registry.runs import find_run
from tracker.registry.sweeps.workers import workers_of
from tracker.sweeps import Sweep, recipes

CONFIG = {
    "recipe": "supervised",
    "dataset": "sklearn.datasets:load_digits",
    "split": {"train": 0.6, "validate": 0.4, "stratify": "y"},
    "scale": "MinMaxScaler",
    "model": {"loc": "nets:MLP"},
    "loss": "CrossEntropyLoss",
    "optimizer": {"loc": "Adam", "args": {"lr": 1.0}},
    "metrics": ["accuracy"],
    "epochs": 3,
}
NETS = """
from torch import nn


class MLP(nn.Sequential):
    def __init__(self, hidden):
        super().__init__(
            nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, 10)
        )
"""
SMALL = {"optimizer.args.lr": [0.01, 0.001], "model.args.hidden": [8], "seed": [0, 1]}
LARGE = {
    "optimizer.args.lr": [0.03, 0.01, 0.003, 0.001, 0.0003],
    "model.args.hidden": [8, 16, 32],
    "seed": [0, 1, 2, 3],
}


def make(root, fields):
    lab = Lab.init(root)
    (root / "nets.py").write_text(NETS)
    return lab, Sweep({**CONFIG, "grid": fields}, name="digits", lab=lab)


def record(lab, sweep):
    """Everything that the sweep says of its trials and their curves, but for time."""
    found = {}
    with lab.database.read() as session:
        for trial in sweep.trials():
            run = find_run(session, f"digits/{trial.number}")
            points = {}
            for axis in ("step", "epoch"):
                one = history(session, [run.id], axis=axis)
                series = [(s.name, s.length) for s in one.series]
                points[axis] = series, [point[:3] for point in one.points]
            found[trial.number] = (trial.config, str(trial.status), trial.result, points)
    return found


def interrupt(lab, sweep, in_background, chance, longest):
    """Begins the sweep and kills all that work at it, again and again, until it is done."""
    kills = 0
    while set(sweep.counts) != {RunStatus.FINISHED}:
        wait = in_background(lambda: sweep.run(workers=2, max_losses=None))
        while not kills and RunStatus.RUNNING not in sweep.counts:
            time.sleep(0.01)  # the first time, for certain in the middle of a trial
        until = time.monotonic() + (chance.uniform(0.3, longest) if kills else 0.1)
        while time.monotonic() < until and set(sweep.counts) != {RunStatus.FINISHED}:
            time.sleep(0.02)
        with lab.database.read() as session:
            pids = [worker.pid for worker in workers_of(session, sweep.id)]
        for pid in [wait.pid, *pids]:
            try:
                os.kill(pid, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                continue
        wait()
        longest *= 1.2  # a busy machine needs longer to come anywhere
        assert kills < 2_000
    return kills


@pytest.mark.parametrize(
    ("fields", "longest"), [(SMALL, 1.0), pytest.param(LARGE, 3.0, marks=pytest.mark.slow)]
)
def test_it_equals_one_that_was_never_killed(tmp_path, in_background, fields, longest):
    assert recipes  # imported here, so that no worker has to
    whole, calm = make(tmp_path / "calm", fields)
    assert calm.run(workers=2).finished
    lab, disturbed = make(tmp_path / "disturbed", fields)
    kills = interrupt(lab, disturbed, in_background, random.Random(11), longest)

    assert kills > 1
    assert max(trial.attempts for trial in disturbed.trials()) > 1
    assert record(lab, disturbed) == record(whole, calm)
    assert [found.check for found in lab.doctor() if found.severity == "error"] == []
    whole.close()
    lab.close()
