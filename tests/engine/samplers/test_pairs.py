"""Samples together with others: pairs, triplets, any number of roles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError, PackagedCodeError, UnknownLabelError
from engine.features import FeatureSet
from engine.samplers import NSampler, PairedSampler, SimilarityCondition, TripletSampler

SIMILAR, DISSIMILAR = SimilarityCondition(), SimilarityCondition("dissimilar")
LABELS = st.lists(st.sampled_from("abc"), min_size=3, max_size=16).filter(
    lambda labels: len(set(labels)) > 1 and len(set(labels)) < len(labels)
)


def source(**columns):
    n = len(next(iter(columns.values())))
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("few", {"f": range(n), **columns}, "f", (), list(columns))


def tuples(made):
    """All that is drawn in an epoch, in order, as positions by role."""
    roles = made.role_names
    (batch,) = [made.epoch_batches(0).roles(0)] if made.num_batches == 1 else [None]
    return roles, list(zip(*(batch[role].tolist() for role in roles), strict=True))


def distance(a, b):
    return abs(a - b)


class TestTriplets:
    @settings(max_examples=40)
    @given(LABELS, st.integers(1, 5))
    def test_agree_with_plain_python(self, labels, count):
        made = TripletSampler(
            {"t": SIMILAR},
            {"t": DISSIMILAR},
            max_samples_per_anchor=count,
            batch_size=10**6,
            source=source(t=labels),
        )
        roles, drawn = tuples(made)
        assert roles == ["anchor", "positive", "negative"]
        by_anchor = {}
        for anchor, positive, negative in drawn:
            assert labels[positive] == labels[anchor] != labels[negative]
            assert positive != anchor
            by_anchor.setdefault(anchor, []).append((positive, negative))
        assert [anchor for anchor, _, _ in drawn] == sorted(anchor for anchor, _, _ in drawn)
        for anchor, label in enumerate(labels):
            positives = min(labels.count(label) - 1, count)
            negatives = min(len(labels) - labels.count(label), count)
            found = by_anchor.get(anchor, [])
            assert len(found) == (max(positives, negatives) if min(positives, negatives) else 0)
            assert len(set(found)) == len(found)
            if found:
                assert len({positive for positive, _ in found}) == positives
                assert len({negative for _, negative in found}) == negatives

    def test_an_anchor_without_a_partner_in_some_role_is_left_out(self):
        made = TripletSampler(
            {"t": SIMILAR}, {"t": DISSIMILAR}, batch_size=99, source=source(t=list("aab"))
        )
        assert tuples(made)[1] == [(0, 1, 2), (1, 0, 2)]


class TestPairs:
    def test_the_nearest_are_the_best(self):
        near = SimilarityCondition(tolerance=2, weight_mode="linear", max_weight=4)
        made = PairedSampler(
            {"x": near},
            max_pairs_per_anchor=1,
            choose_best_only=True,
            batch_size=99,
            source=source(x=[0.0, 1.0, 1.5, 9.0]),
        )
        roles, drawn = tuples(made)
        assert roles == ["anchor", "pair"]
        assert drawn == [(0, 1), (1, 2), (2, 1)]
        assert made.epoch_batches(0).weights(0)["pair"].tolist() == [2, 4, 4]

    def test_weights_follow_their_pairs_in_every_batch(self):
        values = np.random.RandomState(0).random_sample(40)
        near = SimilarityCondition(tolerance=0.1, weight_mode="exp", max_weight=9)
        made = PairedSampler({"x": near}, batch_size=7, shuffle=True, source=source(x=values))
        assert made.num_batches > 5
        for view in made.get_batches():
            positions, weights = view.role_indices, view.role_indice_weights["pair"]
            apart = np.abs(values[positions["anchor"]] - values[positions["pair"]])
            assert weights == pytest.approx(np.exp(1 - apart / 0.1), rel=1e-5)
            batch = view.materialize_batch()
            assert batch.role_weights["pair"].tolist() == weights.tolist()
            assert batch.role_weights["anchor"].tolist() == [1] * len(view)
            assert batch.role_masks["pair"].tolist() == [1] * len(view)
            assert batch.role_data["pair"].tags[:, 0].tolist() == (
                values[positions["pair"]].tolist()
            )

    def test_the_score_of_several_columns_is_their_product(self):
        made = PairedSampler(
            {
                "x": SimilarityCondition(tolerance=2, weight_mode="linear", max_weight=9),
                "t": SimilarityCondition(allow_fallback=True),
            },
            batch_size=99,
            source=source(x=[0.0, 1.0, 9.0, 9.5], t=list("aaab")),
        )
        assert tuples(made)[1] == [(0, 1), (1, 0), (2, 3), (3, 2)]
        weights = made.epoch_batches(0).weights(0)["pair"]
        assert weights.tolist() == pytest.approx([2, 2, 0.4, 0.4])

    def test_pairs_that_all_count_one_have_no_weights(self):
        made = PairedSampler({"t": SIMILAR}, source=source(t=list("aab")))
        assert made.epoch_batches(0).weights(0) is None

    def test_fallback_comes_only_where_matches_are_too_few(self):
        made = PairedSampler(
            {"t": SimilarityCondition(allow_fallback=True)},
            max_pairs_per_anchor=2,
            batch_size=99,
            source=source(t=list("aaab")),
        )
        weights = made.epoch_batches(0).weights(0)["pair"].tolist()
        assert weights == pytest.approx([1, 1, 1, 1, 1, 1, 0.1, 0.1])

    def test_a_view_is_searched_by_its_own_positions(self):
        view = source(t=list("abcab")).take([4, 3, 1])
        made = PairedSampler({"t": SIMILAR}, batch_size=9, source=view)
        assert tuples(made)[1] == [(0, 2), (2, 0)]
        assert made.get_batches()[0].get_role_view("pair").indices.tolist() == [1, 4]


class TestRoles:
    def test_roles_are_those_of_the_mapping(self):
        made = NSampler(
            {"same": {"t": SIMILAR}, "near": {"x": SimilarityCondition(tolerance=1)}},
            batch_size=99,
            source=source(t=list("abab"), x=[0.0, 1.0, 5.0, 1.5]),
        )
        roles, drawn = tuples(made)
        assert roles == ["anchor", "same", "near"]
        assert drawn == [(0, 2, 1), (1, 3, drawn[1][2]), (1, 3, drawn[2][2]), (3, 1, 1)]
        assert {drawn[1][2], drawn[2][2]} == {0, 3}

    def test_metrics_survive_the_configuration_by_name(self):
        condition = SimilarityCondition(tolerance=1, metric=distance)
        assert SimilarityCondition.from_config(condition.get_config()) == condition
        with pytest.raises(PackagedCodeError, match="is a lambda"):
            SimilarityCondition(metric=lambda a, b: 0).get_config()


class TestRefusals:
    def test_no_pair_says_what_the_columns_hold(self):
        made = PairedSampler({"t": SIMILAR}, source=source(t=list("abc")))
        with pytest.raises(
            DataError,
            match=r"for the role 'pair': no two of 3 samples meet its condition on 't' similar "
            r"with a tolerance of 0, and it has 3 different values in 3 samples\.$",
        ):
            made.epoch_batches(0)

    @pytest.mark.parametrize(
        ("columns", "conditions", "message"),
        [
            (
                {"x": [0.0, 1.0, math.nan]},
                {"x": SimilarityCondition(tolerance=0.5)},
                r"of 0.5, and its 2 different values lie between 0.0 and 1.0, 1 of 3 missing",
            ),
            (
                {"x": [1.0, 1.0], "t": ["a", "b"]},
                {"x": SIMILAR, "t": SIMILAR},
                r"conditions on 'x' similar .* it has the one value 1.0 in all samples; on 't'",
            ),
            ({"t": ["a", "a"]}, {"t": DISSIMILAR}, "'t' dissimilar with a tolerance of 0"),
            ({"t": [None, None]}, {"t": SIMILAR}, "'t' similar .* it has no value at all"),
            (
                {"x": [1, 3]},
                {"x": SimilarityCondition(metric=distance)},
                "tolerance of 0 by distance",
            ),
        ],
    )
    def test_each_kind_of_column_says_its_own(self, columns, conditions, message):
        made = PairedSampler(conditions, source=source(**columns))
        with pytest.raises(DataError, match=message):
            made.epoch_batches(0)

    def test_roles_that_never_meet_are_counted(self):
        made = TripletSampler(
            {"t": SIMILAR}, {"x": DISSIMILAR}, source=source(t=list("aab"), x=[1, 1, None])
        )
        with pytest.raises(DataError, match="no two of 3 samples"):
            made.epoch_batches(0)
        made = TripletSampler(
            {"t": SIMILAR}, {"x": DISSIMILAR}, source=source(t=list("aabc"), x=[None, None, 1, 2])
        )
        with pytest.raises(
            DataError,
            match="in every role: 2 have one as 'positive', 2 have one as 'negative'",
        ):
            made.epoch_batches(0)

    def test_one_sample_makes_no_pair(self):
        with pytest.raises(DataError, match="pairs samples with others, and 'few' has 1"):
            PairedSampler({"t": SIMILAR}, source=source(t=["a"])).epoch_batches(0)
        with pytest.raises(DataError, match="others, and a view of 'few' has 1"):
            PairedSampler({"t": SIMILAR}, source=source(t=["a"]).take([0])).epoch_batches(0)

    def test_counts_may_be_of_numpy(self):
        made = PairedSampler({"t": SIMILAR}, max_pairs_per_anchor=np.int64(2))
        assert made.max_pairs_per_anchor == 2

    def test_an_unknown_column_suggests_the_nearest(self):
        with pytest.raises(UnknownLabelError, match=r"no column 'labl'.*Did you mean 'label'"):
            PairedSampler({"labl": SIMILAR}, source=source(label=["a", "a"])).epoch_batches(0)

    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            ({}, "no role"),
            ({"anchor": {"t": SIMILAR}}, "other than 'anchor', not 'anchor'"),
            ({"a.b": {"t": SIMILAR}}, "without dots.* not 'a.b'"),
            ({"": {"t": SIMILAR}}, "not ''"),
            ({"pair": {}}, "role 'pair' needs a condition by column"),
            ({"pair": SIMILAR}, "role 'pair' needs a condition by column"),
            ({"pair": {"t": "similar"}}, "has 'similar' for the column 't', which is no Similar"),
        ],
    )
    def test_the_mapping_is_checked(self, mapping, message):
        with pytest.raises(DataError, match=message):
            NSampler(mapping)

    @pytest.mark.parametrize("count", [0, -1, 2.5, True, None])
    def test_the_number_of_partners_is_checked(self, count):
        with pytest.raises(DataError, match="from 1 on, not"):
            PairedSampler({"t": SIMILAR}, max_pairs_per_anchor=count)
