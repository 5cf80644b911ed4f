import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DataError
from engine.samplers import SimilarityCondition

NUMBERS = st.floats(-100, 100)
MIDNIGHT = dt.datetime.fromisoformat("2024-01-01T00:00:00")
HALF_PAST = MIDNIGHT + dt.timedelta(seconds=30)
CONDITIONS = st.builds(
    SimilarityCondition,
    mode=st.sampled_from(["similar", "dissimilar"]),
    tolerance=st.floats(0, 50),
    weight_mode=st.sampled_from(["binary", "linear", "exp"]),
    max_weight=st.floats(1, 100),
    min_weight=st.floats(0, 0.9),
    allow_fallback=st.booleans(),
)


class TestMatching:
    @given(CONDITIONS, NUMBERS, NUMBERS)
    def test_matches_score_at_least_one_and_others_less(self, condition, a, b):
        near = abs(a - b) <= condition.tolerance
        score = condition.score(a, b)
        if near == (condition.mode == "similar"):
            assert 1 <= score <= condition.max_weight
        elif condition.allow_fallback:
            assert condition.min_weight <= score < 1 or score == pytest.approx(0.1)
        else:
            assert score == 0

    @given(CONDITIONS, NUMBERS, st.lists(NUMBERS, min_size=2, max_size=6))
    def test_better_pairs_never_score_less(self, condition, anchor, others):
        ordered = sorted(others, key=lambda other: abs(anchor - other))
        scores = condition.scores(anchor, ordered)
        if condition.mode == "similar":
            scores = scores[::-1]
        assert (np.diff(scores) >= 0).all()

    @given(CONDITIONS, NUMBERS, st.lists(NUMBERS, min_size=1, max_size=5))
    def test_many_at_once_score_as_one_by_one(self, condition, anchor, others):
        scores = condition.scores(anchor, np.array(others))
        assert scores.tolist() == [condition.score(anchor, other) for other in others]

    def test_texts_are_equal_or_not(self):
        assert SimilarityCondition().score("a", "a") == 1
        assert SimilarityCondition(tolerance=9).score("a", "b") == 0
        assert SimilarityCondition("dissimilar", tolerance=9).score("a", "b") == 1
        assert SimilarityCondition().score("1", 1) == 0

    @pytest.mark.parametrize("mode", ["similar", "dissimilar"])
    @pytest.mark.parametrize(
        ("a", "b"), [(math.nan, 1.0), (1.0, math.nan), (None, "a"), ("a", None)]
    )
    def test_what_is_missing_matches_nothing(self, mode, a, b):
        assert SimilarityCondition(mode, tolerance=5).score(a, b) == 0
        fallback = SimilarityCondition(mode, 5, weight_mode="linear", allow_fallback=True)
        assert fallback.score(a, b) == 0

    @pytest.mark.parametrize("missing", [math.nan, None, pd.NA, pd.NaT, np.datetime64("NaT")])
    @pytest.mark.parametrize("known", ["a", 1, MIDNIGHT, dt.timedelta(1)])
    def test_missing_it_is_whatever_the_other_one_is(self, missing, known):
        for mode in ("similar", "dissimilar"):
            condition = SimilarityCondition(mode, tolerance=5)
            assert condition.score(missing, known) == condition.score(known, missing) == 0
            assert condition.score(missing, missing) == 0
        assert SimilarityCondition().scores(known, [missing, known, missing]).tolist() == [0, 1, 0]

    def test_numbers_beside_missing_ones_keep_their_distance(self):
        scores = SimilarityCondition(tolerance=1).scores(1.0, [1.5, None, 3, pd.NA])
        assert scores.tolist() == [1, 0, 0, 0]

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            (np.datetime64("2024-01-01T00:00:00"), np.datetime64("2024-01-01T00:00:30")),
            (np.datetime64("2024-01-01"), HALF_PAST),
            (MIDNIGHT, pd.Timestamp("2024-01-01 00:00:30")),
            (
                pd.Timestamp("2024-01-01 01:00", tz="Europe/Berlin"),
                HALF_PAST,
            ),
            (dt.timedelta(0), pd.Timedelta(30, "s")),
            (np.timedelta64(0, "ms"), np.timedelta64(30, "s")),
        ],
    )
    def test_times_lie_apart_in_seconds(self, a, b):
        for one, other in ((a, b), (b, a)):
            assert SimilarityCondition(tolerance=30).score(one, other) == 1
            assert SimilarityCondition(tolerance=29.9).score(one, other) == 0

    def test_whole_days_lie_apart_to_the_second(self):
        first = dt.date(2024, 1, 1)
        for days in range(1, 400):
            within = SimilarityCondition(tolerance=86400 * days)
            assert within.score(first, first + dt.timedelta(days)) == 1
            assert within.score(first, first + dt.timedelta(days + 1)) == 0

    def test_a_time_is_unlike_anything_else(self):
        assert SimilarityCondition(tolerance=9).score(dt.date(1970, 1, 1), 0) == 0
        assert SimilarityCondition(tolerance=9).score(dt.timedelta(0), dt.date(1970, 1, 1)) == 0

    def test_large_whole_numbers_are_told_apart(self):
        assert SimilarityCondition().score(2**60, 2**60 + 1) == 0
        assert SimilarityCondition("dissimilar").score(2**60, 2**60 + 1) == 1
        assert SimilarityCondition(tolerance=1).score(-(2**63), -(2**63) + 1) == 1
        assert SimilarityCondition(tolerance=2.0**63).score(-(2**63), 2**63 - 1) == 0
        assert SimilarityCondition().score(0.5, 0) == 0
        assert SimilarityCondition().score(0, 0.5) == 0

    def test_equal_infinities_do_not_lie_apart(self):
        condition = SimilarityCondition(tolerance=1)
        assert condition.scores(math.inf, [math.inf, -math.inf, 1.0]).tolist() == [1, 0, 0]

    def test_a_metric_of_ones_own(self):
        condition = SimilarityCondition(tolerance=1, metric=lambda a, b: abs(len(a) - len(b)))
        assert condition.score("abc", "ab") == 1
        assert condition.score("abc", "a") == 0


