"""What it takes to list, filter and sort many runs, and to read them whole."""

import sqlite3
import sys
import tempfile
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.measure import Row, absolute, report
from tracker.lab import Lab
from tracker.registry.listing import Listing, list_pipelines, list_runs

FILTER = "lr < 0.3 and best(val_loss) < 0.4"
CHOSEN = {"filter": FILTER, "sort": "best(val_loss)", "limit": 50}
# The same question in SQL by hand, on the same indexes.
BY_HAND = """
SELECT id, (SELECT min(minimum) FROM series WHERE name = 'val_loss' AND run_id = runs.id) AS best
FROM runs
WHERE id IN (SELECT run_id FROM params WHERE key = 'lr' AND number < 0.3)
  AND id IN (SELECT run_id FROM series WHERE name = 'val_loss' AND headline AND minimum < 0.4)
ORDER BY best, created DESC, id DESC
"""


def listed(lab: Lab, **choice: object) -> Listing:
    with lab.database.read() as session:
        return list_runs(session, **choice)


def listed_pipelines(lab: Lab) -> Listing:
    with lab.database.read() as session:
        return list_pipelines(session)


def check(lab: Lab) -> None:
    """Both ways give the same runs in the same order."""
    connection = sqlite3.connect(f"file:{lab.database.path}?mode=ro", uri=True)
    by_hand = [row[0] for row in connection.execute(BY_HAND)]
    connection.close()
    ours = listed(lab, **CHOSEN)
    assert ours.total == len(by_hand) > 100
    assert ours.ids == by_hand[:50]


def measure_listing(folder: Path) -> list[Row]:
    rows = []
    for runs, budget in ((10_000, 0.010), (100_000, 0.100)):
        lab = generate(folder / f"lab-{runs}", runs)
        check(lab)
        name = f"50 of {runs:,} runs, filtered on a parameter and a metric, sorted by a metric"
        rows.append(absolute(name, lambda lab=lab: listed(lab, **CHOSEN), budget, repeat=25))
        for note, choice in (
            ("newest 50", {"limit": 50}),
            ("by last values", {"filter": "val_loss < 0.4", "sort": "val_loss", "limit": 50}),
            ("two metrics compared", {"filter": "val_loss < train_loss", "limit": 50}),
            ("sorted by a parameter", {"sort": "lr", "limit": 50}),
        ):
            call = lambda lab=lab, choice=choice: listed(lab, **choice)  # noqa: E731 - one line each
            rows.append(absolute(f"{runs:,} runs: {note}", call, None))
        lab.close()
    return rows


def measure_tables(folder: Path) -> list[Row]:
    lab = generate(folder / "tables", 10_000)
    assert lab.runs().shape == (10_000, 45)
    whole = absolute("10,000 runs x 20 parameters x 5 metrics to a DataFrame", lab.runs, 0.400)
    lab.close()
    lab = generate(folder / "histories", 50, points=1_000)
    assert len(lab.histories(metrics=["val_loss"])) == 50_000
    points = absolute(
        "50 runs x 1,000 points to a DataFrame",
        lambda: lab.histories(metrics=["val_loss"]),
        0.030,
        repeat=15,
    )
    lab.close()
    return [whole, points]


def measure_pipelines(folder: Path) -> list[Row]:
    lab = generate(folder / "pipelines", 5_000, pipelines=True)
    assert len(listed_pipelines(lab).rows) == 5_000
    row = absolute("5,000 pipelines with status and metrics", lambda: listed_pipelines(lab), 0.100)
    lab.close()
    return [row]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            *measure_listing(Path(folder)),
            *measure_tables(Path(folder)),
            *measure_pipelines(Path(folder)),
        ]
    return 0 if report(rows, "Listing") else 1


if __name__ == "__main__":
    sys.exit(main())
