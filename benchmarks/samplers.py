"""Splitting a million rows, finding pairs among 100,000, and batches with several roles."""

import subprocess
import sys

import numpy as np
import torch

from benchmarks.features import memory
from benchmarks.measure import Row, absolute, compare, report
from engine.batches import BatchViews, ColumnStore
from engine.context import ExperimentContext
from engine.features import FeatureSet
from engine.samplers import NSampler, PairedSampler, SimilarityCondition, TripletSampler
from engine.splitters import RandomSplitter

ROWS = 1_000_000
SAMPLES = 100_000
BATCH = 256
RATIOS = {"train": 0.7, "validate": 0.15, "test": 0.15}

NEAR = SimilarityCondition(tolerance=0.01)
WEIGHTED = SimilarityCondition(tolerance=0.01, weight_mode="linear", max_weight=10)
NEAREST = SimilarityCondition(
    tolerance=1e-7, weight_mode="linear", max_weight=10, allow_fallback=True
)
FAR = SimilarityCondition("dissimilar", 0.01, weight_mode="linear", max_weight=1000)
SAME, OTHER = SimilarityCondition(), SimilarityCondition("dissimilar")


def make_rows() -> FeatureSet:
    numbers = np.arange(ROWS)
    columns = {"x": numbers, "kind": numbers % 10, "group": numbers // 20}
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("rows", columns, "x", (), ["kind", "group"])


def make_samples() -> FeatureSet:
    random = np.random.default_rng(0)
    columns = {
        "x": random.random((SAMPLES, 8)).astype(np.float32),
        "soc": random.random(SAMPLES),
        "temperature": random.random(SAMPLES),
        "kind": random.integers(0, 10, SAMPLES).astype(str),
    }
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("cells", columns, "x", "soc", ["temperature", "kind"])


def splits() -> list[Row]:
    rows = make_rows()
    kinds = {
        "by ratio": (RandomSplitter(RATIOS), 0.050),
        "stratified": (RandomSplitter(RATIOS, stratify_by="kind"), 0.300),
        "grouped": (RandomSplitter(RATIOS, group_by="group"), None),
    }
    return [
        absolute(f"a split of 1 M rows, {name}", lambda one=one: one.split_rows(rows), budget)
        for name, (one, budget) in kinds.items()
    ]


def searches() -> dict[str, NSampler]:
    best = {"choose_best_only": True}
    return {
        "within a tolerance": PairedSampler({"soc": NEAR}),
        "the best within a tolerance": PairedSampler({"soc": WEIGHTED}, **best),
        "the nearest, whatever the tolerance": PairedSampler({"soc": NEAREST}, **best),
        "the farthest": PairedSampler({"soc": FAR}, **best),
        "within two tolerances": PairedSampler({"soc": NEAR, "temperature": NEAR}),
        "triplets of a label": TripletSampler({"kind": SAME}, {"kind": OTHER}),
        "triplets of label and tolerance": TripletSampler(
            {"kind": SAME, "soc": NEAR}, {"kind": OTHER, "soc": FAR}
        ),
    }


def search(sampler: NSampler, samples: FeatureSet) -> None:
    # Bound anew, it knows nothing from the time before.
    sampler.bind_sources([samples])
    assert sampler.num_batches >= SAMPLES


def pairs() -> list[Row]:
    samples = make_samples()
    return [
        absolute(
            f"pairs among 100,000: {name}", lambda one=one: search(one, samples), 5.0, repeat=3
        )
        for name, one in searches().items()
    ]


def memory_of_a_search() -> Row:
    """What the greediest of the searches adds to the peak, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.samplers", "--peak"]
    program = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = map(float, program.stdout.split())
    return Row("memory that a search adds", (after - before) / 2**20, None, 200, "MB")


def show_peak() -> None:
    samples = make_samples()
    before = memory("VmHWM")
    search(searches()["within two tolerances"], samples)
    print(before, memory("VmHWM"))


def triplet_batches() -> Row:
    """An epoch of triplets, as a step gets them, against torch's fastest gather."""
    torch.set_num_threads(1)
    samples = make_samples()
    view, reference = samples.to_view(), samples.reference()
    sampler = TripletSampler({"kind": SAME}, {"kind": OTHER}, batch_size=BATCH, shuffle=True)
    sampler.bind_sources([view])
    order = sampler.epoch_batches(0)
    store = ColumnStore(view, reference)
    features = store.block(reference.features)
    indices = [
        [torch.from_numpy(positions) for positions in order.roles(batch).values()]
        for batch in range(len(order))
    ]

    def bare() -> int:
        return sum(
            len(features.index_select(0, index)) for of_batch in indices for index in of_batch
        )

    def ours() -> int:
        total = 0
        for batch_view in BatchViews(store, order):
            roles = batch_view.batch.role_data
            total += sum(len(samples.features) for samples in roles.values())
        return total

    assert bare() == ours()
    return compare(f"an epoch of triplets in batches of {BATCH}", ours, bare, 1.3)


def main() -> bool:
    rows = [*splits(), *pairs(), memory_of_a_search(), triplet_batches()]
    return report(rows, "Splitters and samplers")


if __name__ == "__main__":
    if "--peak" in sys.argv:
        show_peak()
    else:
        raise SystemExit(not main())
