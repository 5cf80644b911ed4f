"""Configurations hold every option, are plain values, and make the same again."""

import inspect
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.models import SequentialMLP
from engine.optimizers import Optimizer
from engine.phases import TrainPhase
from tests.engine.experiment.any_plans import EXPERIMENT, LABELS, OPTIONS, groups, phases
from tests.engine.small_experiments import numbers

few = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module", autouse=True)
def context():
    with ExperimentContext().activate() as context:
        made(context)
        yield context


def made(context):
    data = numbers("data")
    for label in ("left", "right"):
        ModelNode(label, SequentialMLP(), data.reference())
    ModelGraph(["left", "right"], Optimizer("adam"), ctx=context)


def assert_stable(thing):
    """Through JSON and back, as often as one likes."""
    config = thing.get_config()
    text = json.dumps(config, allow_nan=False)
    again = type(thing).from_config(json.loads(text))
    assert again.get_config() == config
    assert json.dumps(type(thing).from_config(again.get_config()).get_config()) == text
    return again


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_argument_is_in_the_configuration(kind):
    arguments = set(inspect.signature(kind).parameters)
    assert arguments == {*OPTIONS[kind], "label"}


@few
@given(drawn=phases())
def test_of_phases_hold_everything(drawn):
    phase, options = drawn
    again = assert_stable(phase)

    config = again.get_config()
    assert set(config) == {*options, "label"}
    for name, value in options.items():
        if isinstance(value, str | int | float | bool | None):
            assert config[name] == value, name
    for name in ("losses", "callbacks", "metrics"):
        assert len(config.get(name, [])) >= len(options.get(name, []))


@few
@given(drawn=phases(TrainPhase))
def test_bindings_that_shared_a_sampler_share_one(drawn):
    phase, _ = drawn
    first, second = (binding.sampler for binding in phase.input_sources)

    again, other = (one.sampler for one in TrainPhase.from_config(phase.get_config()).input_sources)

    assert (again is other) == (first is second)
    assert again.get_config() == first.get_config()
    assert other.get_config() == second.get_config()


@few
@given(group=groups())
def test_of_groups_in_groups_hold_everything(group):
    again = assert_stable(group)

    assert [type(one) for one in again.flatten()] == [type(one) for one in group.flatten()]
    assert [one.label for one in again.flatten()] == [one.label for one in group.flatten()]


@few
@given(
    label=LABELS,
    options=st.fixed_dictionaries(EXPERIMENT),
    plan=groups(),
)
def test_of_experiments_hold_everything(context, label, options, plan):
    own = ExperimentContext()
    for node in context.available_nodes.values():
        own.register_experiment_node(node)
    own.register_model_graph(context.model_graph)
    with own.activate():
        experiment = Experiment(label, ctx=own, **options)
    experiment.execution_plan.add_item(plan)
    with ExperimentContext().activate() as empty:
        empty.register_experiment_node(context.get_node("data"))
        text = json.dumps(experiment.get_config(), allow_nan=False)

        again = Experiment.from_config(json.loads(text))

        assert json.dumps(again.get_config()) == text
        assert set(again.get_config()) == {
            *options,
            "label",
            "model_graph",
            "execution_plan",
        }
        assert again.seed == options["seed"]
        assert empty.registration_policy.value == options["registration_policy"]
        assert empty.model_graph is again.model_graph is not context.model_graph
        assert empty.get_experiment() is again


def test_making_an_experiment_of_a_configuration_makes_no_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ExperimentContext().activate():
        options = {"mode": "disk", "save_on": "phase_end", "directory": "checkpoints"}
        config = Experiment("a", seed=1).get_config()
        config["checkpointing"] = {"class": "engine.callbacks:Checkpointing", "config": options}
        Experiment.from_config(config)
    assert list(tmp_path.iterdir()) == []
