"""Experiments of every kind that a file must hold, made the same way in every process."""

import copy

from sklearn.linear_model import LinearRegression

from engine.callbacks import Accuracy, EarlyStopping, Evaluation
from engine.cross_validation import CrossValidation, CVBinding
from engine.experiment import Experiment
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.models import SequentialMLP
from engine.optimizers import Optimizer, Scheduler
from engine.phases import EvalPhase, FitPhase, InputBinding, PhaseGroup, Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import (
    classes,
    classifier,
    cross_entropy,
    fresh,
    mse,
    numbers,
    resumable,
)


def sampler(batch_size=10, **options):
    return SimpleSampler(batch_size=batch_size, shuffle=True, **options)


def adam(**options):
    return Optimizer("adam", opt_kwargs={"lr": 0.01}, **options)


def stages():
    """Nested groups: an estimator is fitted, then what comes after it trained, twice."""
    experiment = Experiment("stages", seed=5)
    first, second = numbers("first"), numbers("second", columns=3, seed=1)
    line = ModelNode("line", LinearRegression(), first.reference())
    net = ModelNode("net", SequentialMLP(output_shape=(2,), dropout=0.3), second.reference())
    both = ConcatNode("both", [line, net], concat_axis_targets="first")
    ModelNode("head", SequentialMLP(n_layers=1), both)
    ModelGraph(["line", "net", "both", "head"], adam())
    fit = FitPhase.from_split("fit", split="train", active_nodes=["line"])
    options = {"losses": [mse("head")], "batch_schedule": "zip_cycle", "accumulate": 2}
    train = TrainPhase.from_split(
        "train", split="train", sampler=sampler(), n_epochs=2, clip_norm=1.0, **options
    )
    bound = [
        InputBinding.for_training(node=node, sampler=sampler(size, seed=size), split="train")
        for node, size in (("line", 7), ("net", 7))
    ]
    schedule = Scheduler("steplr", {"step_size": 1})
    again = TrainPhase("again", input_sources=bound, n_epochs=2, scheduler=schedule, **options)
    inner = PhaseGroup("inner", [train, EvalPhase.from_split("test", split="val")])
    experiment.execution_plan.add_phase(fit).add_group(PhaseGroup("outer", [inner, again]))
    return experiment


def alone():
    """A phase that is run by itself and belongs to no plan."""
    experiment = Experiment("alone", seed=6)
    classifier(classes())
    return experiment


def lone_phase():
    stopping = EarlyStopping(monitor="val_loss", patience=9, restore_best=True)
    watched = Evaluation.from_split(
        label="val", split="val", losses=[cross_entropy()], metrics=[Accuracy()]
    )
    return TrainPhase.from_split(
        "lone",
        split="train",
        sampler=sampler(24),
        losses=[cross_entropy()],
        n_epochs=3,
        callbacks=[watched, stopping],
    )


def folded(**options):
    """A cross-validation, with a scaler that each fold fits anew."""
    experiment = resumable(n_epochs=2, batch_size=24)
    data = experiment.ctx.get_node("clouds")
    data.fit_transform("StandardScaler", domain="features", fit_to_split="train")
    binding = CVBinding(data, ["train", "val"], stratify_by="y")
    strategy = CrossValidation(bindings=binding, n_folds=2, seed=4, keep_weights=True)
    return strategy, experiment


def planned_folds():
    """A cross-validation in a plan."""
    strategy, experiment = folded()
    experiment.execution_plan.clear()
    experiment.execution_plan.add_group(strategy.group)
    return experiment


def run_plan(experiment):
    experiment.run()


def run_alone(experiment):
    experiment.run_phase(lone_phase())


def run_folds(experiment):
    data = experiment.ctx.get_node("clouds")
    binding = CVBinding(data, ["train", "val"], stratify_by="y")
    CrossValidation(bindings=binding, n_folds=2, seed=4, keep_weights=True).run()


# How each is made, how it is run, and after which steps it is stopped.
KINDS = {
    "small": (resumable, run_plan, (1, 5, 7)),
    "stages": (stages, run_plan, (2, 3, 8)),
    "alone": (alone, run_alone, (1, 3, 5)),
    "folds": (lambda: folded()[1], run_folds, (2, 6, 8)),
    "planned": (planned_folds, run_plan, (3, 7)),
}


class StopAfter(Reporter):
    def __init__(self, experiment, step):
        self.experiment, self.step = experiment, step

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.request_stop()


def begun(kind, *, stop=None):
    """The experiment of this kind, run to its end or stopped after a step."""
    make, run, _ = KINDS[kind]
    experiment = fresh(make)
    if stop is not None:
        experiment.add_reporter(StopAfter(experiment, stop))
    with experiment.ctx.activate():
        run(experiment)
    assert experiment.last_run.status == ("completed" if stop is None else "stopped")
    return experiment


def outcome(experiment):
    """All that must be equal in the end, as plain values that a file holds."""
    run = experiment.last_run
    return {
        "graph": copy.deepcopy(experiment.model_graph.get_state()),
        "step": experiment.step,
        "status": run.status,
        "results": experiment.get_state()["history"][-1]["results"],
        "durations": list(run.phase_durations),
    }
