"""What holds for every sampler."""

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DataError, UnknownLabelError
from engine.samplers import BaseSampler, Samples
from tests.engine.samplers.kinds import ROLES, SAMPLERS, bound, data, epoch, take

ROOT = Path(__file__).parents[3]
OPTIONS = [
    {"batch_size": 4},
    {"batch_size": 4, "shuffle": True},
    {"batch_size": 5, "shuffle": True, "seed": 9, "drop_last": True},
    {"batch_size": 5, "shuffle": True, "reshuffle": False},
]
GROUPING = [
    {"batch_size": 3, "shuffle": True, "group_by": "kind"},
    {"batch_size": 6, "shuffle": True, "stratify_by": "kind"},
    {"batch_size": 6, "shuffle": True, "stratify_by": "kind", "strict_stratification": False},
]
CASES = [(kind, options) for kind in SAMPLERS for options in OPTIONS]
CASES += [(kind, options) for kind in ROLES for options in GROUPING]
# What each one draws, in the middle of an epoch, on every machine and with every version.
DIGESTS = {
    "simple": "ea46577efdf9",
    "n": "69ad2b00b214",
    "paired": "e75494233650",
    "triplet": "b40e5d12aeb0",
    "streams": "22d2d22bd905",
}


def digest(batches):
    return hashlib.sha256(json.dumps(batches).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("kind", "options"), CASES)
class TestOrder:
    def test_depends_on_seed_and_epoch_alone(self, kind, options):
        made, again = bound(kind, **options), bound(kind, **options)
        forwards = [epoch(made, number) for number in range(3)]
        assert [epoch(again, number) for number in (2, 1, 0)] == forwards[::-1]
        fixed = not options.get("shuffle") or options.get("reshuffle") is False
        assert len({str(batches) for batches in forwards}) == (1 if fixed else 3)

    def test_next_goes_through_epoch_after_epoch(self, kind, options):
        made = bound(kind, **options)
        expected = epoch(made, 0) + epoch(made, 1)
        assert take(made, len(expected)) == expected
        assert made.get_state()["epoch"] == 2

    def test_goes_on_the_same_from_every_position(self, kind, options):
        made = bound(kind, **options)
        total = made.num_batches + 2
        whole = take(made, total)
        made.reset()
        for position in range(total):
            state = json.loads(json.dumps(made.get_state()))
            resumed = bound(kind, **options)
            resumed.set_state(state)
            assert take(resumed, total - position) == whole[position:]
            assert take(made, 1) == whole[position : position + 1]

    def test_a_loop_gives_the_rest_of_the_epoch(self, kind, options):
        made = bound(kind, **options)
        made.next()
        rest = len(list(made))
        assert rest == made.num_batches - 1
        assert made.get_state() == {"seed": made.used_seed, "epoch": 1, "batch": 0}

    def test_the_configuration_makes_the_same_sampler(self, kind, options):
        made = bound(kind, **options)
        config = json.loads(json.dumps(made.get_config()))
        again = type(made).from_config(config)
        assert again.get_config() == made.get_config()
        again.bind_sources(made.sources)
        assert epoch(again, 1) == epoch(made, 1)


