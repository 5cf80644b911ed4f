"""What sweeps cost beside the work of their trials: bookkeeping, workers, running again."""

import sys
import tempfile
import time
from itertools import pairwise
from statistics import median

from benchmarks.measure import Row, absolute, report
from tracker.lab import Lab
from tracker.sweeps import Sweep

TRIALS, EDGE = 10_000, 500
WORK_S = 0.05
SHARED = 400


def grid(count):
    return {"depth": 3, "grid": {"lr": [0.1, 0.01], "x": list(range(count // 2))}}


def bookkeeping(lab):
    """From the call of one trial's function to that of the next one's."""
    moments = []

    def note(config):
        moments.append(time.perf_counter())
        return {"loss": config.lr, "accuracy": 1 - config.lr}

    sweep = Sweep(grid(TRIALS), note, ["loss", "accuracy"], name="many", lab=lab)
    assert sweep.run().finished
    assert len(moments) == TRIALS
    times = [after - before for before, after in pairwise(moments)]
    first, last = median(times[:EDGE]), median(times[-EDGE:])
    yield Row(f"bookkeeping of a trial, the first {EDGE}", first, budget=0.005)
    yield Row(f"the last {EDGE} of {TRIALS:,}", last, budget=0.005)
    yield Row("the last against the first", last, first, budget=1.3)

    def again():
        assert Sweep(grid(TRIALS), note, name="many", lab=lab).run().finished

    yield absolute(f"running a finished sweep of {TRIALS:,} again", again, 1.0, repeat=3)
    assert len(moments) == TRIALS


def busy(config):
    """As much work as keeps a core busy for a while."""
    until = time.process_time() + WORK_S
    while time.process_time() < until:
        pass
    return {"loss": config.lr}


def empty(config):
    return {"loss": config.lr}


def seconds(lab, name, function, workers):
    sweep = Sweep(grid(SHARED), function, name=f"{name}-{time.time_ns()}", lab=lab)
    began = time.perf_counter()
    assert sweep.run(workers, isolated=True, threads=1).finished
    return time.perf_counter() - began


def shared(lab):
    """Workers in processes of their own, their start included."""
    one, two = (seconds(lab, "busy", busy, workers) for workers in (1, 2))
    yield Row(f"{SHARED} trials of 50 ms: two workers against one", two, one, budget=1 / 1.7)
    times = {workers: [] for workers in (1, 4)}
    for _ in range(3):
        for workers, found in times.items():
            found.append(seconds(lab, "empty", empty, workers))
    few, many = median(times[1]), median(times[4])
    yield Row(f"{SHARED} empty trials: four workers against one", many, few, budget=1.0)


def main():
    with tempfile.TemporaryDirectory(prefix="labkeeper-bench-") as place, Lab.init(place) as lab:
        kept = report([*bookkeeping(lab), *shared(lab)], "Sweeps")
    return not kept


if __name__ == "__main__":
    sys.exit(main())
