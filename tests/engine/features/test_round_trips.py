"""What goes in comes out, for every form of data, and goes in again as the same set."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.context import ExperimentContext
from engine.features import FeatureSet
from tests.engine.features.any_columns import COLUMNS, build

KEYS = {"feature_keys": ["x", "t"], "target_keys": "y", "tag_keys": "z"}
ARRAYS = npst.arrays(
    st.sampled_from(["f4", "f8", "i2", "i8", "u1"]),
    npst.array_shapes(min_dims=1, max_dims=4, max_side=3),
)


def plain(feature_set, fmt):
    return feature_set.get_data(fmt=fmt, include_domain_prefix=False, include_rep_suffix=False)


@pytest.mark.parametrize("fmt", ["dict", "dict_numpy", "dict_list", "pandas"])
@given(rows=COLUMNS)
def test_columns_of_every_kind(fmt, rows):
    feature_set = build(rows)
    data = plain(feature_set, fmt)
    with ExperimentContext.dont_register():
        if fmt == "pandas":
            back = FeatureSet.from_pandas("b", data, ["x", "t"], "y", tag_cols="z")
        else:
            back = FeatureSet.from_dict("b", data, **KEYS)
    assert back == feature_set
    assert back.get_sample_uuids().tolist() == feature_set.get_sample_uuids().tolist()


@pytest.mark.parametrize(
    "fmt", ["dict_numpy", "dict_list", "dict_torch", "numpy", "torch", "pandas"]
)
@given(values=ARRAYS)
@example(values=np.array([np.nan, -0.0, np.inf]))
def test_arrays_of_every_shape(fmt, values):
    # What is too large for float32 is too large for torch, and numpy warns of it.
    assume("torch" not in fmt or not np.any(np.isfinite(values) & (np.abs(values) > 1e38)))
    with ExperimentContext.dont_register():
        feature_set = FeatureSet.from_dict("a", {"x": values}, "x")
        data = feature_set.get_features(fmt)
        if fmt in {"numpy", "torch"}:
            data = {"x": data[:, 0]}
        make = FeatureSet.from_pandas if fmt == "pandas" else FeatureSet.from_dict
        back = make("b", data, "x").column("x")
    # Lists know no widths, and torch has two types for models: the numbers stay.
    narrow = "torch" in fmt or fmt == "dict_list"
    expected = values
    if "torch" in fmt:
        expected = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
    assert back.shape == expected.shape
    assert narrow or back.dtype == values.dtype
    assert np.array_equal(back, expected, equal_nan=values.dtype.kind == "f")


@given(rows=st.lists(st.floats(width=32), min_size=1, max_size=4), k=st.integers(1, 3))
def test_blocks_hold_the_columns_side_by_side(rows, k):
    data = {f"x{place}": [row + place for row in rows] for place in range(k)}
    with ExperimentContext.dont_register():
        feature_set = FeatureSet.from_dict("a", data, list(data))
    block = feature_set.get_features("numpy")
    assert block.shape == (len(rows), k)
    assert repr(block.tolist()) == repr(feature_set.get_features("list"))
    assert np.array_equal(block, np.array(list(data.values())).T, equal_nan=True)
    tensor = feature_set.get_features("torch")
    assert tensor.dtype is torch.float32
    assert np.array_equal(tensor.numpy(), block.astype(np.float32), equal_nan=True)


@given(
    groups=st.lists(st.integers(0, 5), unique=True, min_size=1, max_size=4),
    size=st.integers(1, 3),
    data=st.data(),
)
def test_groups_agree_with_plain_python(groups, size, data):
    rows = [(group, data.draw(st.integers(0, 9)), n) for group in groups for n in range(size)]
    rows = data.draw(st.permutations(rows))
    frame = pd.DataFrame(rows, columns=["group", "time", "value"])
    with ExperimentContext.dont_register():
        grouped = FeatureSet.from_pandas(
            "g", frame, "value", "time", group_by="group", tag_cols="group", sort_by="time"
        )
    expected = {
        group: sorted((row for row in rows if row[0] == group), key=lambda row: row[1])
        for group in sorted(groups)
    }
    assert grouped.column("group").tolist() == list(expected)
    assert grouped.column("value").tolist() == [[r[2] for r in of] for of in expected.values()]
    assert grouped.column("time").tolist() == [[r[1] for r in of] for of in expected.values()]
