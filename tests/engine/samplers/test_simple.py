import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.batches import BatchView, SampledView
from engine.context import ExperimentContext
from engine.errors import DataError
from engine.features import FeatureSet
from engine.samplers import SimpleSampler

OPTIONS = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 9),
        "shuffle": st.booleans(),
        "reshuffle": st.booleans(),
        "drop_last": st.booleans(),
        "seed": st.none() | st.integers(0, 2**40),
    },
    optional={"group_by": st.just("kind"), "stratify_by": st.just("kind")},
).filter(lambda options: not {"group_by", "stratify_by"} <= set(options))
KINDS = st.lists(st.integers(0, 3), min_size=1, max_size=40)


def source(kinds):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict(
            "source", {"x": range(len(kinds)), "kind": list(kinds)}, "x", (), "kind"
        )


def sampler(options, kinds):
    """A bound sampler that has batches to give."""
    made = SimpleSampler(**options, strict_stratification=False, source=source(kinds))
    assume(made.num_batches)
    return made


def batches(made, epoch):
    return [batch.tolist() for batch in made.epoch_batches(epoch)]


def take(made, number):
    """The next batches, as lists of the source's rows."""
    return [made.next()["default"].role_indices["default"].tolist() for _ in range(number)]


class TestEpochs:
    @given(OPTIONS, KINDS, st.integers(0, 3))
    def test_every_sample_comes_once_unless_the_last_batch_is_dropped(self, options, kinds, epoch):
        made = SimpleSampler(**options, strict_stratification=False, source=source(kinds))
        seen = [at for batch in batches(made, epoch) for at in batch]
        assert len(set(seen)) == len(seen)
        if options["drop_last"]:
            full = options["batch_size"]
            assert {len(batch) for batch in batches(made, epoch)} <= {full}
            left = Counter(kinds) if "group_by" in options else {"all": len(kinds)}
            assert len(seen) == sum(count // full * full for count in left.values())
        else:
            assert sorted(seen) == list(range(len(kinds)))
            assert all(batches(made, epoch))

    @given(OPTIONS, KINDS)
    def test_an_epoch_depends_on_seed_and_number_alone(self, options, kinds):
        made, again = (
            SimpleSampler(**options, strict_stratification=False, source=source(kinds))
            for _ in range(2)
        )
        forwards = [batches(made, epoch) for epoch in range(3)]
        backwards = [batches(again, epoch) for epoch in reversed(range(3))]
        assert forwards == backwards[::-1]

    def test_each_epoch_has_an_order_of_its_own_unless_told_otherwise(self):
        fresh = SimpleSampler(batch_size=10, shuffle=True, source=source(range(50)))
        fixed = SimpleSampler(
            batch_size=10, shuffle=True, reshuffle=False, source=source(range(50))
        )
        assert len({str(batches(fresh, epoch)) for epoch in range(4)}) == 4
        assert len({str(batches(fixed, epoch)) for epoch in range(4)}) == 1
        assert batches(fixed, 3) == batches(fresh, 0)

    def test_unshuffled_batches_follow_the_source(self):
        made = SimpleSampler(batch_size=3, source=source(range(7)).take([6, 5, 4, 3, 2, 1, 0]))
        assert batches(made, 0) == batches(made, 1) == [[0, 1, 2], [3, 4, 5], [6]]
        views = made.get_batches()
        assert views[0].get_role_view().column("x").tolist() == [6, 5, 4]

    def test_the_order_is_the_same_on_every_machine(self):
        made = SimpleSampler(batch_size=4, shuffle=True, seed=5, source=source(range(8)))
        assert batches(made, 0) == [[3, 0, 2, 6], [5, 7, 4, 1]]
        assert batches(made, 7) == [[3, 1, 7, 4], [0, 2, 5, 6]]
        program = (
            "from engine.features import FeatureSet; from engine.samplers import SimpleSampler\n"
            "data = FeatureSet.from_dict('d', {'x': range(1000)}, 'x')\n"
            "made = SimpleSampler(batch_size=100, shuffle=True, seed=1, source=data)\n"
            "print([batch.tolist() for batch in made.epoch_batches(3)])"
        )
        output = subprocess.check_output([sys.executable, "-c", program], text=True)
        made = SimpleSampler(batch_size=100, shuffle=True, seed=1, source=source(range(1000)))
        assert output == f"{batches(made, 3)}\n"

    def test_shuffling_is_random(self):
        made = SimpleSampler(batch_size=2500, shuffle=True, source=source([0] * 10_000))
        first = made.epoch_batches(0)[0]
        assert np.histogram(first, 4)[0] == pytest.approx(625, abs=110)


class TestGroups:
    @given(OPTIONS, KINDS, st.integers(0, 2))
    def test_a_batch_has_one_group(self, options, kinds, epoch):
        options = {k: v for k, v in options.items() if k != "stratify_by"} | {"group_by": "kind"}
        for batch in batches(sampler(options, kinds), epoch):
            assert len({kinds[at] for at in batch}) == 1

    def test_shuffled_groups_take_turns(self):
        kinds = [0] * 50 + [1] * 50
        made = SimpleSampler(batch_size=5, shuffle=True, group_by="kind", source=source(kinds))
        turns = [kinds[batch[0]] for batch in batches(made, 0)]
        assert turns != sorted(turns)


class TestStrata:
    @given(KINDS, st.integers(1, 9), st.integers(0, 2))
    def test_a_batch_mirrors_the_proportions(self, kinds, size, epoch):
        made = SimpleSampler(
            batch_size=size,
            shuffle=True,
            stratify_by="kind",
            strict_stratification=False,
            source=source(kinds),
        )
        for batch in batches(made, epoch):
            got = Counter(kinds[at] for at in batch)
            for kind, count in Counter(kinds).items():
                assert abs(got[kind] - len(batch) * count / len(kinds)) <= 2

    @given(KINDS, st.integers(1, 3), st.booleans())
    @example([0, 0, 0, 1, 1, 1, 1], 2, False)
    def test_strictly_a_batch_has_the_same_number_of_each(self, kinds, share, drop_last):
        rarest = min(Counter(kinds).values())
        made = SimpleSampler(
            batch_size=share * len(set(kinds)),
            shuffle=True,
            stratify_by="kind",
            drop_last=drop_last,
            source=source(kinds),
        )
        drawn = [Counter(kinds[at] for at in batch) for batch in batches(made, 1)]
        assert all(set(counts) == set(kinds) for counts in drawn)
        assert all(len(set(counts.values())) == 1 for counts in drawn)
        seen = [at for batch in batches(made, 1) for at in batch]
        assert len(set(seen)) == len(seen)
        expected = rarest // share * share if drop_last else rarest
        assert len(seen) == expected * len(set(kinds))

    def test_a_size_that_cannot_be_shared_is_refused(self):
        made = SimpleSampler(batch_size=5, stratify_by="kind", source=source([0, 1]))
        with pytest.raises(DataError, match="cannot be shared equally by 2 values"):
            made.epoch_batches(0)


class TestResuming:
    @given(OPTIONS, KINDS)
    @example(
        {"batch_size": 2, "shuffle": True, "reshuffle": True, "drop_last": False, "seed": 3},
        [0] * 7,
    )
    def test_goes_on_the_same_from_every_position(self, options, kinds):
        made = sampler(options, kinds)
        total = made.num_batches * 2 + 1
        whole = take(made, total)
        made.reset()
        for position in range(total):
            resumed = sampler(options, kinds)
            resumed.set_state(made.get_state())
            assert take(resumed, total - position) == whole[position:]
            assert take(made, 1) == whole[position : position + 1]

    @given(OPTIONS, KINDS)
    def test_next_goes_through_epoch_after_epoch(self, options, kinds):
        made = sampler(options, kinds)
        expected = batches(made, 0) + batches(made, 1)
        assert take(made, len(expected)) == expected

    def test_a_loop_gives_the_rest_of_the_epoch(self):
        made = SimpleSampler(batch_size=2, shuffle=True, seed=1, source=source(range(7)))
        made.next()
        rest = [views["default"].role_indices["default"].tolist() for views in made]
        assert rest == batches(made, 0)[1:]
        assert made.get_state() == {"seed": 1, "epoch": 1, "batch": 0}
        assert len(list(made)) == 4
        assert made.get_state()["epoch"] == 2


class TestSeeds:
    def test_left_open_without_an_experiment_it_is_fixed(self):
        made = [SimpleSampler(batch_size=9, shuffle=True, source=source(range(9))) for _ in "ab"]
        assert batches(made[0], 0) == batches(made[1], 0)


class TestBatches:
    def test_materialized_batches_are_views(self):
        made = SimpleSampler(batch_size=3, source=source(range(7)))
        assert made.is_bound
        assert not made.is_materialized
        sampled = made.materialize_batches(show_progress=False)
        assert made.is_materialized
        assert isinstance(sampled, SampledView)
        assert sampled.stream_names == made.stream_names == ["default"]
        assert sampled.num_streams == made.num_streams == 1
        assert sampled.num_batches == made.num_batches == 3
        assert made.role_names == ["default"]
        assert made.num_roles == 1
        views = made.get_batches("default")
        assert views == made.get_stream("default") == sampled.to_dict()["default"]
        assert all(isinstance(view, BatchView) for view in views)
        assert [len(view) for view in views] == [3, 3, 1]

    def test_binding_again_draws_from_the_new_source_only(self):
        made = SimpleSampler(batch_size=3, group_by="kind", source=source([0] * 7))
        made.materialize_batches()
        made.bind_sources([source([0, 1])])
        assert batches(made, 0) == [[0], [1]]
        assert made.sampled.num_batches == 2

    def test_fewer_samples_than_a_batch_leave_nothing(self):
        made = SimpleSampler(batch_size=9, drop_last=True, source=source(range(7)))
        assert made.num_batches == 0
        assert list(made) == []
        with pytest.raises(DataError, match="There is no batch"):
            made.next()

    @given(OPTIONS)
    def test_the_configuration_makes_the_same_sampler(self, options):
        made = SimpleSampler(**options)
        again = SimpleSampler.from_config(made.get_config())
        assert again.get_config() == made.get_config()
        for one in (made, again):
            one.strict_stratification = False
            one.bind_sources([source([0, 1, 2] * 5)])
        assert batches(again, 2) == batches(made, 2)


@pytest.mark.parametrize(
    "options", [{}, {"stratify_by": "t"}, {"group_by": "t"}, {"drop_last": True}]
)
@pytest.mark.parametrize("strict", [True, False])
def test_of_no_samples_there_is_no_batch_and_it_says_why(options, strict):
    with ExperimentContext.dont_register():
        some = FeatureSet.from_dict("some", {"x": [1, 2], "t": list("ab")}, "x", (), "t")
    made = SimpleSampler(
        batch_size=4, strict_stratification=strict, source=some.take([]), **options
    )
    assert list(made) == []
    with pytest.raises(DataError, match="no batch: the stream 'default' has no samples"):
        made.next()
