"""What recording costs, against the driver alone doing the same on a file of the same kind.

The bare side writes the same rows into a table with the same primary key, in the same mode
(WAL, synchronous=NORMAL), each call in a transaction of its own.
"""

import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Row, compare, latencies, report
from tracker.database.faults import driver
from tracker.lab import Lab
from tracker.recording.environment import capture

CALLS = 20_000
BULK = 100_000
PROCESSES, EACH = 8, 2_000
TEN = [f"metric/{number}" for number in range(10)]
PARAMS = {f"group.key{number}": number / 7 for number in range(20)}
TAGS = ["one", "two", "three", "four", "five"]

TABLE = (
    "CREATE TABLE metrics (series_id INTEGER, step INTEGER, epoch INTEGER, value FLOAT,"
    " time INTEGER, PRIMARY KEY (series_id, step)) WITHOUT ROWID"
)
INSERT = "INSERT INTO metrics VALUES (?, ?, ?, ?, ?)"
NOW = 1_800_000_000_000


def bare_file(path):
    connection = driver().connect(path, isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"{TABLE}" if not _has_table(connection) else "SELECT 1")
    return connection


def _has_table(connection):
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'metrics'").fetchone()


def one_by_one(lab, bare):
    with lab.run() as run:

        def ours(step):
            run.log(loss=1.0 / (step + 1), step=step)

        def theirs(step):
            bare.execute("BEGIN IMMEDIATE")
            bare.execute(INSERT, (1, step, None, 1.0 / (step + 1), NOW + step))
            bare.execute("COMMIT")

        return latencies("run.log(loss=x, step=i)", ours, theirs, 3, calls=CALLS)


def ten_at_once(lab, bare):
    with lab.run() as run:

        def ours(step):
            run.log(dict.fromkeys(TEN, 1.0 / (step + 1)), step=step)

        def theirs(step):
            rows = [(100 + place, step, None, 1.0 / (step + 1), NOW + step) for place in range(10)]
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(INSERT, rows)
            bare.execute("COMMIT")

        return latencies("ten metrics in one call", ours, theirs, 2, calls=5_000)[:1]


def bulk(lab, bare):
    steps, values = list(range(BULK)), np.random.default_rng(0).normal(size=BULK)
    plain = values.tolist()
    numbers = iter(range(1_000, 2_000))
    with lab.run("bulk") as run:

        def ours():
            run.log_history({f"m{next(numbers)}": plain, "step": steps})

        def frame():
            run.log_history(pd.DataFrame({f"m{next(numbers)}": values, "step": steps}))

        def theirs():
            series = next(numbers)
            pairs = zip(steps, plain, strict=True)
            bare.execute("BEGIN IMMEDIATE")
            bare.executemany(INSERT, [(series, step, None, value, NOW) for step, value in pairs])
            bare.execute("COMMIT")

        rows = [
            compare("100,000 points from lists", ours, theirs, 1.5),
            compare("100,000 points from a DataFrame", frame, theirs, 1.5),
        ]
    ((name,),) = bare.execute("SELECT max(series_id) FROM metrics").fetchall()
    metric = lab.database.path and _some_metric(lab)

    def read():
        table = lab.histories("name == 'bulk'", metrics=[metric])
        assert len(table) == BULK

    def read_bare():
        found = bare.execute(
            "SELECT step, epoch, value, time FROM metrics WHERE series_id = ? ORDER BY step",
            (name,),
        ).fetchall()
        assert np.array(found, dtype=float).shape == (BULK, 4)

    return [*rows, compare("100,000 points to a DataFrame", read, read_bare, 1.5)]


def _some_metric(lab):
    with lab.database.read() as session:
        return (
            session.connection()
            .exec_driver_sql("SELECT name FROM series WHERE count = ? LIMIT 1", (BULK,))
            .scalar()
        )