@pytest.mark.parametrize("kind", SAMPLERS)
class TestEverySampler:
    def test_draws_the_same_on_every_machine(self, kind):
        made = bound(kind, batch_size=4, shuffle=True, seed=5)
        assert digest(epoch(made, 7)) == DIGESTS[kind]

    def test_another_seed_draws_another_order(self, kind):
        orders = {str(epoch(bound(kind, shuffle=True, seed=seed), 0)) for seed in range(3)}
        assert len(orders) == 3

    def test_a_seed_left_open_is_the_experiments(self, kind):
        def order(seed, *labels, own=None, looked=True):
            made = bound(kind, batch_size=8, shuffle=True, seed=own)
            if looked:
                epoch(made, 0)
            made.derive_seed(seed, *labels)
            return str(epoch(made, 0))

        assert order(1, "train") == order(1, "train") == order(1, "train", looked=False)
        assert len({order(1, "train"), order(2, "train"), order(1, "other"), order(None)}) == 4
        assert order(1, "train", own=5) == order(2, "other", own=5)

    def test_the_state_brings_its_seed(self, kind):
        one = bound(kind, batch_size=4, shuffle=True, seed=1)
        for options in ({"seed": 2}, {}):
            other = bound(kind, batch_size=4, shuffle=True, **options)
            epoch(other, 0)
            other.set_state(one.get_state())
            assert epoch(other, 3) == epoch(one, 3)

    def test_only_the_last_batch_is_shorter_and_may_be_dropped(self, kind):
        whole, full = bound(kind, batch_size=4), bound(kind, batch_size=4, drop_last=True)
        for stream in whole.stream_names:
            sizes = whole.epoch_batches(0, stream).sizes.tolist()
            assert set(sizes[:-1]) <= {4}
            assert 1 <= sizes[-1] <= 4
            kept = full.epoch_batches(0, stream).sizes.tolist()
            assert kept == [size for size in sizes if size == 4]

    def test_a_saved_one_goes_on_where_it_stood(self, kind, tmp_path):
        made = bound(kind, batch_size=4, shuffle=True, seed=2)
        take(made, 3)
        path = made.save(tmp_path / "mine")
        assert path == tmp_path / "mine.sampler"
        again = BaseSampler.load(path, allow_packaged_code=True)
        assert type(again) is type(made)
        again.bind_sources(made.sources)
        assert again.get_state() == made.get_state()
        assert take(again, 5) == take(made, 5)

    @pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
    def test_the_seed_is_a_whole_number(self, kind, seed):
        with pytest.raises(DataError, match="A seed is a whole number from 0 on, not"):
            SAMPLERS[kind](seed=seed)

    def test_a_copy_goes_its_own_way(self, kind):
        made = bound(kind, batch_size=4, shuffle=True)
        before = epoch(made, 0)
        other = copy.copy(made)
        other.bind_sources([source.take(range(6)) for source in made.sources])
        other.derive_seed(3, "other")
        assert epoch(other, 0) != before
        assert epoch(made, 0) == before

    def test_binding_again_draws_from_the_new_sources_only(self, kind):
        made = bound(kind, batch_size=4)
        made.materialize_batches()
        made.bind_sources([data(6)])
        assert not made.is_materialized
        for stream in made.stream_names:
            assert all(max(batch) < 6 for batch in made.epoch_batches(0, stream))

    def test_bound_again_it_starts_anew_and_is_not_lost(self, kind):
        made = bound(kind, batch_size=4)
        take(made, made.num_batches + 2)
        made.bind_sources([data(6)])
        assert (made.get_state()["epoch"], made.get_state()["batch"]) == (0, 0)
        assert take(made, 1)

    def test_bound_for_the_first_time_it_stays_where_its_state_is(self, kind):
        first = bound(kind, batch_size=4, shuffle=True)
        take(first, 1)
        second = SAMPLERS[kind](batch_size=4, shuffle=True)
        second.set_state(first.get_state())
        second.bind_sources(first.sources)
        assert take(second, 3) == take(first, 3)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"batch": -1}, "batch is a whole number from 0 on, and .* -1"),
            ({"epoch": -1}, "epoch is a whole number from 0 on"),
            ({"batch": "0"}, "batch is a whole number"),
            ({"seed": -4}, "A seed is a whole number"),
        ],
    )
    def test_a_state_that_cannot_be_is_refused_and_changes_nothing(self, kind, change, message):
        made = bound(kind)
        before = made.get_state()
        with pytest.raises(DataError, match=message):
            made.set_state({**before, "seed": 5, **change})
        for name in before:
            with pytest.raises(DataError, match=f"no {name} here"):
                made.set_state({key: value for key, value in before.items() if key != name})
        assert made.get_state() == before

    def test_a_batch_beyond_the_end_is_no_empty_epoch(self, kind):
        made = bound(kind)
        made.set_state({**made.get_state(), "batch": 999})
        for ask in (made.next, lambda: list(made)):
            with pytest.raises(DataError, match=r"stands at batch 999 .* there are"):
                ask()

    def test_a_source_alone_need_not_be_in_a_list(self, kind):
        made, again = SAMPLERS[kind](batch_size=4), SAMPLERS[kind](batch_size=4)
        made.bind_sources(data())
        again.bind_sources([data()])
        assert take(made, 3) == take(again, 3)
        with pytest.raises(DataError, match="draws from feature sets and views, not from 'data'"):
            made.bind_sources(["data"])

    def test_shows_what_it_draws_from(self, kind):
        assert repr(SAMPLERS[kind](batch_size=4)).endswith("(batch_size=4, shuffle=False), unbound")
        assert "23 samples" in repr(bound(kind))

    def test_says_what_it_has(self, kind):
        made = bound(kind, batch_size=4)
        assert made.is_bound
        assert not made.is_materialized
        sampled = made.materialize_batches(show_progress=False)
        assert made.is_materialized
        assert made.sampled is sampled
        assert sampled.stream_names == made.stream_names
        assert sampled.num_streams == made.num_streams == len(made.stream_names)
        assert sampled.num_batches == made.num_batches
        assert made.num_roles == len(made.role_names)
        for stream in made.stream_names:
            assert made.get_batches(stream) == made.get_stream(stream) == sampled.get_stream(stream)

    def test_is_nothing_without_a_source(self, kind):
        made = SAMPLERS[kind]()
        assert not made.is_bound
        with pytest.raises(DataError, match=f"{type(made).__name__} has no source"):
            made.epoch_batches(0)
        with pytest.raises(DataError, match="at least one source"):
            made.bind_sources([])

    def test_an_unknown_stream_is_named_with_those_there_are(self, kind):
        made = bound(kind)
        for ask in (made.get_stream, lambda name: made.epoch_batches(0, name)):
            with pytest.raises(UnknownLabelError, match=r"no stream 'other'.*(Known|Did you mean)"):
                ask("other")

    def test_an_unknown_column_is_named_with_the_nearest(self, kind):
        made = bound(kind, group_by="kin")
        with pytest.raises(UnknownLabelError, match=r"Did you mean .kind.|role .default."):
            made.epoch_batches(0, made.stream_names[0])

    @pytest.mark.parametrize("size", [0, -1, 2.0, "8", True, None])
    def test_the_batch_size_is_a_whole_number(self, kind, size):
        with pytest.raises(DataError, match="whole number from 1 on, not"):
            SAMPLERS[kind](batch_size=size)

    def test_the_batch_size_may_be_of_numpy(self, kind):
        assert SAMPLERS[kind](batch_size=np.int64(4)).batch_size == 4

    def test_groups_and_strata_exclude_each_other(self, kind):
        with pytest.raises(DataError, match="exclude each other"):
            SAMPLERS[kind](group_by="a", stratify_by="a")

    def test_is_a_sampler(self, kind):
        assert isinstance(SAMPLERS[kind](), BaseSampler)


