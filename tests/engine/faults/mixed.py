"""An experiment with every kind of phase, things in it that break on demand, and what must hold."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from engine.callbacks import Callback, ExperimentCallback
from engine.context import ExperimentContext
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.models import TorchModelWrapper
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, FitPhase, PhaseGroup, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import Log, Net, classes, cross_entropy

KINDS = ("train", "eval", "fit")
PHASE_HOOKS = (
    "on_phase_start",
    "on_epoch_start",
    "on_batch_start",
    "on_batch_end",
    "on_epoch_end",
    "on_phase_end",
)
EXPERIMENT_HOOKS = (
    "on_experiment_start",
    "on_group_start",
    "on_phase_start",
    "on_phase_end",
    "on_group_end",
    "on_experiment_end",
)


def breaking(base, hook, error, *, only=None):
    """A callback of this kind that raises in one of its hooks, as long as it is armed.

    With `only` at the phase of this label alone.
    """

    def raise_it(self, *, phase=None, **_):
        if self.armed and (only is None or phase.label == only):
            self.calls += 1
            raise error

    made = type("Breaking", (base,), {hook: raise_it})(label=f"broken {hook}")
    made.armed, made.calls = True, 0
    return made


class Witness(Callback):
    """Sees the errors of a phase."""

    def __init__(self):
        super().__init__("witness", execution_order=9)
        self.seen = []

    def on_exception(self, *, exception, **_):
        self.seen.append(exception)


class ExperimentWitness(ExperimentCallback):
    def __init__(self):
        super().__init__(label="witness", execution_order=9)
        self.seen = []

    def on_exception(self, *, experiment, phase=None, exception):
        self.seen.append((exception, phase and phase.label))


def phase_of(kind, callbacks=()):
    match kind:
        case "train":
            return TrainPhase.from_split(
                "train",
                split="train",
                sampler=SimpleSampler(batch_size=30, shuffle=True),
                losses=[cross_entropy()],
                active_nodes=["net"],
                n_epochs=2,
                callbacks=list(callbacks),
            )
        case "eval":
            return EvalPhase.from_split(
                "eval",
                split="val",
                losses=[cross_entropy()],
                active_nodes=["net"],
                batch_size=10,
                callbacks=list(callbacks),
            )
        case _:
            return FitPhase.from_split(
                "fit", split="train", active_nodes=["lr"], callbacks=list(callbacks)
            )


class Watched:
    """A plan with one phase of some kind, two groups deep, between two others."""

    def __init__(self, kind, callbacks=()):
        self.experiment = Experiment("mixed", seed=6)
        data = classes()
        self.net = ModelNode("net", TorchModelWrapper(model_class=Net), data)
        self.other = ModelNode("lr", LogisticRegression(), data)
        self.graph = ModelGraph([self.net, self.other], optimizer=Optimizer("adam"))
        self.graph.build()
        self.witness, self.around, self.log = Witness(), ExperimentWitness(), Log()
        self.phase = phase_of(kind, [*callbacks, self.witness])
        self.experiment.add_callback(self.around)
        self.experiment.add_reporter(self.log)
        inner = PhaseGroup("inner", [self.phase])
        self.experiment.execution_plan.add_items(
            [
                EvalPhase.from_split("first", split="val", active_nodes=["net"]),
                PhaseGroup("outer", [inner]),
                EvalPhase.from_split("last", split="val", active_nodes=["net"]),
            ]
        )
        self.before = self.surroundings()

    def surroundings(self):
        context = ExperimentContext.get_active()
        return {
            "modes": self.graph.frozen_state(),
            "nodes": context.available_nodes,
            "context": context,
            "policy": context.registration_policy,
            "torch": torch.get_rng_state().tolist(),
            "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002 - the global one is meant
            "gradients": torch.is_grad_enabled(),
            "checkpointing": self.experiment.checkpointing_enabled,
            "cursor": self.experiment.cursor,
        }

    def assert_recorded(self, error, *, finished, status="failed", phase=None):
        """What holds wherever it failed."""
        run = self.experiment.last_run
        assert run.status == status
        assert len(self.experiment.history) == 1
        assert [key for key in self._paths(run.results) if key in finished] == list(finished)
        ended = self.log.events[-1]
        assert ended == ("run_ended", status, error)
        assert ended[2] is error
        started = sum(event[0] == "phase_started" for event in self.log.events)
        assert started == sum(event[0] == "phase_ended" for event in self.log.events)
        assert [seen for seen, _ in self.around.seen] == [error]
        assert self.around.seen[0][0] is error
        assert self.around.seen[0][1] == phase
        assert self.surroundings() == self.before

    def _paths(self, results, before=""):
        for label, found in results.items():
            if hasattr(found, "items"):
                yield from self._paths(found, f"{before}{label}/")
            elif self._is_complete(f"{before}{label}"):
                yield f"{before}{label}"

    def _is_complete(self, path):
        found = self.experiment.last_run.execution_meta
        for label in path.split("/"):
            found = dict(found.items())[label]
        return found.status == "completed"

    def assert_usable(self):
        """Mended, the same experiment runs through."""
        self.experiment.remove_reporter(self.log)
        results = self.experiment.run()

        assert self.experiment.last_run.status == "completed"
        assert set(results.flatten()) == {"first", self.phase.label, "last"}
