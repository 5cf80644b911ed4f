import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.plots.statistics import best_index, best_so_far, smoother

NAN, INF = math.nan, math.inf
VALUES = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([NAN, INF, -INF]), max_size=30)


def plain_ema(values, weight):
    smooth, biased, count = [], 0.0, 0
    for value in values:
        if not math.isfinite(value):
            smooth.append(value)
            continue
        count += 1
        biased = weight * biased + (1 - weight) * value
        smooth.append(biased / (1 - weight**count))
    return smooth


def plain_rolling(values, points):
    smooth = []
    for place, value in enumerate(values):
        window = [v for v in values[max(0, place + 1 - points) : place + 1] if math.isfinite(v)]
        smooth.append(sum(window) / len(window) if math.isfinite(value) else value)
    return smooth


@settings(deadline=None)
@given(VALUES, st.sampled_from([0.0, 0.5, 0.9, 0.99]))
@example([NAN, 1.0, INF, 2.0], 0.9)
def test_an_ema_agrees_with_its_formula(values, weight):
    found = smoother(f"ema:{weight}")(np.array(values, float))

    np.testing.assert_allclose(found, plain_ema(values, weight), rtol=1e-8, atol=1e-6)


@settings(deadline=None)
@given(VALUES, st.integers(1, 6))
@example([NAN, 1.0, INF, 2.0], 3)
def test_a_rolling_mean_agrees_with_its_formula(values, points):
    found = smoother(f"rolling:{points}")(np.array(values, float))

    np.testing.assert_allclose(found, plain_rolling(values, points), rtol=1e-8, atol=1e-6)


def test_the_first_value_is_not_pulled_to_zero():
    assert smoother("ema:0.99")(np.array([5.0, 5.0])).tolist() == pytest.approx([5, 5])


@pytest.mark.parametrize(
    "text",
    ["ema", "ema:1", "ema:-0.1", "ema:x", "ema:nan", "rolling:0", "rolling:1.5", "mean:3", ""],
)
def test_other_words_are_refused(text):
    with pytest.raises(InvalidError, match=r"ema:0\.9"):
        smoother(text)


@settings(deadline=None)
@given(VALUES, st.sampled_from(["min", "max"]))
def test_the_best_so_far_agrees_with_plain_python(values, goal):
    best, expected = {"min": min, "max": max}[goal], []
    for place in range(len(values)):
        finite = [value for value in values[: place + 1] if math.isfinite(value)]
        expected.append(best(finite) if finite else NAN)

    np.testing.assert_array_equal(best_so_far(np.array(values, float), goal), expected)


@pytest.mark.parametrize(
    ("values", "goal", "index"),
    [
        ([1.0, 0.5, 0.5, 2.0], "min", 1),
        ([1.0, 0.5, 0.5, 2.0], "max", 3),
        ([NAN, -INF, 1.0, 0.5, INF], "min", 3),
        ([NAN, -INF, 1.0, 0.5, INF], "max", 2),
        ([NAN, INF], "min", None),
        ([], "max", None),
    ],
)
def test_the_best_is_the_first_finite_one(values, goal, index):
    assert best_index(np.array(values, float), goal) == index