class TestWeights:
    def test_linear_is_the_ratio_of_tolerance_and_distance(self):
        condition = SimilarityCondition(
            tolerance=2, weight_mode="linear", max_weight=10, allow_fallback=True
        )
        assert condition.scores(0, [0, 0.5, 1, 2, 4]).tolist() == [10, 4, 2, 1, 0.5]
        apart = SimilarityCondition(
            "dissimilar", 2, weight_mode="linear", max_weight=10, allow_fallback=True
        )
        assert apart.scores(0, [0, 1, 4, 90]).tolist() == [0, 0.5, 2, 10]

    def test_exp_is_its_exponential(self):
        condition = SimilarityCondition(
            tolerance=2, weight_mode="exp", max_weight=10, allow_fallback=True
        )
        assert condition.scores(0, [0, 2, 4]) == pytest.approx([math.e, 1, 1 / math.e])
        apart = SimilarityCondition(
            "dissimilar", 2, weight_mode="exp", max_weight=10, allow_fallback=True
        )
        assert apart.scores(0, [0, 4, 90]) == pytest.approx([1 / math.e, math.e, 10])

    def test_without_any_tolerance_only_equals_match(self):
        for weight_mode in ("linear", "exp"):
            condition = SimilarityCondition(weight_mode=weight_mode, max_weight=7)
            assert condition.scores(1, [1, 2]).tolist() == [7, 0]
            apart = SimilarityCondition("dissimilar", weight_mode=weight_mode, max_weight=7)
            assert apart.scores(1, [1, 2]).tolist() == [0, 7]

    def test_a_binary_fallback_counts_a_tenth(self):
        assert SimilarityCondition(allow_fallback=True).scores(1, [1, 2]).tolist() == [1, 0.1]


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"mode": "similiar"}, "Did you mean 'similar'"),
            ({"weight_mode": "expo"}, "Did you mean 'exp'"),
            ({"tolerance": -1}, "not be negative, and is -1"),
            ({"tolerance": math.nan}, "not be negative"),
            ({"tolerance": math.inf}, "must be finite"),
            ({"metric": 3}, "function of two values, and is 3"),
            ({"max_weight": 0.5}, "at least 1"),
            ({"min_weight": 1}, r"in \[0, 1\)"),
        ],
    )
    def test_are_checked(self, arguments, message):
        with pytest.raises(DataError, match=message):
            SimilarityCondition(**arguments)

    @given(CONDITIONS)
    def test_survive_their_configuration(self, condition):
        assert SimilarityCondition.from_config(condition.get_config()) == condition
