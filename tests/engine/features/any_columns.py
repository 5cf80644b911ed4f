"""Columns of every kind, for property tests, and the sets made of them."""

import math

import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.features import FeatureSet, SampleSchema

COLUMNS = st.lists(
    st.tuples(
        st.floats() | st.just(math.nan),
        st.integers(-(2**40), 2**40),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def build(rows, order=(0, 1, 2, 3), make="dict"):
    """The same content by each of the constructors, with its columns in any order."""
    named = {
        name: [row[place] for row in rows]
        for place, name in [(place, "xyzt"[place]) for place in order]
    }
    with ExperimentContext.dont_register():
        if make == "dict":
            return FeatureSet.from_dict("any", named, ["x", "t"], "y", "z")
        if make == "pandas":
            return FeatureSet.from_pandas("any", pd.DataFrame(named), ["x", "t"], "y", tag_cols="z")
        schema = SampleSchema(["t", "x"], ["y"], ["z"])
        return FeatureSet.from_pyarrow_table("any", pa.table(named), schema)
