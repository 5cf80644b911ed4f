"""A feature set over a file of 2 GB: what an epoch of batches needs of memory, and of time.

The memory at most is measured for files of 1 and of 2 GB; the line through both gives that for 10.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.features import memory
from benchmarks.measure import Row, report
from engine.batches import BatchViews, ColumnStore
from engine.features import FeatureSet, write_arrow
from engine.samplers import SimpleSampler

GIGABYTE = 2**30
ROWS_OF_A_PART, WIDTH, BATCH = 16_384, 1_024, 256


def write(path: Path, gigabytes: int) -> None:
    def parts() -> Iterator[dict[str, np.ndarray]]:
        random = np.random.default_rng(0)
        for _ in range(gigabytes * GIGABYTE // (ROWS_OF_A_PART * WIDTH * 4)):
            x = random.random((ROWS_OF_A_PART, WIDTH), dtype=np.float32)
            yield {"x": x, "y": random.integers(0, 10, ROWS_OF_A_PART)}

    write_arrow(path, parts(), "x", "y")


def epoch(path: Path, *, shuffle: bool) -> None:
    """Every batch of an epoch; prints the seconds it took, and the memory before and at most."""
    feature_set = FeatureSet.from_arrow("large", path)
    view, reference = feature_set.to_view(), feature_set.reference()
    store = ColumnStore(view, reference)
    sampler = SimpleSampler(batch_size=BATCH, shuffle=shuffle, seed=1, source=view)
    before, started, n_rows = memory("VmRSS"), time.perf_counter(), 0
    for batch_view in BatchViews(store, sampler.epoch_batches(0)):
        assert len(batch_view.batch.features) == len(batch_view.batch.targets)
        n_rows += len(batch_view.batch.features)
    assert n_rows == len(feature_set)
    print(time.perf_counter() - started, before, memory("VmHWM"))


def measured(path: Path, order: str) -> tuple[float, float]:
    """Seconds, and megabytes above what the process had before."""
    command = [sys.executable, "-m", "benchmarks.larger_than_memory", str(path), order]
    program = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, before, after = map(float, program.stdout.split())
    return seconds, (after - before) / 2**20


def main() -> bool:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.arrow"
        for order in ("in order", "shuffled"):
            peaks = []
            for gigabytes in (1, 2):
                write(path, gigabytes)
                seconds, peak = measured(path, order)
                peaks.append(peak)
            at_ten = peaks[1] + 8 * (peaks[1] - peaks[0])
            rows += [
                Row(f"an epoch {order} over 2 GB, batches of {BATCH}", seconds),
                Row(f"memory at most, {order}, 2 GB", peaks[1], None, None, "MB"),
                Row(f"memory at most, {order}, 10 GB by extrapolation", at_ten, None, 1024, "MB"),
            ]
    return report(rows, "A feature set larger than memory")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        epoch(Path(sys.argv[1]), shuffle=sys.argv[2] == "shuffled")
    else:
        raise SystemExit(not main())
