import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import NonFiniteLossError, PhaseError
from engine.phases.epoch_losses import READ_EVERY, EpochLosses, checked_policy


class OnADevice:
    """Stands for a loss on a GPU: it says so, and counts how often it is read there."""

    is_cpu = False
    reads = 0


def filled(pairs, policy="ignore"):
    losses = EpochLosses("train", policy)
    losses.begin(2)
    for value, n_samples in pairs:
        losses.add(torch.tensor(value, dtype=torch.float64), n_samples)
    return losses


def test_the_mean_is_weighted_by_samples():
    assert filled([(1.0, 30), (4.0, 10)]).mean() == 1.75


def test_an_epoch_without_samples_has_no_mean():
    assert math.isnan(EpochLosses("train", "stop").mean())


def test_a_loss_on_the_cpu_comes_back_as_a_number():
    losses = EpochLosses("train", "stop")

    assert losses.add(torch.tensor(0.25), 4) == 0.25
    assert losses.values == [0.25]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_stop_raises_and_says_where(bad):
    with pytest.raises(NonFiniteLossError, match=r"'train' became -?(nan|inf) in epoch 2, batch 1"):
        filled([(1.0, 1), (bad, 1)], "stop")


def test_warn_warns_once_and_goes_on():
    losses = EpochLosses("train", "warn")
    with pytest.warns(RuntimeWarning, match="Training goes on"):
        losses.add(torch.tensor(math.nan), 1)

    losses.add(torch.tensor(math.inf), 1)

    assert math.isnan(losses.mean())


def test_ignore_is_silent_and_the_mean_still_shows_it():
    assert math.isnan(filled([(1.0, 1), (math.nan, 1)]).mean())
    assert filled([(1.0, 1), (math.inf, 1)]).mean() == math.inf


def test_a_misspelt_policy_names_the_nearest():
    with pytest.raises(PhaseError, match="Did you mean 'ignore'"):
        checked_policy("ignor")


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 64)), min_size=1), st.data())
def test_going_on_from_any_batch_gives_the_same_mean(pairs, data):
    cut = data.draw(st.integers(0, len(pairs)))
    first, second = filled(pairs[:cut]), EpochLosses("train", "ignore")
    second.set_state(first.get_state(), 2)

    for value, n_samples in pairs[cut:]:
        second.add(torch.tensor(value, dtype=torch.float64), n_samples)

    whole = filled(pairs)
    assert second.mean() == whole.mean()
    assert second.values == whole.values


class TestOnAGpu:
    """With tensors that claim to be elsewhere, since the machine of the tests has no GPU."""

    @pytest.fixture
    def loss(self, monkeypatch):
        def make(value):
            return Elsewhere(torch.tensor(value))

        class Elsewhere(torch.Tensor):
            @staticmethod
            def __new__(cls, data):
                return torch.Tensor._make_subclass(cls, data)

            is_cpu = False

        return make

    def test_losses_stay_there_until_many_are_read_at_once(self, loss):
        losses = EpochLosses("train", "stop")
        for number in range(READ_EVERY - 1):
            assert losses.add(loss(float(number)), 1).is_cpu is False
        assert losses.values == []

        losses.add(loss(7.0), 1)

        assert losses.values == [*map(float, range(READ_EVERY - 1)), 7.0]

    def test_a_loss_that_is_not_finite_is_noticed_then_and_named(self, loss):
        losses = EpochLosses("train", "stop")
        losses.add(loss(1.0), 1)
        losses.add(loss(math.nan), 1)

        with pytest.raises(NonFiniteLossError, match="batch 1"):
            losses.mean()
