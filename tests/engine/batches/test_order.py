from itertools import pairwise

import numpy as np
import pytest
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
        positions = order.positions("default").tolist()
        assert [positions[a:b] for a, b in pairwise(order.bounds)] == expected

    def test_in_sequence_positions_go_without_saying(self):
        order = BatchOrder.of_size(np.arange(5), 2, drop_last=False, sequential=True)
        assert order.positions("default") is None
        assert [batch.tolist() for batch in order] == [[0, 1], [2, 3], [4]]


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
        assert order.positions("pair").tolist() == [2, 0, 1]

    def test_may_have_weights(self, order):
        assert order.is_weighted
        assert order.weights(1)["pair"].tolist() == [0.25]
        assert BatchOrder.of_size(np.arange(3), 2, drop_last=False).weights(0) is None

    def test_batches_out_of_range_are_named(self, order):
        assert order[-1].tolist() == order[1].tolist()
        for batch in (2, -3):
            with pytest.raises(IndexError, match=f"no batch {batch}: the epoch has 2"):
                order[batch]
