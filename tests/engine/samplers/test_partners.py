"""The search for partners against plain Python that looks at all pairs."""

import math
from collections import Counter
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError
from engine.features import FeatureSet
from engine.samplers import SimilarityCondition, boxes, partners
from engine.samplers.partners import PartnerSearch


def apart(a, b):
    """A metric that is no difference."""
    return abs(a % 3 - b % 3)


def refuse(a, b):
    raise ArithmeticError("bad")


NUMBERS = st.sampled_from([-2.5, -1.0, 0.0, -0.0, 0.5, 1.0, 1.5, 4.0, math.nan, math.inf])
COLUMNS = {
    "x": NUMBERS,
    "whole": st.integers(-3, 3) | st.just(2**62),
    "label": st.sampled_from(["a", "b", "c"]) | st.none(),
    "flag": st.booleans(),
}
CONDITION = st.builds(
    SimilarityCondition,
    mode=st.sampled_from(["similar", "dissimilar"]),
    tolerance=st.sampled_from([0.0, 0.5, 1.0, 2.5]),
    metric=st.none(),
    weight_mode=st.sampled_from(["binary", "linear", "exp"]),
    max_weight=st.sampled_from([1.0, 1.7, 20.0]),
    min_weight=st.sampled_from([0.0, 0.3]),
    allow_fallback=st.booleans(),
)
CONDITIONS = st.dictionaries(st.sampled_from(list(COLUMNS)), CONDITION, min_size=1, max_size=3)
DATA = st.integers(2, 24).flatmap(
    lambda n: st.fixed_dictionaries(
        {name: st.lists(values, min_size=n, max_size=n) for name, values in COLUMNS.items()}
    )
)


def source(data):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("d", {"f": range(len(data["x"])), **data}, "f", (), list(data))


def pairs_of(data, conditions):
    """For every two samples: whether they match, and what they count."""
    n = len(data["x"])
    found = {}
    for a in range(n):
        for b in range(n):
            scores = [one.score(data[name][a], data[name][b]) for name, one in conditions.items()]
            match = all(score >= 1 for score in scores)
            score = math.prod(scores)
            if a != b and score > 0:
                found[a, b] = (match, score if match else min(score, np.nextafter(1, 0)))
    return found


def chosen(data, conditions, count, *, best_only=False, seed=0):
    search = PartnerSearch(source(data).to_view(), conditions, seed)
    found = search.choose(count, best_only=best_only)
    return [
        dict(zip(positions[:n].tolist(), scores[:n].tolist(), strict=True))
        for positions, scores, n in zip(*found, strict=True)
    ]


@contextmanager
def in_boxes(smallest=2):
    """However few the candidates are, they are sought in boxes, and small ones."""
    with patch.object(partners, "_MANY", 0), patch.object(boxes, "SMALLEST", smallest):
        yield


