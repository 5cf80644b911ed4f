import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError, PackagedCodeError
from engine.features import FeatureSet
from engine.splitters import BaseSplitter, ConditionSplitter, RandomSplitter

VALUES = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def rows(**columns):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("rows", columns, next(iter(columns)), (), list(columns)[1:])


class TestConditions:
    @given(VALUES, st.integers(0, 5), st.sets(st.integers(0, 5)), st.integers(0, 5))
    def test_agree_with_plain_python(self, values, one, several, limit):
        data = rows(x=values, t=[str(value) for value in values])
        parts = ConditionSplitter(
            equal={"x": one},
            member={"x": several, "t": [str(value) for value in several]},
            whole={"x": lambda column: column < limit},
            single={"t": lambda text: int(text) < limit},
            both={"x": lambda column: column < limit, "t": str(one)},
        ).split_rows(data)
        expected = {
            "equal": [value == one for value in values],
            "member": [value in several for value in values],
            "whole": [value < limit for value in values],
            "single": [value < limit for value in values],
            "both": [value < limit and value == one for value in values],
        }
        for label, matches in expected.items():
            assert parts[label].tolist() == [at for at, match in enumerate(matches) if match]

    def test_nothing_equals_what_is_missing(self):
        data = rows(x=[1.0, math.nan], t=["a", None], n=[None, 2])
        parts = ConditionSplitter(
            nan={"x": math.nan}, none={"t": None}, text={"t": ["a", None]}, number={"n": 2}
        ).split_rows(data)
        assert {label: part.tolist() for label, part in parts.items()} == {
            "nan": [],
            "none": [],
            "text": [0],
            "number": [1],
        }

    def test_a_predicate_may_look_for_what_is_missing(self):
        data = rows(x=[1, 2], t=["a", None])
        parts = ConditionSplitter(s={"t": lambda value: value is None}).split_rows(data)
        assert parts["s"].tolist() == [1]

    def test_a_predicate_of_one_row_is_asked_row_by_row(self):
        data = rows(x=[[1, 2], [3, 4]])
        parts = ConditionSplitter(s={"x": lambda row: row.sum() > 3}).split_rows(data)
        assert parts["s"].tolist() == [1]

    @pytest.mark.parametrize("n", [5, 6, 7])
    def test_rows_of_arrays_are_judged_one_by_one_where_that_is_meant(self, n):
        curves = [[6 * row + step for step in range(6)] for row in range(n)]
        parts = ConditionSplitter(
            first={"c": lambda curve: curve[0] > 10},
            mean={"c": lambda curves: curves.mean(axis=1) > 10},
        ).split_rows(rows(c=curves))
        assert parts["first"].tolist() == list(range(2, n))
        assert parts["mean"].tolist() == list(range(2, n))

    def test_times_with_a_zone_are_met_by_times_with_any(self):
        times = pd.date_range("2024-01-01", periods=2, tz="Europe/Berlin")
        data = rows(x=[1, 2], z=times, plain=times.tz_convert("UTC").tz_localize(None))
        for wanted in (times[0], times[0].tz_convert("Asia/Tokyo"), times[0].to_pydatetime()):
            parts = ConditionSplitter(
                one={"z": wanted}, some={"z": [wanted]}, plain={"plain": wanted}
            ).split_rows(data)
            assert parts["one"].tolist() == parts["some"].tolist() == [0]
            assert parts["plain"].tolist() == []
        in_utc = {"z": data.column("z")[1]}
        assert ConditionSplitter(s=in_utc).split_rows(data)["s"].tolist() == [1]

    def test_what_a_predicate_gives_counts_as_true_or_false(self):
        parts = ConditionSplitter(odd={"x": lambda value: value % 2}).split_rows(rows(x=[1, 2, 3]))
        assert parts["odd"].tolist() == [0, 2]

    def test_a_value_of_another_type_matches_nothing(self):
        parts = ConditionSplitter(s={"x": "a"}, t={"t": 1}).split_rows(rows(x=[1], t=["a"]))
        assert parts["s"].tolist() == parts["t"].tolist() == []


class TestTimes:
    @pytest.mark.parametrize(
        "value",
        [
            dt.date(2024, 1, 2),
            dt.datetime.fromisoformat("2024-01-02T00:00:00"),
            pd.Timestamp("2024-01-02"),
            np.datetime64("2024-01-02", "ns"),
            np.datetime64("2024-01-02"),
        ],
    )
    @pytest.mark.parametrize("several", [True, False])
    def test_are_kept_in_a_file(self, tmp_path, value, several):
        data = rows(x=[1, 2, 3], t=np.datetime64("2024-01-01", "ns") + np.arange(3) * 86400 * 10**9)
        made = ConditionSplitter(s={"t": [value] if several else value})
        back = BaseSplitter.load(made.save(tmp_path / "it"))
        assert back.split_rows(data)["s"].tolist() == made.split_rows(data)["s"].tolist()
        (kept,) = back.conditions["s"].values()
        kept = kept[0] if several else kept
        assert (type(kept), kept) == (type(value), value)

    def test_of_nanoseconds_lose_none(self, tmp_path):
        value = np.datetime64("2024-01-01T00:00:00.123456789")
        made = ConditionSplitter(s={"t": {value}})
        assert BaseSplitter.load(made.save(tmp_path / "it")).conditions == {"s": {"t": [value]}}


class TestArguments:
    def test_any_label_will_do(self):
        data = rows(x=[1, 2, 3])
        data.split_by_condition({"self": {"x": 1}, 2: {"x": 2}, "label": {"x": 3}})
        assert data.available_splits == ["self", "2", "label"]

    def test_are_shown(self):
        assert repr(ConditionSplitter(s={"x": 1})) == "ConditionSplitter({'s': {'x': 1}})"
        assert repr(RandomSplitter({"a": 0.5, "b": 0.5}, group_by="x", seed=3)) == (
            "RandomSplitter({'a': 0.5, 'b': 0.5}, group_by=['x'], seed=3)"
        )

    def test_at_least_one_split(self):
        with pytest.raises(DataError, match="at least one split"):
            ConditionSplitter()

    def test_arrays_need_a_predicate(self):
        with pytest.raises(DataError, match="'x' holds arrays"):
            ConditionSplitter(s={"x": 1}).split_rows(rows(x=[[1, 2]]))

    def test_what_can_be_gone_through_once_is_refused(self):
        for once in (iter([1]), (value for value in [1]), map(int, "1")):
            with pytest.raises(DataError, match=r"'x' is a .*make it a list or a set"):
                ConditionSplitter(s={"x": once}).split_rows(rows(x=[1]))

    def test_a_predicate_that_fails_is_named(self):
        with pytest.raises(DataError, match="condition on column 'x' failed: ufunc"):
            ConditionSplitter(s={"x": lambda value: value + "a"}).split_rows(rows(x=[1]))

    def test_a_predicate_without_a_name_cannot_be_described(self):
        with pytest.raises(PackagedCodeError, match="is a lambda"):
            ConditionSplitter(s={"x": lambda value: value > 1}).get_config()
