"""Grids and logs: a grid of 100,000 points; 10,000 rows written, read, merged, found in."""

import itertools
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import absolute, compare, report
from tracker.sweeps import ConfigIter, ExperimentLog

FIELDS = {"optimizer": ["sgd", "adam"], "lr": [10**-i for i in range(5)], "width": range(100)}
STATIC = {"model": {"name": "mlp", "depth": 3}, "epochs": 10}
CURVE = [round(1 / step, 6) for step in range(1, 51)]
ROWS = 10_000


def grid_rows():
    large = {"static": STATIC, "grid": FIELDS | {"seed": range(100)}}
    grouped = {
        "grid": [
            {"group": {"a": list(range(100)), "b": list(range(100))}, "seed": range(500)},
            {"a": range(100), "b": ["x"], "seed": range(500)},
        ]
    }

    def ours():
        assert sum(1 for _ in ConfigIter(large)) == 100_000

    def bare():
        fields = large["grid"]
        points = (
            dict(zip(fields, point, strict=True)) for point in itertools.product(*fields.values())
        )
        assert sum(1 for _ in map((STATIC | {}).__or__, points)) == 100_000

    def merged():
        assert sum(1 for _ in ConfigIter(grouped)) == 100_000

    yield absolute("100,000 points, each looked at", ours, 2.0)
    yield absolute("100,000 points of groups and entries", merged, 2.0)
    yield compare("the same against itertools.product", ours, bare, None, repeat=5)
    configs = ConfigIter(large)
    yield absolute(
        "the hash of each of 100,000", lambda: [hash(one) for one in configs], None, repeat=3
    )


def log_of(seeds):
    configs = ConfigIter({"model": "mlp", "grid": FIELDS | {"seed": seeds}})
    log = ExperimentLog.from_config_iter(configs, ["loss", "accuracy"])
    for config in configs:
        log.add_result(config, loss=CURVE, accuracy=0.5, status="finished")
    return log


def log_rows(folder):
    path, parts = folder / "log.tsv", folder / "parts"
    log = log_of(range(10))
    assert len(log) == ROWS
    configs = ConfigIter({"model": "mlp", "grid": FIELDS | {"seed": range(10)}})
    log.to_tsv(path)
    lines = [json.dumps([row.config, row.metrics]) for row in log]
    for seed in range(10):
        log_of([seed]).to_tsv(parts / f"{seed}.tsv")

    def write_json():
        (folder / "log.json").write_text("\n".join(json.dumps([r.config, r.metrics]) for r in log))

    def read():
        assert len(ExperimentLog.from_tsv(path)) == ROWS

    def merge():
        assert len(ExperimentLog.merge_folder(parts)) == ROWS

    yield absolute("adding 10,000 results", lambda: log_of(range(10)), None, repeat=3)
    yield compare(
        "writing 10,000 rows, against JSON lines", lambda: log.to_tsv(path), write_json, None
    )
    yield compare(
        "reading 10,000 rows, against JSON lines", read, lambda: list(map(json.loads, lines)), None
    )
    yield absolute("merging ten files of 1,000 rows", merge, None, repeat=3)
    yield absolute(
        "finding 10,000 configurations", lambda: all(map(log.isin, configs)), None, repeat=3
    )
    yield absolute("10,000 rows as a DataFrame", lambda: log.df, None)
    yield absolute("500,000 points as a long table", log.melt_and_explode_metric, None, repeat=3)


def main():
    with tempfile.TemporaryDirectory(prefix="labkeeper-bench-") as place:
        kept = [
            report(grid_rows(), "Grids"),
            report(log_rows(Path(place)), "Logs of 10,000 rows, a curve of 50 points each"),
        ]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
