import math
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError, UnknownLabelError
from engine.features import FeatureSet
from engine.splitters import RandomSplitter

RATIOS = st.lists(st.integers(1, 20), min_size=1, max_size=4).map(
    lambda parts: {f"s{i}": part / sum(parts) for i, part in enumerate(parts)}
)
SEEDS = st.integers(0, 2**40)


def rows(values):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("rows", {"x": list(values), "g": list(values)}, "x", (), "g")


def split(splitter, values):
    """The positions of each split; a split that would be empty is not what is tested."""
    try:
        return splitter.split_rows(rows(values))
    except DataError as error:
        assume("would be empty" not in str(error))
        raise


class TestByRow:
    @given(st.integers(1, 200), RATIOS, SEEDS)
    def test_every_row_is_in_exactly_one_split(self, n, ratios, seed):
        parts = split(RandomSplitter(ratios, seed=seed), range(n))
        assert list(parts) == list(ratios)
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(n))
        for positions in parts.values():
            assert (np.diff(positions) > 0).all()

    @given(st.integers(1, 200), RATIOS)
    @example(10, {"train": 0.7, "test": 0.3})
    @example(1000, {"a": 0.29, "b": 0.71})
    def test_sizes_are_the_ratios_rounded(self, n, ratios):
        parts = split(RandomSplitter(ratios), range(n))
        for label, ratio in ratios.items():
            share = ratio * n
            assert len(parts[label]) in (math.floor(share + 1e-9), math.ceil(share - 1e-9))

    def test_a_seed_gives_the_same_split_everywhere(self):
        parts = split(RandomSplitter({"a": 0.5, "b": 0.5}, seed=3), range(8))
        assert parts["a"].tolist() == [1, 2, 6, 7]
        program = (
            "from engine.splitters import *; import types, sys\n"
            "rows = types.SimpleNamespace(n_samples=1000)\n"
            "parts = RandomSplitter({'a': 0.5, 'b': 0.5}).split_rows(rows)\n"
            "print(parts['a'].tolist())"
        )
        output = subprocess.check_output([sys.executable, "-c", program], text=True)
        here = split(RandomSplitter({"a": 0.5, "b": 0.5}), range(1000))["a"].tolist()
        assert output == f"{here}\n"

    def test_another_seed_gives_another_split(self):
        parts = [
            split(RandomSplitter({"a": 0.5, "b": 0.5}, seed=seed), range(100))["a"].tolist()
            for seed in range(5)
        ]
        assert len(set(map(tuple, parts))) == 5

    def test_it_is_random(self):
        part = split(RandomSplitter({"a": 0.5, "b": 0.5}), range(10_000))["a"]
        # Half of each quarter, within five standard deviations.
        assert np.histogram(part, 4)[0] == pytest.approx(1250, abs=110)


class TestByGroup:
    @given(st.lists(st.integers(0, 30), min_size=1, max_size=100), RATIOS, SEEDS)
    def test_groups_stay_together_and_every_row_is_placed(self, groups, ratios, seed):
        parts = split(RandomSplitter(ratios, group_by="g", seed=seed), groups)
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(groups)))
        kinds = [{groups[at] for at in positions} for positions in parts.values()]
        assert sum(map(len, kinds)) == len(set(groups))

    def test_sizes_are_near_the_ratios(self):
        groups = np.repeat(np.arange(100), 10)
        parts = split(RandomSplitter({"a": 0.7, "b": 0.2, "c": 0.1}, group_by="g"), groups)
        assert [len(part) for part in parts.values()] == [700, 200, 100]

    def test_groups_are_chosen_at_random(self):
        groups = np.repeat(np.arange(20), 3)
        chosen = {
            tuple(split(RandomSplitter({"a": 0.5, "b": 0.5}, group_by="g", seed=seed), groups)["a"])
            for seed in range(5)
        }
        assert len(chosen) == 5

    def test_several_columns_make_finer_groups(self):
        with ExperimentContext.dont_register():
            data = FeatureSet.from_dict(
                "d",
                {"x": range(8), "a": [0, 0, 0, 0, 1, 1, 1, 1], "b": list("ppqqppqq")},
                "x",
                (),
                ["a", "b"],
            )
        parts = RandomSplitter({"s": 0.25, "t": 0.75}, group_by=["a", "b"]).split_rows(data)
        assert [len(part) for part in parts.values()] == [2, 6]
        assert all((part[::2] + 1 == part[1::2]).all() for part in parts.values())

    def test_missing_values_are_one_group(self):
        groups = ["a", None, "b", None, "a", "b"]
        with ExperimentContext.dont_register():
            data = FeatureSet.from_dict("d", {"x": range(6), "g": groups}, "x", (), "g")
        parts = RandomSplitter({"s": 1 / 3, "t": 2 / 3}, group_by="g").split_rows(data)
        assert parts["s"].tolist() in ([0, 4], [1, 3], [2, 5])

    def test_too_few_groups_are_named(self):
        with pytest.raises(DataError, match=r"Split 'b' .* would be empty: .* groups of \['g'\]"):
            RandomSplitter({"a": 0.9, "b": 0.1}, group_by="g").split_rows(rows([1, 1, 2, 2]))

    def test_columns_are_checked(self):
        with pytest.raises(UnknownLabelError, match="no column 'h'"):
            RandomSplitter({"a": 0.5, "b": 0.5}, group_by="h").split_rows(rows([1, 2]))
        arrays = rows([[1, 2], [3, 4]])
        with pytest.raises(DataError, match=r"'x' holds arrays of shape \(2,\)"):
            RandomSplitter({"a": 0.5, "b": 0.5}, group_by="x").split_rows(arrays)


