import numpy as np
import pytest

from engine.errors import CheckpointError
from engine.experiment import Experiment
from engine.graph import ModelGraph
from engine.optimizers import Optimizer
from engine.phases import InputBinding
from engine.phases.feed import Feed
from engine.phases.schedule import BatchSchedulingPolicy
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import line, numbers


@pytest.fixture
def data():
    Experiment("small", seed=1)
    data = numbers("data")
    for label in "ab":
        line(label, data)
    ModelGraph(optimizer=Optimizer("adam"))
    return data


def sampler(size=10, **options):
    return SimpleSampler(batch_size=size, shuffle=True, **options)


def feed(*samplers, seed=1, place=("train",), split="train", **options):
    """One input per sampler, in the order of the nodes."""
    bindings = [
        InputBinding.for_training(node=node, sampler=one, split=split)
        if one is not None
        else InputBinding.for_evaluation(node=node, split=split)
        for node, one in zip("ab", samplers, strict=False)
    ]
    formats = {"a": "torch", "b": "torch"}
    return Feed(bindings, seed=seed, place=place, formats=formats, **options)


def order(of, epoch, node="a"):
    steps = of.begin_epoch(epoch)
    found = []
    for step in range(steps):
        inputs, _ = of.step(step)
        views = {key[0]: view for key, view in inputs.items()}
        if node in views:
            found += views[node].role_indices["default"].tolist()
    return found


def test_an_open_seed_comes_from_the_experiment_and_the_place(data):
    first = order(feed(sampler()), 0)

    assert order(feed(sampler()), 0) == first
    assert order(feed(sampler(), seed=2), 0) != first
    assert order(feed(sampler(), place=("other",)), 0) != first
    assert order(feed(sampler(seed=5), seed=2), 0) == order(feed(sampler(seed=5)), 0)


def test_equal_samplers_of_the_same_rows_draw_the_same_batches_once(data):
    both = feed(sampler(), sampler())

    assert order(both, 3, "a") == order(both, 3, "b")
    assert len(both.get_state()) == 1


def test_different_samplers_draw_for_themselves(data):
    both = feed(sampler(10), sampler(15))

    assert both.begin_epoch(0) == 2
    assert order(both, 0, "a") != order(both, 0, "b")
    assert len(both.get_state()) == 2


def test_a_steps_samples_are_counted(data):
    short = feed(sampler(20))
    assert [short.step(step)[1] for step in range(short.begin_epoch(0))] == [20, 10]

    turns = feed(sampler(10), sampler(15), policy=BatchSchedulingPolicy.ALTERNATE_STRICT)
    assert [turns.step(step)[1] for step in range(turns.begin_epoch(0))] == [10, 15, 10, 15]


def test_without_a_sampler_rows_come_in_order_whole_or_in_parts(data):
    assert order(feed(None), 0) == list(range(30))
    parts = feed(None, batch_size=8)
    assert [parts.step(step)[1] for step in range(parts.begin_epoch(0))] == [8, 8, 8, 6]


def test_it_goes_on_in_the_order_of_its_state_whatever_the_seeds_now(data):
    first = feed(sampler())
    other = feed(sampler(seed=99), seed=7)
    assert order(other, 2) != order(first, 2)

    other.set_state(first.get_state(), "train")

    assert order(other, 2) == order(first, 2)


def test_other_rows_or_sources_are_refused(data):
    state = feed(sampler()).get_state()

    with pytest.raises(CheckpointError, match="'train' now draws from other samples of 'data'"):
        feed(sampler(), split="val").set_state(state, "train")
    with pytest.raises(CheckpointError, match="draws from 2 sources, and in the checkpoint from 1"):
        feed(sampler(10), sampler(15)).set_state(state, "train")


def test_equal_rows_of_changed_data_are_refused(data):
    state = feed(sampler()).get_state()
    frame = data.to_pandas()
    changed = {name: frame[f"features.{name}.raw"].to_numpy() for name in ("x0", "x1")}
    changed["x0"] = np.append(changed["x0"][:-1], np.float32(9.0))

    Experiment("again", seed=1)
    from engine.features import FeatureSet

    other = FeatureSet.from_dict(
        "data", {**changed, "y": frame["targets.y.raw"].to_numpy()}, ["x0", "x1"], ["y"]
    )
    other.split_random({"train": 0.75, "val": 0.25}, seed=2)
    line("a", other)
    ModelGraph(optimizer=Optimizer("adam"))

    with pytest.raises(CheckpointError, match="Load the same data"):
        feed(sampler()).set_state(state, "train")
