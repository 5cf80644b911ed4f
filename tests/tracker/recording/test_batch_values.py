import math

import pytest
import torch

from tracker.database.kinds import Axis
from tracker.errors import InvalidError
from tracker.recording import batch_values
from tracker.recording.batch_values import BatchValues


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved on."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

        def time_ns(self):
            return 7_000_000

    clock = Clock()
    monkeypatch.setattr(batch_values, "time", clock)
    monkeypatch.setattr(batch_values, "happened_ns", clock.time_ns)
    return clock


@pytest.fixture
def stored():
    """What was stored: a list of points for each transaction."""
    return []


@pytest.fixture
def add(clock, stored):
    values = BatchValues(stored.append)

    def add(step, **metrics):
        values.add(metrics, phase_result_id=3, step=step, epoch=0)

    add.flush = values.flush
    return add


@pytest.fixture
def on_gpu(monkeypatch):
    """Every tensor is taken for one on a GPU."""
    monkeypatch.setattr(batch_values, "_is_on_gpu", lambda value: isinstance(value, torch.Tensor))


def steps(transactions):
    return [[point.step for point in points] for points in transactions]


def test_slow_steps_are_stored_as_they_come(add, clock, stored):
    for step in (1, 2, 3):
        add(step, loss=0.5)
        clock.now += 1.1 * batch_values.HOLD_S

    assert steps(stored) == [[1], [2], [3]]


def test_quick_steps_wait_for_each_other(add, clock, stored):
    for step in range(1, 8):
        add(step, loss=0.5)
        clock.now += batch_values.HOLD_S / 2.9

    assert steps(stored) == [[1], [2, 3, 4], [5, 6, 7]]


def test_a_flush_stores_what_is_held_once(add, stored):
    for step in (1, 2, 3):
        add(step, loss=step / 2, rate=math.nan)
    add.flush()
    add.flush()

    assert steps(stored) == [[1, 1], [2, 2, 3, 3]]
    name, axis, phase = stored[1][2].series
    assert (name, axis, phase) == ("loss", Axis.STEP, 3)
    assert stored[1][2][1:] == (3, 0, 1.5, 7)
    assert math.isnan(stored[1][3].value)


def test_never_more_than_so_many_are_held(add, stored, monkeypatch):
    monkeypatch.setattr(batch_values, "MOST_HELD", 2)
    for step in range(1, 6):
        add(step, loss=0.5)

    assert steps(stored) == [[1], [2, 3], [4, 5]]


@pytest.mark.usefixtures("on_gpu")
def test_values_on_a_device_are_read_together_and_wait_longer(add, clock, stored):
    for step in (1, 2, 3):
        add(step, loss=torch.tensor(step / 3), rate=0.5)
        clock.now += batch_values.HOLD_S
    add.flush()

    assert steps(stored) == [[1, 1], [2, 2, 3, 3]]
    values = [point.value for point in stored[1]]
    assert values == [float(torch.tensor(2 / 3)), 0.5, float(torch.tensor(1.0)), 0.5]


def test_what_is_no_number_is_refused_where_it_comes_from(add, stored):
    add(1, loss=0.5)
    with pytest.raises(InvalidError, match="Metric 'loss'"):
        add(2, loss="low")
    add.flush()

    assert steps(stored) == [[1]]
