import math

import pytest

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
