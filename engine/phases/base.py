"""What every phase is: what it works on, with which losses, and who looks on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from engine.batches import ExecutionContext
from engine.context import ExperimentContext
from engine.errors import CheckpointError, PhaseError, UnknownLabelError
from engine.losses import AppliedLoss
from engine.phases.binding import (
    InputBinding,
    described_bindings,
    feature_set_references,
    rebuilt_bindings,
)
from engine.phases.describing import described, rebuilt
from engine.phases.display import check_flags
from engine.phases.feed import Feed
from engine.phases.hooks import Callback
from engine.phases.labels import checked_label
from engine.phases.topology import active_graph, unbound_inputs
from engine.results.metric_store import TRAIN_LOSS

Step = Callable[[ExecutionContext], Any]

if TYPE_CHECKING:
    from engine.graph import ModelGraph
    from engine.graph.node import GraphNode
    from engine.phases.reporting import PhaseKind
    from engine.phases.running import PhaseRun, RunScope
    from engine.results.phase_results import PhaseResults
    from engine.samplers import BaseSampler


class ExperimentPhase(ABC):
    """A part of an experiment's plan: what is to be done. Each execution has its own state."""

    kind: ClassVar["PhaseKind"]
    n_epochs: int = 1
    # Whether every sample of every input is to be seen once.
    is_pass: ClassVar[bool] = True

    def __init__(
        self,
        label: str,
        input_sources: list[InputBinding],
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "Sequence[str | GraphNode] | None" = None,
        callbacks: list[Callback] | None = None,
    ) -> None:
        self.label = checked_label(label, "label of a phase")
        self.input_sources = _checked_bindings(label, input_sources)
        self.losses: list[AppliedLoss] = []
        for loss in losses or []:
            self.add_loss(loss)
        self.active_nodes = None if active_nodes is None else _labels(label, active_nodes)
        self.callbacks: list[Callback] = []
        for callback in callbacks or []:
            self.add_callback(callback)
        self._stop_requested = False

    def add_loss(self, loss: "AppliedLoss") -> None:
        """Compute one more loss; two with one label would be taken for each other."""
        if any(known.label == loss.label for known in self.losses):
            raise PhaseError(f"The phase {self.label!r} has a loss {loss.label!r} already.")
        self.losses.append(loss)

    def require_losses(self, losses: "Iterable[AppliedLoss]") -> None:
        """Compute these losses too, if none of their labels is."""
        for loss in losses:
            if all(known.label != loss.label for known in self.losses):
                self.losses.append(loss)

    def add_callback(self, callback: Callback) -> None:
        """Add a callback; its label (among its type's) and its metrics' names must be free."""
        if not isinstance(callback, Callback):
            raise PhaseError(f"{callback!r} is no Callback; see engine.callbacks.")
        for known in self.callbacks:
            if type(known) is type(callback) and known.label == callback.label:
                raise PhaseError(
                    f"The phase {self.label!r} has a {type(callback).__name__} labelled "
                    f"{callback.label!r} already; give this one another label."
                )
        for name in callback.metric_names:
            if name in self.metric_names:
                raise PhaseError(
                    f"Another callback of {self.label!r} logs the metric {name!r} already; "
                    "give one of them another name."
                )
        callback.attach(self)
        self.callbacks.append(callback)

    @property
    def metric_names(self) -> list[str]:
        """The metrics that are sure to be logged; callbacks may log others."""
        return [TRAIN_LOSS, *(name for one in self.callbacks for name in one.metric_names)]

    # Stopping

    @property
    def stop_requested(self) -> bool:
        return self._stop_requested

    def request_stop(self) -> None:
        """End the phase after the current epoch, as if it had been its last."""
        self._stop_requested = True

    def withdraw_stop(self) -> None:
        """Go on after all."""
        self._stop_requested = False

    # Running

    @abstractmethod
    def begin(self, experiment: Any, scope: "RunScope") -> "PhaseRun":
        """One execution of this phase, ready to be started."""

    def check_going_on(self, state: Mapping[str, Any]) -> None:
        """Refuse to go on from the state of another phase, before anything has changed."""
        if state["kind"] != self.kind:
            raise CheckpointError(
                f"The checkpoint stands in a {state['kind']} phase {state['label']!r}, and here "
                f"{self.label!r} is a {self.kind} phase."
            )

    def make_step(self, step: Step, graph: "ModelGraph") -> Step:  # noqa: ARG002 - a subclass may
        """What is done with each batch, decided once before the first: by default the usual step.

        For phases of a kind of your own. `step` takes the batch's context and fills in outputs and
        losses; that of a TrainPhase trains, and returns the loss. What is returned here is called
        in its place and may call it, once or more, or do all by itself.
        """
        return step

    def open_feed(
        self, graph: "ModelGraph", *, seed: int, place: Sequence[str], device: Any = "cpu"
    ) -> Feed:
        """The inputs of this phase's steps."""
        self._check_bindings(graph)
        self._check_losses(graph)
        return Feed(
            self.input_sources,
            seed=seed,
            place=place,
            formats=graph.input_forms(),
            device=device,
            **self._feed_options(),
        )

    def _check_bindings(self, graph: "ModelGraph") -> None:
        lengths = [len(binding.resolve_input_view()) for binding in self.input_sources]
        if self.is_pass and len(set(lengths)) > 1:
            shown = ", ".join(
                f"{length} for {one.node_id!r} from {one.upstream_ref.node_label!r}"
                for one, length in zip(self.input_sources, lengths, strict=True)
            )
            raise PhaseError(
                f"The phase {self.label!r} goes over its inputs side by side, and they have "
                f"different numbers of samples: {shown}. Use a phase for each."
            )
        bound = [(one.node_id, one.upstream_ref.node_label) for one in self.input_sources]
        for node, _ in bound:
            graph.find(node)
        for node, feature_set in unbound_inputs(graph, bound, self.active_nodes):
            raise PhaseError(
                f"The phase {self.label!r} binds nothing to the input that node {node!r} takes "
                f"from {feature_set!r}. Bind it, or leave the node out of active_nodes."
            )

    def _check_losses(self, graph: "ModelGraph") -> None:
        computed = [node.label for node in graph.executed(self.active_nodes)]
        for loss in self.losses:
            if loss.node_id not in graph.nodes:
                raise UnknownLabelError(
                    f"node of the loss {loss.label!r} of the phase {self.label!r} called",
                    loss.node_id,
                    graph.nodes,
                )
            if loss.node_id not in computed:
                raise PhaseError(
                    f"The phase {self.label!r} has a loss {loss.label!r} on node {loss.node_id!r}, "
                    f"and computes only {', '.join(computed)}, by its active_nodes. Add "
                    f"{loss.node_id!r} to them, or leave the loss out."
                )

    def _feed_options(self) -> dict[str, Any]:
        return {}

    def iter_execution(
        self, *, results: "PhaseResults | None" = None, **flags: Any
    ) -> Iterator[ExecutionContext]:
        """The contexts of all steps, in order, for a loop of the caller's own.

        The caller runs each step (`graph.train_step(ctx, losses)`); with `results` each context is
        recorded there afterwards. Callbacks, checkpoints and metrics belong to
        `Experiment.run_phase`.
        """
        check_flags(flags)
        experiment = ExperimentContext.get_active().get_experiment()
        seed = 0 if experiment is None else experiment.seed
        feed = self.open_feed(active_graph(), seed=seed, place=(self.label,))
        for epoch in range(self.n_epochs):
            for batch in range(feed.begin_epoch(epoch)):
                context = ExecutionContext(self.label, epoch, batch, feed.step(batch)[0])
                yield context
                if results is not None:
                    results.add_execution_context(context)

    def visualize(self) -> Any:
        """The model graph as a diagram, with the splits of its feature sets."""
        return active_graph().visualize(show_splits=True)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal phase."""
        return {
            "label": self.label,
            "input_sources": described_bindings(self.input_sources),
            "losses": [loss.get_config() for loss in self.losses],
            "active_nodes": self.active_nodes,
            "callbacks": [described(callback) for callback in self.callbacks],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The phase that `get_config` described, of the nodes in the active context."""
        return cls(**{**config, **cls._rebuilt(config)})

    @classmethod
    def _rebuilt(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that are more than plain values."""
        return {
            "input_sources": rebuilt_bindings(config["input_sources"]),
            "losses": [AppliedLoss.from_config(one) for one in config["losses"]],
            "callbacks": [rebuilt(one, Callback) for one in config["callbacks"]],
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r})"


def bindings_for_split(
    label: str,
    split: str,
    active_nodes: "Sequence[str | GraphNode] | None",
    sampler: "BaseSampler | None" = None,
) -> list[InputBinding]:
    """For the phase of this label, a binding to that split wherever a computed node needs one."""
    graph = active_graph()
    active = None if active_nodes is None else _labels(label, active_nodes)
    computed = {node.label for node in graph.executed(active)}
    return [
        InputBinding(node.label, reference, split=split, sampler=sampler)
        for node in graph.nodes.values()
        if node.label in computed
        for reference in feature_set_references(node)
    ]


def _checked_bindings(label: str, bindings: list[InputBinding]) -> list[InputBinding]:
    if not bindings:
        raise PhaseError(f"The phase {label!r} has no input: give it `input_sources`.")
    seen = set()
    for binding in bindings:
        if not isinstance(binding, InputBinding):
            raise PhaseError(
                f"{binding!r} is no InputBinding; make one with InputBinding.for_training or "
                "for_evaluation."
            )
        key = (binding.node_id, binding.upstream_ref.node_label)
        if key in seen:
            raise PhaseError(f"The phase {label!r} binds {key[1]!r} to node {key[0]!r} twice.")
        seen.add(key)
    return list(bindings)


def _labels(phase: str, nodes: "Sequence[str | GraphNode]") -> list[str]:
    known = active_graph().nodes
    if not nodes:
        raise PhaseError(
            f"The phase {phase!r} has no active nodes: name some, or None for all. The graph has "
            f"{', '.join(known)}."
        )
    labels = [node if isinstance(node, str) else node.node_id for node in nodes]
    for label in labels:
        if label not in known:
            raise UnknownLabelError(f"active node of the phase {phase!r} called", label, known)
    return labels
