import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.results.metric_store import MetricEntry, MetricStore


def test_an_entry_is_a_number_that_knows_its_place():
    entry = MetricEntry("accuracy", 0.5, 3, 7)

    assert entry == 0.5
    assert entry + 1 == 1.5
    assert (entry.name, entry.value, entry.epoch_idx, entry.batch_idx) == ("accuracy", 0.5, 3, 7)


def test_entries_come_by_epoch_with_batches_before_the_epochs_own_value():
    store = MetricStore()
    store.log(name="loss", value=9.0, epoch_idx=1)
    store.log_batches(name="loss", values=[3.0, 4.0], epoch_idx=0)
    store.log(name="loss", value=3.5, epoch_idx=0)
    store.log(name="other", value=1.0, epoch_idx=0, batch_idx=1)

    places = [(one.name, one.epoch_idx, one.batch_idx, one.value) for one in store.entries()]

    assert places == [
        ("loss", 0, 0, 3.0),
        ("other", 0, 1, 1.0),
        ("loss", 0, 1, 4.0),
        ("loss", 0, None, 3.5),
        ("loss", 1, None, 9.0),
    ]
    assert store.names == ["loss", "other"]


def test_an_epochs_values_keep_their_order_and_leave_out_batches_and_other_epochs():
    store = MetricStore()
    store.log(name="score", value=1.0, epoch_idx=0)
    store.log(name="score", value=2.0, epoch_idx=1)
    store.log(name="score", value=3.0, epoch_idx=1)
    store.log(name="score", value=4.0, epoch_idx=1, batch_idx=0)

    assert store.at_epoch(1) == {"score": [2.0, 3.0]}
    assert store.last() == {"score": 3.0}


def test_mean_and_sum_of_entries():
    entries = [MetricEntry("loss", value, 0, batch) for batch, value in enumerate([1.0, 2.0, 6.0])]

    assert MetricEntry.sum(*entries) == 9.0
    assert MetricEntry.mean(*entries) == 3.0


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(-1, 4), st.floats(allow_nan=True)), max_size=12
    )
)
def test_the_state_brings_back_every_epochs_values(logged):
    store, other = MetricStore(), MetricStore()
    for name, epoch, value in logged:
        store.log(name=name, value=value, epoch_idx=epoch)
    store.log(name="a", value=1.0, epoch_idx=0, batch_idx=0)

    other.set_state(store.get_state())

    for epoch in range(-1, 5):
        kept, expected = other.at_epoch(epoch), store.at_epoch(epoch)
        assert kept.keys() == expected.keys()
        for name, values in expected.items():
            assert [_exact(value) for value in kept[name]] == [_exact(value) for value in values]
    assert all(entry.batch_idx is None for entry in other.entries())


def _exact(value):
    return "nan" if math.isnan(value) else value.hex()


def test_an_entry_survives_copying():
    import copy

    entry = copy.deepcopy(MetricEntry("loss", 2.0, 1))

    assert (entry, entry.name, entry.epoch_idx, entry.batch_idx) == (2.0, "loss", 1, None)
    assert repr(entry) == "MetricEntry(loss=2.0, epoch=1)"


@pytest.mark.parametrize("values", [[], [1.0]])
def test_batches_that_are_logged_again_replace_those_before(values):
    store = MetricStore()
    store.log_batches(name="loss", values=values, epoch_idx=0)
    store.log_batches(name="loss", values=[5.0, 6.0], epoch_idx=0)

    assert [float(entry) for entry in store.entries()] == [5.0, 6.0]


def test_only_the_latest_epochs_batches_are_at_hand_and_they_go_through_a_state():
    store, other = MetricStore(), MetricStore()
    for epoch, batch, value in ((0, 0, 1.0), (1, 0, 2.0), (1, 1, math.nan)):
        store.log(name="a", value=value, epoch_idx=epoch, batch_idx=batch)
    store.log(name="a", value=9.0, epoch_idx=1)

    other.set_latest(store.get_latest())

    for one in (store, other):
        assert [_exact(value) for value in one.in_batches(1)["a"]] == [
            "0x1.0000000000000p+1",
            "nan",
        ]
        assert one.in_batches(0) == one.in_batches(2) == {}
    assert other.entries() == []
