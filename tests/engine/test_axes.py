from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.axes import AxisSeries, concatenate
from engine.errors import EngineError, UnknownLabelError


class Losses(AxisSeries):
    reducers = ("mean", "sum")

    @property
    def total(self):
        return sum(self.values())


@pytest.fixture
def losses():
    return Losses(("epoch", "batch"), {(0, 0): 4.0, (0, 1): 2.0, (1, 0): 1.0, (1, 1): 3.0})


class TestLooking:
    def test_keys_and_values_keep_their_order(self, losses):
        assert losses.keys() == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert losses.values() == [4.0, 2.0, 1.0, 3.0]
        assert losses.data == dict(losses.items())
        assert list(losses) == losses.keys()
        assert losses.shape == (2, 2)
        assert losses.axes_values() == {"epoch": [0, 1], "batch": [0, 1]}
        assert len(losses) == 4

    def test_one_axis_has_bare_keys(self):
        series = AxisSeries(("epoch",), {0: "a", (1,): "b"})
        assert series.keys() == [0, 1]
        assert series[1] == series.at(epoch=1) == "b"
        assert 1 in series
        assert 2 not in series

    def test_a_key_that_is_not_there_is_named(self, losses):
        with pytest.raises(KeyError, match=r"\(2, 0\)"):
            losses[2, 0]
        with pytest.raises(KeyError, match="1 coordinates"):
            losses[2]

    def test_at_needs_every_axis(self, losses):
        assert losses.at(epoch=1, batch=1) == 3.0
        with pytest.raises(ValueError, match="missing: batch"):
            losses.at(epoch=1)
        with pytest.raises(UnknownLabelError, match=r"no axis 'epohc'\. Did you mean 'epoch'"):
            losses.at(epohc=1, batch=1)

    def test_one_refuses_several(self, losses):
        assert losses.where(epoch=0, batch=0).one() == 4.0
        with pytest.raises(ValueError, match="4 values"):
            losses.one()

    def test_first_and_last_by_position_or_by_an_axis(self):
        series = AxisSeries(("epoch",), {2: "c", 0: "a", 1: "b"})
        assert (series.first(), series.last()) == ("c", "b")
        assert (series.first(sort_by="epoch"), series.last(sort_by="epoch")) == ("a", "c")
        with pytest.raises(ValueError, match="nothing"):
            series.where(epoch=7).first()


class TestDataFrame:
    def test_has_a_row_for_each_value_and_a_column_for_each_axis(self, losses):
        table = losses.where(epoch=1).to_pandas()

        assert table.to_dict("list") == {"epoch": [1, 1], "batch": [0, 1], "value": [1.0, 3.0]}

    def test_a_missing_coordinate_is_na_beside_whole_numbers(self):
        table = AxisSeries(("epoch", "batch"), {(0, None): 1.0, (0, 3): 2.0}).to_pandas()

        assert table["batch"].isna().tolist() == [True, False]
        assert table["batch"].dtype == "Int64"
        assert table["epoch"].dtype == "int64"

    def test_of_nothing_it_has_the_columns_all_the_same(self):
        table = AxisSeries(("epoch",), {}).to_pandas()

        assert (list(table), len(table)) == (["epoch", "value"], 0)


class TestWhere:
    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (1, [1]),
            ([0, 2], [0, 2]),
            ((0, 2), [0, 2]),
            (range(2), [0, 1]),
            ({3}, [3]),
            (lambda epoch: epoch > 1, [2, 3]),
            (slice(1, 3), [1, 2]),
            (slice(None, None, 2), [0, 2]),
            (slice(2, None), [2, 3]),
            (7, []),
        ],
    )
    def test_takes_a_value_several_a_predicate_or_a_slice(self, wanted, found):
        series = AxisSeries(("epoch",), dict.fromkeys(range(4)))
        assert series.where(epoch=wanted).keys() == found

    def test_a_tuple_may_be_a_coordinate(self):
        series = AxisSeries(("place",), {((0, 1),): "here", ((0, 2),): "there"})
        assert series.where(place=(0, 1)).values() == ["here"]

    def test_a_text_is_one_value_and_none_is_in_no_slice(self):
        series = AxisSeries(("name",), {"loss": 1, "l": 2})
        assert series.where(name="loss").values() == [1]
        series = AxisSeries(("batch",), {None: 1, 0: 2})
        assert series.where(batch=None).values() == [1]
        assert series.where(batch=slice(0, 9)).values() == [2]

    def test_keeps_the_subclass(self, losses):
        assert losses.where(epoch=1).total == 4.0
        assert losses.where(epoch=1).squeeze().total == 4.0
        assert losses.collapse("batch", "sum").total == 10.0

    def test_select_gives_the_values(self, losses):
        assert losses.select(batch=1) == [2.0, 3.0]


class TestCollapse:
    def test_squeeze_drops_axes_of_one(self, losses):
        assert losses.where(epoch=1).squeeze().data == {0: 1.0, 1: 3.0}
        assert losses.where(epoch=1, batch=0).squeeze().axes == ()
        assert losses.where(epoch=1, batch=0).squeeze().one() == 1.0

    def test_by_name_or_by_function(self, losses):
        assert losses.collapse("batch", "mean").data == {0: 3.0, 1: 2.0}
        assert losses.collapse("epoch", max).data == {0: 4.0, 1: 3.0}
        assert AxisSeries(("i",), {0: "a", 1: "b"}).collapse("i", "last").one() == "b"
        assert AxisSeries(("i",), {0: "a", 1: "b"}).collapse("i", "first").one() == "a"

    def test_a_reducer_that_makes_no_sense_here_is_refused(self, losses):
        with pytest.raises(UnknownLabelError, match="no reducer 'concat'"):
            losses.collapse("batch", "concat")

    def test_an_unknown_axis_is_refused(self, losses):
        with pytest.raises(UnknownLabelError, match="no axis 'fold'"):
            losses.collapse("fold", "mean")

    @given(
        st.dictionaries(
            st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("ab")),
            st.integers(-5, 5),
            min_size=1,
        ),
        st.integers(0, 2),
    )
    def test_agrees_with_plain_python(self, data, place):
        axes = ("epoch", "batch", "label")
        expected = defaultdict(list)
        for key, value in data.items():
            expected[key[:place] + key[place + 1 :]].append(value)

        collapsed = AxisSeries(axes, data).collapse(axes[place], list)

        assert collapsed.data == dict(expected)


class TestConcatenate:
    def test_tensors_arrays_and_lists(self):
        assert concatenate([torch.ones(1, 2), torch.ones(2, 2)]).shape == (3, 2)
        assert concatenate([np.ones(1), np.ones(2)]).shape == (3,)
        assert concatenate([[1], [2, 3]]) == [1, 2, 3]

    def test_other_things_are_refused(self):
        with pytest.raises(EngineError, match="type int"):
            concatenate([1, 2])


def test_equality_is_by_axes_and_content(losses):
    assert losses == AxisSeries(losses.axes, losses.data)
    assert losses != losses.where(epoch=0)
    assert losses != AxisSeries(("epoch", "fold"), losses.data)
    assert losses != 3
    assert repr(losses) == "Losses(epoch: 2, batch: 2)"
