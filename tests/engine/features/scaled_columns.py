"""A set of numbers in columns, and the scalings that they may go through."""

import numpy as np
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.features import FeatureSet

NAMES = ["StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "Negate", "Absolute"]
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from([("a",), ("b",), ("a", "b")])), max_size=5
)


def three_columns():
    rows = np.random.default_rng(3)
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict(
            "set",
            {
                "a": rows.normal(5, 2, 20),
                "b": rows.normal(0, 9, 20),
                "c": rows.normal(size=(20, 4)) * [1, 10, 100, 1000],
                "n": np.arange(20),
                "y": rows.random(20),
            },
            ["a", "b", "c", "n"],
            "y",
        )