class TestAgreesWithPlainPython:
    @pytest.mark.parametrize("few", [0, 32])
    @pytest.mark.parametrize("smallest", [None, 1, 3])
    @settings(max_examples=60)
    @given(DATA, CONDITIONS, st.integers(1, 4), st.booleans())
    @example(
        {"x": [math.nan] * 3, "whole": [0] * 3, "label": [None] * 3, "flag": [True] * 3},
        {"x": SimilarityCondition("dissimilar", allow_fallback=True, weight_mode="linear")},
        2,
        True,
    )
    def test_on_any_data(self, few, smallest, data, conditions, count, best_only):
        expected = pairs_of(data, conditions)
        looking = nullcontext() if smallest is None else in_boxes(smallest)
        with patch.object(partners, "_FEW", few), patch.object(partners, "_AT_ONCE", 50), looking:
            found = chosen(data, conditions, count, best_only=best_only)
        for anchor, others in enumerate(found):
            possible = {b: pair for (a, b), pair in expected.items() if a == anchor}
            assert len(others) == min(count, len(possible))
            assert all(score == pytest.approx(possible[b][1]) for b, score in others.items())
            kinds = [possible[b] for b in others]
            ranked = sorted(possible.values(), reverse=True)[: len(kinds)]
            if best_only:
                assert sorted(kinds, reverse=True) == ranked
            assert sum(match for match, _ in kinds) == sum(match for match, _ in ranked)

    @settings(max_examples=20)
    @given(DATA, CONDITIONS)
    def test_with_room_for_all_it_finds_all(self, data, conditions):
        found = chosen(data, conditions, len(data["x"]))
        pairs = {(a, b): score for a, others in enumerate(found) for b, score in others.items()}
        expected = {pair: score for pair, (_, score) in pairs_of(data, conditions).items()}
        assert pairs == pytest.approx(expected)

    @pytest.mark.parametrize("best_only", [True, False])
    @pytest.mark.parametrize("fallback", [True, False])
    @pytest.mark.parametrize("mode", ["similar", "dissimilar"])
    def test_among_many_samples_in_several_columns(self, best_only, fallback, mode):
        random = np.random.RandomState(5)
        n = 90
        data = {
            "x": random.random_sample(n).tolist(),
            "whole": random.randint(0, 40, n).tolist(),
            "label": np.array(list("abcd"))[random.randint(0, 4, n)].tolist(),
        }
        data["x"][::50] = [math.nan] * 2
        options = {"weight_mode": "exp", "max_weight": 9, "allow_fallback": fallback}
        conditions = {
            "x": SimilarityCondition(tolerance=0.3, **options),
            "whole": SimilarityCondition(mode, 4, **options),
            "label": SimilarityCondition("dissimilar"),
        }
        expected = pairs_of(data, conditions)
        with in_boxes(), patch.object(partners, "_MOST_DRAWN", 0):
            found = chosen(data, conditions, 3, best_only=best_only)
        for anchor, others in enumerate(found):
            possible = {b: expected[anchor, b] for b in range(n) if (anchor, b) in expected}
            ranked = sorted(possible.values(), reverse=True)[: len(others)]
            assert len(others) == min(3, len(possible))
            assert all(possible[b] == (possible[b][0], score) for b, score in others.items())
            if best_only:
                assert sorted((possible[b] for b in others), reverse=True) == ranked
            assert sum(possible[b][0] for b in others) == sum(match for match, _ in ranked)

    def test_at_the_very_edge_of_the_tolerance(self):
        values = [0.1 * step for step in range(40)]
        data = {"x": values}
        for mode in ("similar", "dissimilar"):
            for tolerance in (0.1, 0.2, 0.3, 0.7):
                conditions = {"x": SimilarityCondition(mode, tolerance)}
                found = chosen(data, conditions, len(values))
                expected = pairs_of(data, conditions)
                assert {(a, b) for a, others in enumerate(found) for b in others} == set(expected)

    def test_what_was_drawn_is_not_found_a_second_time(self):
        data = {"x": [float(value) for value in range(60)]}
        conditions = {"x": SimilarityCondition(metric=lambda a, b: abs(a % 10 - b % 10))}
        for seed in range(20):
            for others in chosen(data, conditions, 5, seed=seed):
                assert len(others) == 5

    def test_the_farthest_is_found_among_missing_values(self):
        far = SimilarityCondition(
            "dissimilar", 100, weight_mode="linear", max_weight=9, allow_fallback=True
        )
        data = {"x": [0.0, 1.0, 2.0, 9.0] + [math.nan] * 8}
        found = chosen(data, {"x": far}, 1, best_only=True)
        assert [list(others) for others in found[:4]] == [[3], [3], [3], [0]]


class TestByChance:
    @pytest.mark.parametrize("n", [12, 60])
    @pytest.mark.parametrize("mode", ["similar", "dissimilar"])
    @pytest.mark.parametrize("looking", [nullcontext, in_boxes])
    def test_every_match_is_as_likely_as_another(self, n, mode, looking):
        half = n // 2 if mode == "dissimilar" else 0
        data = {"x": [0.0] * (n - half) + [5.0] * half}
        conditions = {"x": SimilarityCondition(mode)}
        drawn = Counter()
        with looking():
            for seed in range(400):
                drawn.update(chosen(data, conditions, 2, seed=seed)[0].keys())
        matches = half or n - 1
        assert len(drawn) == matches
        mean = 800 / matches
        assert max(drawn.values()) < mean + 5 * math.sqrt(mean)
        assert min(drawn.values()) > mean - 5 * math.sqrt(mean)

    def test_equally_good_ones_too(self):
        data = {"x": [0.0] * 100}
        near = {"x": SimilarityCondition(tolerance=1, weight_mode="linear", max_weight=9)}
        drawn = Counter()
        for seed in range(30):
            drawn.update(chosen(data, near, 2, best_only=True, seed=seed)[0].keys())
        assert len(drawn) > 40

    def test_the_seed_alone_decides(self):
        data = {"x": [float(value % 7) for value in range(300)]}
        conditions = {"x": SimilarityCondition(tolerance=2)}
        first, again = (chosen(data, conditions, 2, seed=4) for _ in range(2))
        assert first == again
        assert first != chosen(data, conditions, 2, seed=5)


