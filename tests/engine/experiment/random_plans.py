"""Plans of every kind, made by chance: what they are, and the experiments that carry them out."""

import copy

import torch
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from engine.callbacks import EarlyStopping, Evaluation
from engine.cross_validation import CrossValidation, CVBinding
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.optimizers import Optimizer, Scheduler
from engine.phases import EvalPhase, FitPhase, InputBinding, PhaseGroup, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import mse, numbers

SCHEDULES = ("zip_strict", "zip_cycle", "alternate_strict", "alternate_cycle")


@st.composite
def trainings(draw):
    both = draw(st.booleans())
    stopping = draw(st.booleans())
    return {
        "kind": "train",
        "both": both,
        "schedule": draw(st.sampled_from(SCHEDULES)) if both else "zip_strict",
        "n_epochs": draw(st.integers(1, 5 if stopping else 2)),
        "stopping": stopping,
        "scheduler": draw(st.sampled_from([None, "step", "epoch"])),
        "accumulate": draw(st.sampled_from([1, 1, 2, 3])),
        "clip_norm": draw(st.sampled_from([None, 0.1])),
        "precision": draw(st.sampled_from(["float32", "float32", "bfloat16"])),
        "sizes": draw(st.tuples(st.integers(7, 12), st.integers(4, 9))),
        "drop_last": draw(st.booleans()),
    }


OTHERS = st.sampled_from([{"kind": "eval"}, {"kind": "fit"}])
FOLDS = trainings().map(lambda training: {"kind": "folds", "items": [{**training, "both": False}]})
LEAVES = st.one_of(trainings(), trainings(), OTHERS, FOLDS)
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=2).map(
        lambda items: {"kind": "group", "items": items}
    ),
    max_leaves=3,
)
# Something to be interrupted is always there.
PLANS = st.tuples(st.lists(ITEMS, max_size=2), trainings(), st.lists(ITEMS, max_size=1)).map(
    lambda parts: [*parts[0], parts[1], *parts[2]]
)


def branch(label, data):
    layers = (torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(4, 1))
    return ModelNode(label, torch.nn.Sequential(*layers), data)


class Builder:
    def __init__(self, plan):
        self.experiment = Experiment("any", seed=8)
        self.data = numbers("first"), numbers("second", rows=24, seed=1)
        torch.manual_seed(0)
        nodes = [branch("left", self.data[0]), branch("right", self.data[1])]
        ModelGraph([*nodes, ModelNode("ridge", Ridge(), self.data[0])], Optimizer("adam"))
        self.fits_left = _count(plan, "fit")
        self.number = 0
        self.experiment.execution_plan.add_items([self.item(one) for one in plan])

    def item(self, spec):
        self.number += 1
        label = f"{spec['kind']}-{self.number}"
        return getattr(self, spec["kind"])(label, spec)

    def group(self, label, spec):
        return PhaseGroup(label, [self.item(one) for one in spec["items"]])

    def folds(self, label, spec):
        return CrossValidation(
            label=label,
            bindings=CVBinding("first", ["train", "val"]),
            n_folds=2,
            phase=self.item(spec["items"][0]),
            experiment=self.experiment,
        ).group

    def eval(self, label, _spec):
        return EvalPhase.from_split(
            label, split="val", losses=[mse("left")], active_nodes=["left"], batch_size=3
        )

    def fit(self, label, _spec):
        # What is fitted and frozen would not be fitted again.
        self.fits_left -= 1
        return FitPhase.from_split(
            label, split="train", active_nodes=["ridge"], freeze_after_fit=not self.fits_left
        )

    def train(self, label, spec):
        nodes = ["left", "right"] if spec["both"] else ["left"]
        samplers = [
            SimpleSampler(batch_size=size, shuffle=True, drop_last=spec["drop_last"])
            for size in spec["sizes"]
        ]
        scheduler = spec["scheduler"] and Scheduler(
            "steplr", {"step_size": 2, "gamma": 0.7}, interval=spec["scheduler"]
        )
        return TrainPhase(
            label,
            input_sources=[
                InputBinding.for_training(node=node, sampler=sampler, split="train")
                for node, sampler in zip(nodes, samplers, strict=False)
            ],
            losses=[mse(node) for node in nodes],
            active_nodes=nodes,
            batch_schedule=spec["schedule"],
            n_epochs=spec["n_epochs"],
            callbacks=self.callbacks(label) if spec["stopping"] else [],
            scheduler=scheduler,
            result_recording="none",
            **{name: spec[name] for name in ("accumulate", "clip_norm", "precision")},
        )

    def callbacks(self, label):
        evaluation = Evaluation.from_split(
            label=f"{label}-val", split="val", losses=[mse("left")], active_nodes=["left"]
        )
        return [evaluation, EarlyStopping(patience=1, restore_best=True, min_delta=0.02)]


def _count(plan, kind):
    return sum((one["kind"] == kind) + _count(one.get("items", []), kind) for one in plan)


def build(plan):
    return Builder(plan).experiment


def outcome(experiment, values, callbacks):
    """All that must be equal at the end, as plain values."""
    return {
        "graph": copy.deepcopy(experiment.model_graph.get_state()),
        "step": experiment.step,
        "values": values,
        "callbacks": callbacks,
        "metrics": _metrics(experiment.last_run.results),
        "status": experiment.last_run.status,
    }


def _metrics(results):
    return {
        label: found.last_metrics() if hasattr(found, "last_metrics") else _metrics(found)
        for label, found in results.items()
    }
