"""Making a big lab quickly: bulk SQL instead of one call per run."""

import random
from pathlib import Path

from tracker.database.connection import connect
from tracker.lab import Lab

PARAMS = (
    "lr", "model.loc", "model.args.depth", "model.args.hidden", "model.args.dropout",
    "optimizer.loc", "optimizer.args.weight_decay", "optimizer.args.beta", "batch_size", "epochs",
    "dataset.name", "dataset.fold", "augment", "scheduler.loc", "scheduler.args.gamma",
    "strategy.patience", "strategy.monitor", "note.author", "precision", "seed",
)  # fmt: skip
METRICS = ("train_loss", "val_loss", "val_accuracy", "test_loss", "speed")
WORDS = ("small", "medium", "large", "huge")
RUN_STATUSES = ("finished", "finished", "finished", "failed", "stopped")


def generate(root: Path, runs: int, *, points: int = 0, pipelines: bool = False) -> Lab:
    """A lab at `root` with this many runs, 20 parameters and 5 metrics each.

    `points` is the length of each history; with `pipelines`, each run is the current one of
    a pipeline of its own.
    """
    lab = Lab.init(root)
    connection = connect(lab.database.path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    indexes = _drop_indexes(connection)
    _fill(connection, runs, points=points, pipelines=pipelines)
    for statement in indexes:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return lab


def _fill(connection, runs: int, *, points: int, pipelines: bool) -> None:
    draw = random.Random(7)
    numbers = range(1, runs + 1)
    connection.executemany(_EXPERIMENT, ((place, f"experiment-{place}") for place in range(1, 6)))
    if pipelines:
        connection.executemany(_PIPELINE, map(_pipeline, numbers))
    connection.executemany(_RUN, (_run(number, belongs=pipelines) for number in numbers))
    connection.executemany(_PARAM, (row for number in numbers for row in _params(number, draw)))
    connection.executemany(
        _SERIES, (row for number in numbers for row in _series(number, points, draw))
    )
    if points:
        connection.execute(_POINTS, {"points": points})


def _drop_indexes(connection) -> list[str]:
    """Filling first and sorting once is several times faster."""
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f'DROP INDEX "{name}"')
    return [sql for _, sql in indexes]


_MOMENT = "datetime('2026-01-01', '+' || (? * 5) || ' minutes') || '.000000'"
_EXPERIMENT = (
    "INSERT INTO experiments (id, name, created) VALUES (?, ?, '2026-01-01 00:00:00.000000')"
)
_PARAM = "INSERT INTO params (run_id, key, kind, number, text) VALUES (?, ?, ?, ?, ?)"
_PIPELINE = (
    "INSERT INTO pipelines (id, name, experiment_id, recipe, config, config_hash,"
    " current_run_id, created)"
    f" VALUES (?, ?, ?, 'supervised', '{{}}', ?, ?, {_MOMENT})"
)
_RUN = (
    "INSERT INTO runs (id, uuid, name, experiment_id, pipeline_id, status, seed, phase, epoch,"
    f" created, started, ended) VALUES (?, ?, ?, ?, ?, ?, ?, 'train', 19, {_MOMENT}, {_MOMENT},"
    f" {_MOMENT})"
)
_SERIES = (
    "INSERT INTO series (run_id, name, axis, headline, count, numbers, total, first, first_step,"
    " last, last_step, minimum, minimum_step, minimum_epoch, maximum, maximum_step, maximum_epoch)"
    " VALUES (?, ?, 'epoch', 1, ?, ?, ?, ?, 0, ?, ?, ?, 0, 0, ?, 0, 0)"
)
_POINTS = """
WITH RECURSIVE steps(step) AS (
    SELECT 0 UNION ALL SELECT step + 1 FROM steps WHERE step + 1 < :points
)
INSERT INTO metrics (series_id, step, epoch, value, time)
SELECT id, step, step, first + (last - first) * step / :points, 1767225600000 + step * 1000
FROM series CROSS JOIN steps
"""


def _pipeline(number: int) -> tuple[object, ...]:
    return (number, f"pipeline-{number}", number % 5 + 1, f"{number:064x}", number, number)


def _run(number: int, *, belongs: bool) -> tuple[object, ...]:
    status = RUN_STATUSES[number % 5]
    pipeline = number if belongs else None
    return (
        number, f"{number:032x}", f"run-{number}", number % 5 + 1, pipeline, status, number,
        number, number, number + 1,
    )  # fmt: skip


def _params(number: int, draw: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for place, key in enumerate(PARAMS):
        if place % 4 == 1:
            rows.append((number, key, "str", None, draw.choice(WORDS)))
        elif place % 4 == 2:
            rows.append((number, key, "int", float(draw.randrange(10)), None))
        else:
            rows.append((number, key, "float", draw.random(), None))
    return rows


def _series(number: int, points: int, draw: random.Random) -> list[tuple[object, ...]]:
    count = points or 20
    rows: list[tuple[object, ...]] = []
    for name in METRICS:
        low, high = sorted((draw.random(), draw.random()))
        rows.append((number, name, count, count, count * low, high, low, count - 1, low, high))
    return rows
