"""When two configurations are the same one."""

import math
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.errors import ConfigurationError
from tracker.pipelines.identity import canonical, config_hash, plain

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, "1", "NaN", math.nan, 1e300, 10**300])
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


def same(a, b):
    """What the promise says, in plain Python."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@given(values, values)
@example(1, 1.0)
@example(1, True)
@example(0.0, -0.0)
@example(math.nan, math.nan)
@example(math.nan, "NaN")
@example(math.inf, "Infinity")
@example(10**300, 1e300)
@example(2**53 + 1, float(2**53))
@example([1, 2], (1, 2))
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
def test_two_values_have_one_text_exactly_when_they_are_the_same(a, b):
    assert (canonical(a) == canonical(b)) == same(a, b)


@given(values)
def test_the_order_of_keys_does_not_count(value):
    def turned(inner):
        if isinstance(inner, dict):
            return {key: turned(inner[key]) for key in reversed(inner)}
        return [turned(item) for item in inner] if isinstance(inner, list) else inner

    assert canonical(turned(value)) == canonical(value)


def test_what_is_kept_is_plain():
    class Mode(StrEnum):
        MIN = "min"

    value = {
        "path": Path("data/a.csv"),
        "rate": np.float32(0.5),
        "count": np.int64(3),
        "yes": np.bool_(True),
        "sizes": (1, 2),
        "mode": Mode.MIN,
        "double": np.float64(0.1),
    }
    kept = plain(value)

    assert kept == {
        "path": "data/a.csv",
        "rate": 0.5,
        "count": 3,
        "yes": True,
        "sizes": [1, 2],
        "mode": "min",
        "double": 0.1,
    }
    assert [type(part) for part in kept.values()] == [str, float, int, bool, list, str, float]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {1: 2}}, "a: 1 must be text."),
        ({"a": [0, {2}]}, "a.1: a set cannot be kept in a configuration"),
        ({"model": Path}, "model: a component is named by its location, as text: 'pathlib:Path'"),
        ({"x": np.zeros(2)}, "x: a ndarray cannot be kept"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place(value, message):
    with pytest.raises(ConfigurationError) as caught:
        plain(value)

    assert str(caught.value).startswith(message)


def test_the_source_is_part_of_the_identity():
    config = {"model": {"loc": "m:MLP"}}
    hashes = {
        config_hash(config, {}),
        config_hash(config, {"m": "1"}),
        config_hash(config, {"m": "2"}),
        config_hash({**config, "seed": 1}, {"m": "2"}),
    }

    assert len(hashes) == 4
    assert all(len(digest) == 64 for digest in hashes)
