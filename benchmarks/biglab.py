"""What a lab of 100,000 runs and 10 million points takes to be looked at.

`LABKEEPER_BIG_LAB` names a directory in which the lab stays from one time to the next; making
it takes a quarter of a minute.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from benchmarks.generate import METRICS, PARAMS, generate
from benchmarks.measure import Row, absolute, compare, report
from tracker.database.connection import connect_for_reading
from tracker.lab import Lab
from tracker.registry.listing import list_runs

RUNS, POINTS = 100_000, 20  # of each of 5 metrics
LONG = 100_000

# Beyond what the budget is about: every run has to be looked up twice, or averaged.
FOR_INFORMATION = {"sorted by a text", "two metrics compared", "the mean of a metric"}

QUESTIONS = {
    "the newest 50": {},
    "filtered on a parameter": {"filter": "lr < 0.3"},
    "filtered on a metric": {"filter": "val_loss < 0.4"},
    "filtered on both, sorted by a metric": {
        "filter": "lr < 0.3 and best(val_loss) < 0.4",
        "sort": "best(val_loss)",
    },
    "sorted by a metric's best value": {"sort": "best(val_loss)"},
    "sorted by a metric's last value": {"sort": "val_loss"},
    "sorted by a parameter": {"sort": "lr"},
    "sorted by a text": {"sort": "model.loc"},
    "sorted by duration": {"sort": "duration"},
    "two metrics compared": {"filter": "val_loss < train_loss"},
    "the mean of a metric": {"filter": "mean(val_loss) < 0.4"},
    "by status and experiment": {"filter": "status == 'failed' and experiment == 'experiment-1'"},
}


@contextmanager
def big_lab() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.environ.get("LABKEEPER_BIG_LAB") or folder)
        is_there = (root / ".labkeeper" / "lab.db").exists()
        lab = Lab.open(root) if is_there else generate(root, RUNS, points=POINTS)
        with lab:
            yield lab


def measure_lists(lab: Lab) -> list[Row]:
    def listed(**choice: object) -> object:
        with lab.database.read() as session:
            return list_runs(session, limit=50, **choice)

    assert listed().total == RUNS
    return [
        absolute(
            f"50 of {RUNS:,} runs: {name}",
            lambda choice=choice: listed(**choice),
            None if name in FOR_INFORMATION else 0.100,
        )
        for name, choice in QUESTIONS.items()
    ]


def raw_statement() -> str:
    """One SELECT for all that `lab.runs()` has: subqueries on the same indexes."""
    columns = [
        (
            "runs.name, uuid, experiments.name, NULL, status, reason, seed,"
            " (SELECT json_group_array(tags.name) FROM tags WHERE run_id = runs.id), note, phase,"
            " epoch, batch, runs.created, started, ended,"
            " (julianday(ended) - julianday(started)) * 86400"
        )
    ]
    columns += [
        f"(SELECT coalesce(number, text) FROM params WHERE run_id = runs.id AND key = '{key}')"
        for key in PARAMS
    ]
    for name in METRICS:
        best = "max(maximum)" if name.endswith("accuracy") else "min(minimum)"
        where = f"FROM series WHERE run_id = runs.id AND name = '{name}' AND headline"
        columns.append(f"(SELECT last {where})")
        if name != "speed":  # of which nobody knows whether high is better
            columns.append(f"(SELECT {best} {where})")
    return (
        f"SELECT {', '.join(columns)} FROM runs"
        " JOIN experiments ON experiments.id = runs.experiment_id"
        " WHERE runs.deleted IS NULL ORDER BY runs.created DESC, runs.id DESC"
    )


def measure_frame(lab: Lab) -> list[Row]:
    connection = connect_for_reading(lab.database.path)
    statement = raw_statement()

    def raw() -> pd.DataFrame:
        frame = pd.DataFrame(connection.execute(statement).fetchall())
        for place in (12, 13, 14):  # moments
            frame[place] = pd.to_datetime(frame[place], utc=True, format="ISO8601")
        return frame

    assert lab.runs().shape == raw().shape
    row = compare(f"{RUNS:,} runs to a DataFrame / one raw SELECT", lab.runs, raw, 2.0, repeat=3)
    connection.close()
    return [row]


def measure_history(folder: Path) -> list[Row]:
    with Lab.init(folder) as lab:
        with lab.run("long") as run:
            columns = {"step": range(LONG), "epoch": [step // 100 for step in range(LONG)]}
            run.log_history({**columns, "loss": [1 / (1 + step) for step in range(LONG)]})
        connection = connect_for_reading(lab.database.path)
        statement = "SELECT step, epoch, value, time FROM metrics WHERE series_id = 1 ORDER BY step"

        def raw() -> pd.DataFrame:
            return pd.DataFrame(connection.execute(statement).fetchall())

        assert len(lab.histories(metrics=["loss"])) == len(raw()) == LONG
        name = f"a history of {LONG:,} points to a DataFrame / one raw SELECT"
        row = compare(name, lambda: lab.histories(metrics=["loss"]), raw, 1.5)
        connection.close()
    return [row]


def main() -> int:
    with big_lab() as lab, tempfile.TemporaryDirectory() as folder:
        rows = [*measure_lists(lab), *measure_frame(lab), *measure_history(Path(folder))]
    return 0 if report(rows, "A lab of 10 million points") else 1


if __name__ == "__main__":
    sys.exit(main())