@pytest.mark.parametrize(("kind", "role"), ROLES.items())
class TestByColumns:
    def test_a_batch_has_one_group_of_the_role(self, kind, role):
        made = bound(kind, batch_size=3, shuffle=True, group_by="kind")
        kinds = made.sources[0].column("kind")
        groups = [set(kinds[step["default"][0][role]]) for step in epoch(made, 1)]
        assert all(len(group) == 1 for group in groups)
        assert len(set(map(str, groups))) == 3

    def test_strictly_a_batch_has_the_same_number_of_each(self, kind, role):
        made = bound(kind, batch_size=6, shuffle=True, stratify_by="kind", drop_last=True)
        kinds = made.sources[0].column("kind")
        for step in epoch(made, 1):
            assert sorted(kinds[step["default"][0][role]]) == list("aabbcc")


def test_another_process_draws_the_same():
    program = (
        "from tests.engine.samplers.kinds import SAMPLERS, bound, epoch\n"
        "print([epoch(bound(kind, batch_size=4, shuffle=True), 2) for kind in SAMPLERS])"
    )
    output = subprocess.check_output([sys.executable, "-c", program], text=True, cwd=ROOT)
    here = [epoch(bound(kind, batch_size=4, shuffle=True), 2) for kind in SAMPLERS]
    assert output == f"{here}\n"


def test_groups_may_be_those_of_another_role():
    made = SAMPLERS["triplet"](
        batch_size=3, shuffle=True, group_by="kind", group_by_role="negative", source=data()
    )
    kinds = made.sources[0].column("kind")
    for step in epoch(made, 0):
        roles = step["default"][0]
        assert len(set(kinds[roles["negative"]])) == 1
        assert set(kinds[roles["negative"]]).isdisjoint(kinds[roles["anchor"]])
    with pytest.raises(UnknownLabelError, match=r"no role 'negativ'.*Did you mean 'negative'"):
        SAMPLERS["triplet"](group_by="kind", group_by_role="negativ", source=data()).epoch_batches(
            0
        )


def test_several_streams_need_a_name():
    made = bound("streams")
    with pytest.raises(DataError, match=r"say which: \['alone', 'pairs'\]"):
        made.get_batches()
    assert made.role_names == ["default", "left", "right"]
    assert made.source_of("pairs").n_samples == 11
    assert set(made.next()) == {"alone", "pairs"}


class Made(BaseSampler):
    """Whatever samples a test gives it."""

    def __init__(self, samples, number=0):
        super().__init__()
        self.made = {("only", number): samples}

    def build_samples(self):
        return self.made


@pytest.mark.parametrize(
    ("roles", "weights", "number", "message"),
    [
        ({}, None, 0, "'only' has no role"),
        ({"a": [0]}, None, 1, "'only' draws from source 1, and there are 1"),
        ({"a": [0, 1], "b": [0]}, None, 0, r"differ in length: {'a': 2, 'b': 1}"),
        ({"a": [0, 1]}, {"a": [1]}, 0, r"differ in length: {'a': 2, 'weights of a': 1}"),
        ({"a": [0, 23]}, None, 0, "'a' of the stream 'only' has position 23, .* has 23 samples"),
        ({"a": [-2, 3]}, None, 0, "has position -2"),
    ],
)
def test_samples_that_cannot_be_drawn_are_refused(roles, weights, number, message):
    samples = Samples(
        {role: np.array(positions) for role, positions in roles.items()},
        weights and {role: np.array(values) for role, values in weights.items()},
    )
    made = Made(samples, number)
    made.bind_sources([data()])
    with pytest.raises(DataError, match=message):
        made.epoch_batches(0, "only")


def test_a_sampler_without_a_stream_is_refused():
    made = Made(None)
    made.made = {}
    made.bind_sources([data()])
    with pytest.raises(DataError, match=r"Made\.build_samples\(\) made no stream"):
        made.next()
