"""Every sampler there is, and one with several streams, on the same small data."""

import numpy as np

from engine.context import ExperimentContext
from engine.features import FeatureSet
from engine.samplers import (
    BaseSampler,
    NSampler,
    PairedSampler,
    Samples,
    SimilarityCondition,
    SimpleSampler,
    TripletSampler,
)

SIMILAR, DISSIMILAR = SimilarityCondition(), SimilarityCondition("dissimilar")
NEAR = SimilarityCondition(
    tolerance=0.2, weight_mode="linear", max_weight=5, min_weight=0.1, allow_fallback=True
)


class TwoStreams(BaseSampler):
    """The first source as it is, and neighbours in the second one, with half the weight."""

    def build_samples(self):
        first, second = self.sources[0].n_samples, self.sources[-1].n_samples
        pairs = {"left": np.arange(second - 1), "right": np.arange(1, second)}
        weights = {"right": np.full(second - 1, 0.5, np.float32)}
        return {
            ("alone", 0): Samples({"default": np.arange(first)}, identity=True),
            ("pairs", len(self.sources) - 1): Samples(pairs, weights),
        }


def data(n=23):
    random = np.random.RandomState(3)
    columns = {
        "x": random.random_sample(n),
        "y": random.random_sample(n),
        "kind": np.array(["a", "b", "c"])[np.arange(n) % 3],
    }
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("data", columns, "x", "y", "kind")


SAMPLERS = {
    "simple": SimpleSampler,
    "n": lambda **options: NSampler(
        {"near": {"y": NEAR}, "far": {"kind": DISSIMILAR}}, choose_best_only=True, **options
    ),
    "paired": lambda **options: PairedSampler({"y": NEAR, "kind": SIMILAR}, **options),
    "triplet": lambda **options: TripletSampler({"kind": SIMILAR}, {"kind": DISSIMILAR}, **options),
    "streams": TwoStreams,
}
# The role by which each one's batches can be grouped.
ROLES = {"simple": "default", "n": "anchor", "paired": "anchor", "triplet": "anchor"}


def bound(kind, n=23, **options):
    made = SAMPLERS[kind](**options)
    made.bind_sources([data(n), data(n // 2)] if kind == "streams" else [data(n)])
    return made


def plain(views):
    """A step's batches as plain values: positions and weights by stream and role."""
    return {
        stream: [
            {role: positions.tolist() for role, positions in view.role_indices.items()},
            {role: weights.tolist() for role, weights in (view.role_indice_weights or {}).items()},
        ]
        for stream, view in views.items()
    }


def epoch(made, number):
    """The batches of one epoch, by stream, without going there."""
    orders = {stream: made.epoch_batches(number, stream) for stream in made.stream_names}
    return [
        {
            stream: [
                {role: positions.tolist() for role, positions in order.roles(batch).items()},
                {role: weights.tolist() for role, weights in (order.weights(batch) or {}).items()},
            ]
            for stream, order in orders.items()
        }
        for batch in range(made.num_batches)
    ]


def take(made, number):
    return [plain(made.next()) for _ in range(number)]
