"""What it takes to put a thousand runs into the trash, to bring them back, and to purge them."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.generate import generate
from benchmarks.measure import Row, report
from tracker.database.connection import connect
from tracker.lab import Lab
from tracker.registry.checkpoints import register_checkpoint

RUNS, GONE, POINTS, FILES = 10_000, 1_000, 100, 2
BUDGET_S = 2.0
CHOSEN = f"seed <= {GONE}"


def add_files(lab: Lab) -> None:
    """Two checkpoints of 64 KB for each run that will go."""
    with lab.database.write() as session:
        for run_id in range(1, GONE + 1):
            for number in range(FILES):
                path = f"{lab.files.run_folder(f'{run_id:032x}')}/checkpoints/{number}.ckpt"
                place = lab.files.path(path)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(run_id.to_bytes(8, "big") * 8_192)
                stored = lab.files.describe(path)
                register_checkpoint(session, run_id, stored, name=f"epoch-{number}", step=number)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare_purge(copy: Path) -> Callable[[], None]:
    """The rows of a copy by one statement, files and folders one by one, the space given back."""
    files = [path for path in (copy / ".labkeeper").rglob("*.ckpt") if path.is_file()]
    assert len(files) == FILES * GONE
    folders = dict.fromkeys(path.parent for path in files)
    connection = connect(copy / ".labkeeper" / "lab.db")

    def work() -> None:
        connection.execute("DELETE FROM runs WHERE id <= ?", (GONE,))
        for path in files:
            path.unlink()
        for folder in folders:
            folder.rmdir()
            folder.parent.rmdir()
        connection.execute("PRAGMA incremental_vacuum").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    return work


def measure_deleting(folder: Path) -> list[Row]:
    lab = generate(folder / "lab", RUNS, points=POINTS)
    add_files(lab)
    lab.backup(folder / "copy")
    bare = seconds(bare_purge(folder / "copy"))
    steps = {
        f"{GONE:,} of {RUNS:,} runs into the trash": lambda: lab.delete(runs=CHOSEN),
        f"{GONE:,} runs restored": lambda: lab.restore(runs=CHOSEN),
        f"{GONE:,} runs into the trash again": lambda: lab.delete(runs=CHOSEN),
    }
    rows = [Row(name, seconds(work), budget=BUDGET_S) for name, work in steps.items()]
    purge = seconds(lambda: lab.purge(everything=True))
    name = f"{GONE:,} runs, {GONE * 5 * POINTS:,} points and {GONE * FILES:,} files purged"
    rows.append(Row(name, purge, budget=BUDGET_S))
    # How long a file system takes for two thousand files is its own affair.
    rows.append(Row("the same beside bare SQL and unlink", purge, bare))
    assert len(lab.runs(columns=["name"])) == RUNS - GONE
    assert list(lab.files.everything()) == []
    lab.close()
    return rows


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        held = report(measure_deleting(Path(folder)), "Deleting")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
