import pandas as pd
import pytest

START = pd.Timestamp("2026-01-01T10:00:00Z")


@pytest.fixture
def history():
    """Makes a history: `history({("a", "loss"): [1.0, 0.5]})`, ten steps and 30 s an epoch."""

    def make(curves):
        rows = [
            {
                "run": run,
                "metric": metric,
                "step": 10 * (epoch + 1),
                "epoch": epoch,
                "value": value,
                "time": START + pd.Timedelta(seconds=30 * epoch),
            }
            for (run, metric), values in curves.items()
            for epoch, value in enumerate(values)
        ]
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def runs():
    """Makes a table of runs: `runs("a", "b", lr=[0.1, 0.2])`."""

    def make(*names, **columns):
        filled = {"experiment": ["digits"] * len(names), "pipeline": [None] * len(names)} | columns
        return pd.DataFrame({"name": list(names), **filled}, index=list(names))

    return make
