"""How long a picture of long histories takes: reading, computing, drawing, writing."""

import sys
import tempfile
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.measure import absolute, compare, report
from tracker.database.connection import driver_connection
from tracker.lab import Lab
from tracker.plots import Choice, draw, make_table, options_from, read_records, save_figure

RUNS, POINTS = 50, 100_000
METRIC = "train_loss"


_POINTS = """
WITH RECURSIVE steps(step) AS (
    SELECT 0 UNION ALL SELECT step + 1 FROM steps WHERE step + 1 < :points
)
INSERT INTO metrics (series_id, step, epoch, value, time)
SELECT id, step, step, 10000.0 / (step + 1000) + (random() % 1000) / 1000.0,
  1767225600000 + step * 1000
FROM series CROSS JOIN steps WHERE name = :metric
"""
_COUNT = "UPDATE series SET count = :points, last_step = :points - 1 WHERE name = :metric"


def noisy_lab(root: Path) -> Lab:
    """Runs with one long history each, which no thinning makes easy to draw."""
    lab = generate(root, RUNS)
    about = {"points": POINTS, "metric": METRIC}
    with lab.database.write() as session:
        connection = driver_connection(session)
        connection.execute(_POINTS, about)
        connection.execute(_COUNT, about)
    return lab


def read(lab: Lab, **options):
    with lab.database.read() as session:
        return read_records(session, [METRIC], Choice(), options_from(options))


def fetch(lab: Lab):
    """The same rows by bare SQL, as lists of tuples."""
    with lab.database.read() as session:
        connection = driver_connection(session)
        found = connection.execute("SELECT id FROM series WHERE name = ?", (METRIC,)).fetchall()
        statement = "SELECT step, value FROM metrics WHERE series_id = ? ORDER BY step"
        return [connection.execute(statement, row).fetchall() for row in found]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lab = noisy_lab(Path(folder, "lab"))
        picture = Path(folder, "picture.png")
        options = options_from({"x": "step"})
        records = read(lab, x="step")
        drawn = make_table(records, [METRIC], options)
        assert len(drawn.table) == RUNS * POINTS

        rows = [
            absolute(
                f"{RUNS} runs x {POINTS:,} points to a .png, from the lab",
                lambda: lab.plot(METRIC, x="step", path=picture),
                3.0,
                repeat=3,
            ),
            compare(
                "their points read, against SQL to tuples",
                lambda: read(lab, x="step"),
                lambda: fetch(lab),
                1.0,
                repeat=3,
            ),
            absolute("their table", lambda: make_table(records, [METRIC], options), None, repeat=3),
            absolute("the table drawn", lambda: draw(drawn), None, repeat=3),
            absolute(
                "and written", lambda: save_figure(draw(drawn).figure, picture), None, repeat=3
            ),
            absolute(
                "the mean of all, over steps",
                lambda: lab.plot(METRIC, x="step", group_by="experiment", path=picture),
                None,
                repeat=1,
            ),
        ]
        return not report(rows, "Plotting")


if __name__ == "__main__":
    sys.exit(main())
