import math
import os
import subprocess
import sys
import textwrap

import pytest
import yaml

from tests.tracker.pipelines.small_lab import CONFIG, PARTS
from tracker.lab import Lab


@pytest.fixture
def lab(lab_root):
    """This test's own lab, the one that `labkeeper(...)` works in; empty."""
    with Lab(lab_root) as lab:
        yield lab


@pytest.fixture
def three_runs(lab):
    """`mlp`, `mlp-2`, `mlp-3` with learning rates 0.1, 0.01, 0.001; the second ends in NaN."""
    for number, rate in enumerate([0.1, 0.01, 0.001]):
        params = {"optimizer": {"lr": rate}, "depth": 3}
        with lab.run("mlp", experiment="digits", params=params, tags=["base"], seed=7) as run:
            for epoch in range(3):
                last = (number, epoch) == (1, 2)
                loss = math.nan if last else 1 / (1 + epoch + number)
                run.log({"val_loss": loss, "val_accuracy": epoch / 4}, step=10 * epoch, epoch=epoch)
    return lab


@pytest.fixture
def small(lab):
    """The lab with a small problem to learn: `parts.py` and `small.yaml`."""
    (lab.root / "parts.py").write_text(textwrap.dedent(PARTS))
    (lab.root / "small.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    return lab


@pytest.fixture
def create(small, labkeeper):
    """Creates a pipeline by the command: `create("a", "epochs=2")`."""

    def make(name="small", *overrides):
        options = [word for override in overrides for word in ("-s", override)]
        result = labkeeper(
            "create", name, "-c", str(small.root / "small.yaml"), "--force", *options
        )
        assert result.exit_code == 0, result.stderr

    return make


@pytest.fixture
def process(lab_root):
    """Starts `labkeeper` as a process of its own: `process("train", "small")`."""
    started = []

    def start(*arguments, **options):
        command = [sys.executable, "-m", "tracker", "--lab", str(lab_root), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, env=environment, **(pipes | options)))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()
