"""The public names that programs are written against, with the arguments they are called by.

`documented_names.txt` and `further_names.txt` hold a class a line, with the names of what it takes;
indented below it what it has. Behind `*` stand the keywords; `_` may have any name. A default is
the one that a call without the argument gets.
"""

import ast
import enum
import importlib
import inspect
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import engine
from engine.phases import InputBinding
from engine.phases.display import EVAL_FLAGS, TRAIN_FLAGS
from engine.results import MetricResult, PhaseGroupResults
from tests.engine.small_experiments import classes, resumable


class Name(NamedTuple):
    owner: str
    name: str
    # None for what is not called.
    arguments: tuple[str, ...] | None
    defaults: dict[str, str]


def names(file):
    owner = ""
    for line in (Path(__file__).parent / file).read_text().splitlines():
        indent, name, called, inner = re.fullmatch(r"(\s*)([\w.]+)(\((.*)\))?", line).groups()
        arguments, defaults = parsed(inner) if called else (None, {})
        if not indent:
            owner = name
        yield Name(owner, name if indent else "", arguments, defaults)


def parsed(inner):
    """The arguments' names in order, and the defaults that are written beside them."""
    [function] = ast.parse(f"def f({inner}): ...").body
    given = function.args
    late = [None] * (len(given.args) - len(given.defaults)) + given.defaults
    pairs = [*zip(given.args, late, strict=True)]
    keywords = [*zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    names = [one.arg for one, _ in pairs] + ["*"] * bool(keywords)
    names += [one.arg for one, _ in keywords]
    found = {one.arg: ast.unparse(value) for one, value in pairs + keywords if value is not None}
    return tuple(names), found


NAMES = [*names("documented_names.txt"), *names("further_names.txt")]
CALLED = [one for one in NAMES if one.arguments is not None]
READ = [one for one in NAMES if one.arguments is None]


def owner_of(name):
    """`Experiment` is the package's own, `samplers.BaseSampler` a room's."""
    room, _, label = name.owner.rpartition(".")
    place = importlib.import_module(f"engine.{room}") if room else engine
    return getattr(place, label)


def shown(name):
    return f"{name.owner}.{name.name}" if name.name else name.owner


def signature(name):
    """Without `self`, as the caller sees it."""
    owner = owner_of(name)
    if not name.name:
        return inspect.signature(owner)
    signature = inspect.signature(getattr(owner, name.name))
    if not inspect.isfunction(inspect.getattr_static(owner, name.name)):
        return signature
    return signature.replace(parameters=list(signature.parameters.values())[1:])


@pytest.mark.parametrize("name", CALLED, ids=shown)
def test_what_is_called_takes_its_arguments_and_needs_no_others(name):
    owner = owner_of(name)
    if isinstance(owner, type) and issubclass(owner, enum.Enum) and not name.name:
        return
    split = name.arguments.index("*") if "*" in name.arguments else len(name.arguments)
    in_order, by_name = name.arguments[:split], name.arguments[split + 1 :]
    takes = signature(name)
    takes.bind(*in_order, **dict.fromkeys(by_name))
    if "_" not in in_order:
        takes.bind(**dict.fromkeys([*in_order, *by_name]))
    # Those that come in an order come in this one.
    known = [one for one in takes.parameters if one in in_order]
    assert known == [one for one in in_order if one in known]


# Where ours is another on purpose, and why.
OTHER_DEFAULTS = {
    "Loss(reduction='none')": "a loss is one number a batch: the mean that its name promises",
}


def shown_default(name, argument):
    return f"{shown(name)}({argument}={name.defaults[argument]})"


def test_what_is_left_out_has_its_documented_default():
    others = {
        shown_default(name, argument)
        for name in CALLED
        for argument in name.defaults
        if not is_default(default(name, argument), value(name.defaults[argument]))
    }
    assert others == set(OTHER_DEFAULTS)


def is_default(found, expected):
    if isinstance(found, enum.Enum) and isinstance(expected, str):
        found = found.value
    return type(found) is type(expected) and found == expected


def default(name, argument):
    """The argument's default; of one that is passed on, where it is passed to."""
    passed_on = {"add_train": engine.TrainPhase, "add_eval": engine.EvalPhase}
    kind = next((one for key, one in passed_on.items() if name.name.startswith(key)), None)
    takes = signature(name).parameters
    if argument in {**TRAIN_FLAGS, **EVAL_FLAGS} and argument not in takes:
        return {**EVAL_FLAGS, **TRAIN_FLAGS}[argument]
    if argument not in takes:
        takes = inspect.signature(kind or owner_of(name)).parameters
    return takes[argument].default


def value(text):
    """What a default in the lists means."""
    enumeration, _, member = text.partition(".")
    if member and enumeration.isidentifier():
        return getattr(getattr(engine, enumeration), member)
    return ast.literal_eval(text)


@pytest.fixture
def there():
    """One of each class that says some things only once it is made."""
    experiment = resumable()
    data = experiment.ctx.get_node("clouds")
    phase = experiment.execution_plan.get_train_phase("train")
    evaluation, stopping = phase.callbacks
    return {
        "PhaseGroupResults": PhaseGroupResults("all"),
        "InputBinding": InputBinding.for_evaluation(node="net", split="val"),
        "FeatureSetView": data["train"],
        "callbacks.EvaluationCallbackResult": engine.results.EvaluationCallbackResult(
            eval_results=engine.EvalResults("val")
        ),
        "callbacks.MetricCallback": engine.callbacks.MetricCallback(name="speed"),
        "callbacks.MetricResult": MetricResult(metric_name="speed", metric_value=1.0),
        "Callback": stopping,
        "EarlyStopping": stopping,
        "Evaluation": evaluation,
        "Experiment": experiment,
        "ExperimentContext": experiment.ctx,
        "FeatureSet": data,
        "ModelGraph": experiment.model_graph,
        "ModelNode": experiment.ctx.get_node("net"),
        "graph.GraphNode": experiment.ctx.get_node("net"),
        "PhaseGroup": experiment.execution_plan,
        "TrainPhase": phase,
    }


def test_what_is_read_is_there(there):
    for name in READ:
        assert hasattr(there.get(name.owner, owner_of(name)), name.name), shown(name)


def test_every_class_is_listed_once_in_its_file():
    for file in ("documented_names.txt", "further_names.txt"):
        owners = [one.owner for one in names(file) if not one.name]
        assert len(owners) == len(set(owners))


def test_a_node_makes_bindings_of_its_own():
    resumable()
    node = engine.ExperimentContext.get_active().get_node("net")
    sampler = engine.SimpleSampler(batch_size=8)

    trained = node.create_input_binding(sampler=sampler, split="train")
    evaluated = node.create_input_binding(split="val")

    assert trained == InputBinding.for_training(node=node, sampler=sampler, split="train")
    assert evaluated == InputBinding.for_evaluation(node="net", split="val")


def test_nodes_show_themselves_in_a_box():
    data = classes("shown")
    node = engine.ModelNode("small", engine.SequentialMLP(output_shape=(3,)), data)
    before = node.summary()
    engine.ModelGraph([node], optimizer=engine.Optimizer("adam")).build()

    assert "not built" in before
    rows = dict(line.strip("│ ").split(maxsplit=1) for line in node.summary().splitlines()[1:-1])
    assert rows == {
        "model": "SequentialMLP",
        "input": "(6,)",
        "inputs": "shown",
        "output": "(3,)",
        "optimizer": "the graph's",
        "state": "trainable",
    }