class TestByStratum:
    @given(st.lists(st.integers(0, 5), min_size=1, max_size=150), RATIOS, SEEDS)
    def test_sizes_are_exact_and_strata_are_spread_evenly(self, strata, ratios, seed):
        parts = split(RandomSplitter(ratios, stratify_by="g", seed=seed), strata)
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(strata)))
        for label, ratio in ratios.items():
            assert abs(len(parts[label]) - ratio * len(strata)) < 1
            for kind in set(strata):
                got = sum(strata[at] == kind for at in parts[label])
                assert abs(got - ratio * strata.count(kind)) < 1 + 1e-9

    @example(list(range(100)), {"a": 0.7, "b": 0.15, "c": 0.15})
    @example([0] * 3 + [1] * 3 + [2] * 4, {"a": 0.5, "b": 0.25, "c": 0.25})
    @given(st.lists(st.integers(0, 9), min_size=1, max_size=60), RATIOS)
    def test_sizes_are_those_without_strata(self, strata, ratios):
        parts = split(RandomSplitter(ratios, stratify_by="g"), strata)
        plain = split(RandomSplitter(ratios), strata)
        assert [len(part) for part in parts.values()] == [len(part) for part in plain.values()]

    def test_which_strata_are_rounded_up_is_random(self):
        strata = [kind for kind in range(9) for _ in range(3)]
        chosen = set()
        for seed in range(40):
            part = split(RandomSplitter({"a": 0.5, "b": 0.5}, stratify_by="g", seed=seed), strata)
            chosen.add(tuple(sum(strata[at] == kind for at in part["a"]) for kind in range(9)))
        assert len(chosen) > 20

    def test_within_a_stratum_it_is_random(self):
        strata = [0, 1] * 20
        chosen = {
            tuple(
                split(RandomSplitter({"a": 0.5, "b": 0.5}, stratify_by="g", seed=seed), strata)["a"]
            )
            for seed in range(5)
        }
        assert len(chosen) == 5

    def test_strict_refuses_values_too_rare_for_every_split(self):
        ratios = {"a": 0.8, "b": 0.2}
        strata = [0] * 20 + [1]
        RandomSplitter(ratios, stratify_by="g").split_rows(rows(strata))
        with pytest.raises(DataError, match=r"gets none of 1 of the 2 values .* of row 20"):
            RandomSplitter(ratios, stratify_by="g", strict_stratification=True).split_rows(
                rows(strata)
            )
        RandomSplitter(ratios, stratify_by="g", strict_stratification=True).split_rows(
            rows([0] * 20 + [1] * 20)
        )


class TestArguments:
    @pytest.mark.parametrize(
        ("ratios", "message"),
        [
            ({"a": 0.5, "b": 0.4}, "add up to 0.9, not to 1"),
            ({"a": 1.2, "b": -0.2}, r"split 'a' is 1\.2; it must be in \(0, 1\]"),
            ({"a": 1.0, "b": 0.0}, "split 'b' is 0.0"),
            ({"a": math.nan}, "split 'a' is nan"),
            ({}, "add up to 0"),
        ],
    )
    def test_ratios_are_value_errors_unless_they_make_one(self, ratios, message):
        with pytest.raises(ValueError, match=message):
            RandomSplitter(ratios)

    @pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True])
    def test_the_seed_is_a_whole_number(self, seed):
        with pytest.raises(DataError, match="A seed is a whole number from 0 on, not"):
            RandomSplitter({"a": 1}, seed=seed)

    def test_ratios_that_are_nearly_one_leave_nobody_out(self):
        n = 3_000_000
        ratios = {"a": 0.3333333, "b": 0.3333333, "c": 0.3333333}
        rows = types.SimpleNamespace(n_samples=n)
        parts = RandomSplitter(ratios).split_rows(rows)
        assert [len(part) for part in parts.values()] == [n // 3] * 3

    def test_thirds_make_one(self):
        RandomSplitter({"a": 0.3333333, "b": 0.3333333, "c": 0.3333333})

    def test_groups_and_strata_exclude_each_other(self):
        with pytest.raises(DataError, match="exclude each other"):
            RandomSplitter({"a": 1}, group_by="g", stratify_by="g")

    def test_a_split_that_would_be_empty_is_named(self):
        with pytest.raises(DataError, match="would be empty: there are too few samples"):
            RandomSplitter({"a": 0.9, "b": 0.1}).split_rows(rows([1, 2]))
