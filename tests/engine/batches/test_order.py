import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.batches import BatchOrder


class TestCutting:
    @given(st.integers(0, 40), st.integers(1, 9), st.booleans())
    def test_agrees_with_plain_slices(self, n, size, drop_last):
        order = BatchOrder.of_size(np.arange(n)[::-1], size, drop_last=drop_last)
        rows = list(range(n))[::-1]
        expected = [rows[at : at + size] for at in range(0, n, size)]
        if drop_last:
            expected = [batch for batch in expected if len(batch) == size]
        assert [batch.tolist() for batch in order] == expected
        assert order.sizes.tolist() == [len(batch) for batch in expected]
        assert len(order) == len(expected)
        indices = order.indices()["default"]
        assert [index.tolist() for index in indices] == expected

    @given(st.integers(0, 40), st.integers(1, 9), st.booleans())
    def test_in_sequence_a_batch_is_a_slice(self, n, size, drop_last):
        rows = np.arange(n)
        order = BatchOrder.of_size(rows, size, drop_last=drop_last, sequential=True)
        slices = order.indices()["default"]
        assert all(isinstance(index, slice) for index in slices)
        assert [rows[index].tolist() for index in slices] == [batch.tolist() for batch in order]


class TestRoles:
    @pytest.fixture
    def order(self):
        return BatchOrder(
            {"anchor": np.array([0, 1, 2]), "pair": np.array([2, 0, 1])},
            np.array([0, 2, 3]),
            weights={"pair": np.array([1, 0.5, 0.25], np.float32)},
        )

    def test_each_has_positions_of_its_own(self, order):
        assert order.role_names == ("anchor", "pair")
        assert {role: at.tolist() for role, at in order.roles(0).items()} == {
            "anchor": [0, 1],
            "pair": [2, 0],
        }
        assert order[1].tolist() == [2]
        assert order.indices()["pair"][1].tolist() == [1]

    def test_may_have_weights(self, order):
        assert order.is_weighted
        assert order.weights(1)["pair"].tolist() == [0.25]
        assert BatchOrder.of_size(np.arange(3), 2, drop_last=False).weights(0) is None

    def test_batches_out_of_range_are_named(self, order):
        assert order[-1].tolist() == order[1].tolist()
        for batch in (2, -3):
            with pytest.raises(IndexError, match=f"no batch {batch}: the epoch has 2"):
                order[batch]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_indices_lie_on_the_device():
    order = BatchOrder.of_size(np.arange(5)[::-1].copy(), 2, drop_last=False)
    assert order.indices("cuda")["default"][0].device.type == "cuda"