class TestColumns:
    def test_times_are_compared_in_seconds(self):
        times = np.array(["2024-01-01T00:00:00", "2024-01-01T00:00:30", "NaT"], "datetime64[s]")
        with ExperimentContext.dont_register():
            data = FeatureSet.from_dict("d", {"f": range(3), "t": times}, "f", (), "t").to_view()
        near = PartnerSearch(data, {"t": SimilarityCondition(tolerance=30)}, 0)
        assert near.choose(2, best_only=False).counts.tolist() == [1, 1, 0]
        nearer = PartnerSearch(data, {"t": SimilarityCondition(tolerance=29)}, 0)
        assert nearer.choose(2, best_only=False).counts.tolist() == [0, 0, 0]

    def test_days_are_compared_to_the_second(self):
        days = np.datetime64("2024-01-01") + np.arange(300)
        with ExperimentContext.dont_register():
            data = FeatureSet.from_dict("d", {"f": range(300), "t": days}, "f", (), "t").to_view()
        for number in (1, 49, 98):
            near = PartnerSearch(data, {"t": SimilarityCondition(tolerance=86400 * number)}, 0)
            assert near.choose(300, best_only=False).counts[0] == number

    def test_large_whole_numbers_are_not_confused(self):
        data = {"x": [2**60, 2**60 + 1, 2**60 + 1]}
        assert [list(one) for one in chosen(data, {"x": SimilarityCondition()}, 2)] == [
            [],
            [2],
            [1],
        ]

    def test_a_metric_decides_alone_what_is_near(self):
        data = {"x": [0, 1, 3, 4, 6]}
        conditions = {"x": SimilarityCondition(metric=apart)}
        expected = pairs_of(data, conditions)
        found = chosen(data, conditions, 5)
        assert {(a, b) for a, others in enumerate(found) for b in others} == set(expected)

    def test_of_many_values_it_is_asked_by_the_pair(self):
        data = {"x": [float(value) for value in range(30)]}
        conditions = {"x": SimilarityCondition(metric=apart)}
        with patch.object(partners.Comparison, "_table", None):
            by_pair = chosen(data, conditions, 30)
        assert by_pair == chosen(data, conditions, 30)

    def test_arrays_are_compared_by_a_metric(self):
        with ExperimentContext.dont_register():
            data = FeatureSet.from_dict("d", {"x": [[0, 0], [0, 1], [9, 9]]}, "x").to_view()
        condition = SimilarityCondition(
            tolerance=1, metric=lambda a, b: float(np.abs(a - b).sum()), weight_mode="linear"
        )
        found = PartnerSearch(data, {"x": condition}, 0).choose(2, best_only=False)
        assert found.counts.tolist() == [1, 1, 0]
        with pytest.raises(DataError, match=r"'x' holds arrays of shape \(2,\).* needs a metric"):
            PartnerSearch(data, {"x": SimilarityCondition()}, 0)

    def test_a_metric_that_fails_is_named_with_its_column(self):
        with pytest.raises(DataError, match="condition on column 'x' failed: bad"):
            chosen({"x": [1, 0]}, {"x": SimilarityCondition(metric=refuse)}, 1)

    def test_a_metric_is_not_asked_about_what_is_missing(self):
        data = {"x": [math.nan, 1.0, 1.0]}
        conditions = {"x": SimilarityCondition(metric=lambda a, b: float(int(a) - int(b)))}
        assert [list(one) for one in chosen(data, conditions, 2)] == [[], [2], [1]]