def fifty_runs(folder):
    lab = Lab.init(folder / "fifty")
    for number in range(50):
        with lab.run(f"r{number}") as run:
            run.log_history({"loss": np.linspace(0, 1, 1_000), "step": range(1_000)})

    def ours():
        assert len(lab.histories(metrics=["loss"])) == 50_000

    for _ in range(3):
        ours()
    times = []
    for _ in range(9):
        started = time.perf_counter()
        ours()
        times.append(time.perf_counter() - started)
    return Row("50 runs x 1,000 points to a DataFrame", sorted(times)[4], budget=0.030)


def size(folder):
    """Bytes a point beside an empty lab, once the log is written back."""
    lab = Lab.init(folder / "size")
    path = lab.database.path
    lab.close()
    before = path.stat().st_size
    with lab.run() as run:
        for step in range(2 * CALLS):
            run.log(loss=math.sin(step), step=step)
    lab.close()
    return Row(
        "bytes a point on disk", (path.stat().st_size - before) / (2 * CALLS), budget=32, unit="B"
    )


def starting(lab):
    environment = capture(lab.root)
    times, captures = [], []
    for number in range(60):
        begun = time.perf_counter()
        capture(lab.root)
        captured = time.perf_counter()
        run = lab.run(f"s{number}", experiment="start", params=PARAMS, tags=TAGS, seed=1)
        times.append(time.perf_counter() - captured)
        captures.append(captured - begun)
        run.finish()
    assert environment.packages
    middle = sorted(captures)[30]
    return [
        Row(
            "a run with 20 parameters and 5 tags, stored, beside the capture",
            sorted(times)[30] - middle,
            budget=0.001,
        ),
        Row("the capture of the environment, cached", middle, budget=0.050),
    ]


WORKER = """
import sys, time
from pathlib import Path
kind, place, gate, number, each = sys.argv[1:]
number, each = int(number), int(each)
if kind == "ours":
    from tracker import Lab
    run = Lab.open(place).run(f"w{number}")
    def log(step):
        run.log(loss=1.0 / (step + 1), step=step)
else:
    from benchmarks.recording import INSERT, bare_file
    bare = bare_file(place)
    def log(step):
        bare.execute("BEGIN IMMEDIATE")
        bare.execute(INSERT, (number, step, None, 1.0 / (step + 1), step))
        bare.execute("COMMIT")
print("ready", flush=True)
while not Path(gate).exists():
    time.sleep(0.001)
started = time.monotonic()
for step in range(each):
    log(step)
print(started, time.monotonic(), flush=True)
if kind == "ours":
    run.finish()
"""


def crowd(kind, place, gate):
    """Seconds from the first point to the last one of all processes."""
    command = [sys.executable, "-c", WORKER, kind, str(place), str(gate)]
    workers = [
        subprocess.Popen([*command, str(number), str(EACH)], stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    gate.touch()
    spans = [tuple(map(float, worker.communicate()[0].split())) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    return max(end for _, end in spans) - min(start for start, _ in spans)


def crowds(folder):
    ours, bare = [], []
    for number in range(3):
        lab = Lab.init(folder / f"crowd{number}")
        lab.close()
        ours.append(crowd("ours", lab.root, folder / f"gate-ours-{number}"))
        file = folder / f"crowd{number}.db"
        bare_file(file).close()
        bare.append(crowd("bare", file, folder / f"gate-bare-{number}"))
        with lab, lab.database.read() as session:
            count = session.connection().exec_driver_sql("SELECT count(*) FROM metrics").scalar()
        assert count == PROCESSES * EACH
        assert bare_file(file).execute("SELECT count(*) FROM metrics").fetchone() == (count,)
    name = f"{PROCESSES} processes x {EACH:,} points one by one"
    return Row(name, sorted(ours)[1], sorted(bare)[1], 2)


def main():
    with tempfile.TemporaryDirectory(prefix="labkeeper-bench-") as place:
        folder = Path(place)
        lab = Lab.init(folder / "lab")
        bare = bare_file(folder / "bare.db")
        rows = [
            *one_by_one(lab, bare),
            *ten_at_once(lab, bare),
            *bulk(lab, bare),
            fifty_runs(folder),
            size(folder),
            *starting(lab),
            crowds(folder),
        ]
        lab.close()
        return 0 if report(rows, "Recording") else 1


if __name__ == "__main__":
    sys.exit(main())
