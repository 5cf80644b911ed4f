"""Real processes, really killed: what they leave behind is gone on with exactly."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.saving import read_file
from tests.engine.small_experiments import assert_equal

ROOT = Path(__file__).parents[3]
N_STEPS = 10  # 72 samples in batches of 16, twice


class Trainers:
    """New processes on order, all forked from one that has imported torch."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.experiment.programs.trainer"],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def train(self, folder, *, die=None, every=0, **options):
        """The exit code of a process that trains in the folder, dying where `die` says."""
        order = {"folder": str(folder), "die": die, "every": every, "options": options}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def trainers():
    trainers = Trainers()
    yield trainers
    trainers.close()


@pytest.fixture(scope="module")
def whole(trainers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert trainers.train(folder) == 0
    return outcome(folder)


def outcome(folder):
    """The end, and every value that was logged; one that was logged twice was the same."""
    values = {}
    for line in (folder / "values.jsonl").read_text().splitlines():
        name, path, epoch, batch, step, value = json.loads(line)
        key = (name, tuple(path), epoch, batch, step)
        assert values.setdefault(key, value) == value, key
    final, _ = read_file(folder / "final.state", "final")
    return final, values


def assert_same(found, expected):
    assert_equal(found[0], expected[0])
    assert found[1] == expected[1]


@pytest.mark.parametrize("step", range(1, N_STEPS + 1))
@pytest.mark.parametrize("kind", ["step", "batch"])
def test_killed_at_any_step_and_resumed_in_a_new_process(trainers, whole, tmp_path, kind, step):
    assert trainers.train(tmp_path, die=[kind, step], every=1) == -signal.SIGKILL
    assert not (tmp_path / "final.state").exists()

    assert trainers.train(tmp_path, every=1) == 0

    assert_same(outcome(tmp_path), whole)


@pytest.mark.parametrize("every", [0, 3])
def test_killed_again_and_again_with_few_checkpoints(trainers, whole, tmp_path, every):
    for step in range(1, N_STEPS + 1):
        assert trainers.train(tmp_path, die=["step", step], every=every) == -signal.SIGKILL

    assert trainers.train(tmp_path, every=every) == 0

    assert_same(outcome(tmp_path), whole)


@pytest.mark.parametrize("step", [2, 5, 10])
def test_killed_while_a_checkpoint_is_written(trainers, whole, tmp_path, step):
    assert trainers.train(tmp_path, die=["write", step], every=1) == -signal.SIGKILL

    assert trainers.train(tmp_path, every=1) == 0

    assert_same(outcome(tmp_path), whole)


@pytest.mark.parametrize("step", [5, 10])
def test_killed_after_an_epochs_end(trainers, whole, tmp_path, step):
    assert trainers.train(tmp_path, die=["epoch", step]) == -signal.SIGKILL

    assert trainers.train(tmp_path) == 0

    assert_same(outcome(tmp_path), whole)


STOPS_EARLY = {"n_epochs": 25, "patience": 1, "batch_size": 8}


@pytest.fixture(scope="module")
def whole_early(trainers, tmp_path_factory):
    """Best after the third epoch of 9 steps, stopped after the fourth, the best restored."""
    folder = tmp_path_factory.mktemp("early")
    assert trainers.train(folder, **STOPS_EARLY) == 0
    found = outcome(folder)
    assert found[0]["stopping"]["best_epoch"] == 2
    assert found[0]["step"] == 36
    return found


@pytest.mark.parametrize(
    "die",
    [["step", 20], ["batch", 27], ["epoch", 27], ["step", 28], ["batch", 36], ["epoch", 36]],
    ids=lambda die: f"{die[0]}{die[1]}",
)
@pytest.mark.parametrize("every", [0, 1])
def test_killed_before_and_after_the_best_epoch_of_a_run_that_stops_early(
    trainers, whole_early, tmp_path, die, every
):
    assert trainers.train(tmp_path, die=die, every=every, **STOPS_EARLY) == -signal.SIGKILL

    assert trainers.train(tmp_path, every=every, **STOPS_EARLY) == 0

    assert_same(outcome(tmp_path), whole_early)


def test_longer_training_later_is_one_long_training(trainers, tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    assert trainers.train(long, n_epochs=4) == 0

    assert trainers.train(short, n_epochs=1) == 0
    assert trainers.train(short, n_epochs=3) == 0
    assert trainers.train(short, n_epochs=4) == 0

    assert_same(outcome(short), outcome(long))
