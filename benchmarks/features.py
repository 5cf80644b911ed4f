"""A feature set of a million rows: making it, splitting it, taking batches of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.measure import Row, absolute, compare, report
from engine.batches import BatchViews, ColumnStore, ExecutionContext
from engine.context import ExperimentContext
from engine.features import FeatureSet
from engine.samplers import SimpleSampler

ROWS = 1_000_000
COLUMNS = [f"x{number}" for number in range(10)]
BATCH = 256


def make_frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({name: random.random(ROWS) for name in [*COLUMNS, "y"]})


def make_set(frame: pd.DataFrame) -> FeatureSet:
    with ExperimentContext.dont_register():
        return FeatureSet.from_pandas("rows", frame, COLUMNS, "y")


def split(feature_set: FeatureSet) -> None:
    feature_set.clear_splits()
    feature_set.split_random({"train": 0.7, "validate": 0.15, "test": 0.15})


def batches(feature_set: FeatureSet) -> list[Row]:
    """One epoch's batches, as a step gets them, against torch's fastest gather."""
    torch.set_num_threads(1)
    view, reference = feature_set.to_view(), feature_set.reference()
    sampler = SimpleSampler(batch_size=BATCH, shuffle=True, seed=1, source=view)
    order = sampler.epoch_batches(0)
    store = ColumnStore(view, reference)
    features, targets = store.block(reference.features), store.block(reference.targets)
    indices = [torch.from_numpy(positions) for positions in order]

    def bare() -> float:
        total = 0
        for index in indices:
            x, y = features.index_select(0, index), targets.index_select(0, index)
            total += len(x) + len(y)
        return total

    def ours() -> float:
        total = 0
        for number, batch_view in enumerate(BatchViews(store, order)):
            ctx = ExecutionContext("train", 0, number, {("node", reference): batch_view})
            batch = ctx.inputs["node", reference].batch
            total += len(batch.features) + len(batch.targets)
        return total

    assert bare() == ours()
    first = BatchViews(store, order)[0].batch
    assert torch.equal(first.features, features[indices[0]])
    return [
        compare(f"an epoch in batches of {BATCH}", ours, bare, 1.3),
        absolute("the order of an epoch", lambda: fresh_order(sampler), None),
    ]


def fresh_order(sampler: SimpleSampler) -> None:
    # Without this the sampler would know it from the time before.
    sampler.bind_sources(sampler.sources)
    sampler.epoch_batches(0)


def peak_in_units_of_the_data() -> Row:
    """The frame, the set made of it, its split and its batches, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.features", "--peak"]
    program = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = map(float, program.stdout.split())
    data = ROWS * (len(COLUMNS) + 1) * 8
    return Row("memory at most, in units of the data", (after - before) / data, None, 3, "x")


def show_peak() -> None:
    before = memory("VmRSS")
    feature_set = make_set(make_frame())
    split(feature_set)
    view, reference = feature_set["train"], feature_set.reference()
    sampler = SimpleSampler(batch_size=BATCH, shuffle=True, seed=1, source=view)
    for batch_view in BatchViews(ColumnStore(view, reference), sampler.epoch_batches(0)):
        assert len(batch_view.batch.features) == len(batch_view.batch.targets)
    print(before, memory("VmHWM"))


def memory(what: str) -> int:
    """Bytes that this process holds (VmRSS), or has held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def main() -> bool:
    frame = make_frame()
    feature_set = make_set(frame)
    return report(
        [
            absolute("from_pandas, 1 M rows x 11 columns", lambda: make_set(frame), 1.0),
            absolute("split_random into three", lambda: split(feature_set), 0.050),
            absolute("the same, stratified", stratified, None),
            absolute("fingerprint", lambda: make_set(frame).fingerprint, None),
            *batches(feature_set),
            peak_in_units_of_the_data(),
        ],
        "Feature sets",
    )


def stratified() -> None:
    label = np.arange(ROWS) % 10
    with ExperimentContext.dont_register():
        feature_set = FeatureSet.from_dict("labels", {"x": label, "y": label}, "x", "y")
    feature_set.split_random({"train": 0.7, "test": 0.3}, stratify_by="y")


if __name__ == "__main__":
    if "--peak" in sys.argv:
        show_peak()
    else:
        raise SystemExit(not main())
