import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from tracker.errors import InvalidError
from tracker.recording.values import as_metrics, as_number, as_position


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.25, 0.25),
        (3, 3.0),
        (True, 1.0),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3.0),
        (np.uint64(2**63), 2.0**63),
        (np.bool_(1), 1.0),
        (np.array(2.5), 2.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor(7), 7.0),
        (torch.tensor(True), 1.0),
        (torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True), 0.5),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (10**300, 1e300),
    ],
)
def test_numbers_of_every_kind_become_floats(value, expected):
    number = as_number("loss", value)

    assert (type(number), number) == (float, expected)


@pytest.mark.parametrize("nan", [math.nan, np.float32("nan"), torch.tensor(math.nan)])
def test_nan_stays_nan(nan):
    assert math.isnan(as_number("loss", nan))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0.5",
        b"1",
        1j,
        [0.5],
        {"a": 1},
        Decimal(1),
        Fraction(1, 2),
        np.array([0.5]),
        np.complex128(1),
        np.datetime64("2026-01-01"),
        np.array("x"),
        torch.tensor([0.5]),
        torch.tensor(1j),
        object(),
        float,
        10**400,
    ],
)
def test_anything_else_is_refused_with_metric_and_value(value):
    with pytest.raises(InvalidError, match="Metric 'val/loss' is"):
        as_number("val/loss", value)


def test_the_refusal_shows_the_value_in_a_few_words():
    with pytest.raises(InvalidError) as refusal:
        as_number("loss", "x" * 10_000)

    assert "'xxx" in str(refusal.value)
    assert len(str(refusal.value)) < 200


def test_metrics_come_from_a_mapping_and_from_keywords():
    assert as_metrics({"val/loss": 1}, {"acc": 0.5}) == {"val/loss": 1.0, "acc": 0.5}


def test_a_metric_given_twice_is_refused():
    with pytest.raises(InvalidError, match="'loss' is given twice"):
        as_metrics({"loss": 1}, {"loss": 2})


def test_a_bare_value_is_refused_with_the_way_to_write_it():
    with pytest.raises(InvalidError, match=r"run\.log\(loss=0\.3"):
        as_metrics(0.3, {})


@pytest.mark.parametrize("value", [0, 7, np.int64(7), torch.tensor(7), 2**63 - 1])
def test_positions_are_whole_numbers_from_zero_on(value):
    assert as_position("step", value) == int(value)


@pytest.mark.parametrize(
    "value", [-1, 2**63, pytest.param(10**5000, id="beyond text"), 0.5, 1.0, "1", [1]]
)
def test_other_positions_are_refused(value):
    with pytest.raises(InvalidError, match="A step is a whole number"):
        as_position("step", value)


def test_a_position_may_stay_unsaid():
    assert as_position("epoch", None) is None
