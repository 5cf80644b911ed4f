"""What a training phase does to the graph: which nodes it trains, with which schedules."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.errors import PhaseError
from engine.graph import Descent, ModelNode, TrainStep

if TYPE_CHECKING:
    import torch

    from engine.graph import ModelGraph
    from engine.optimizers import Optimizer, Scheduler
    from engine.phases.train import TrainPhase


class Optimization:
    """The step of a training phase, and the schedules that go with it."""

    step: TrainStep

    def __init__(self, graph: "ModelGraph", phase: "TrainPhase", device: "torch.device") -> None:
        self._graph = graph
        self._phase = phase
        # None: one step a batch, in full precision.
        self.descent = None if phase.descent.is_plain else Descent(phase.descent, device)
        # The schedule's state to go on from.
        self._saved: Mapping[str, Any] | None = None
        if phase.scheduler is not None:
            self._check_scheduler()

    def _check_scheduler(self) -> None:
        optimizers = self._graph.optimizers
        if len(optimizers) != 1 or optimizers[0].scheduler is not None:
            raise PhaseError(
                f"The phase {self._phase.label!r} has a scheduler, which needs one optimizer that "
                f"has none of its own, and there are {len(optimizers)} optimizers. Give a "
                "scheduler to each optimizer instead."
            )

    @contextmanager
    def engaged(self) -> Iterator[None]:
        """Freezes what is not to be trained; the phase's scheduler is followed within the block."""
        if self._phase.active_nodes is not None:
            self._graph.freeze()
            self._graph.unfreeze(self._phase.active_nodes)
        self.step = TrainStep(
            self._graph, self._phase.losses, self._phase.active_nodes, descent=self.descent
        )
        scheduler = self._phase.scheduler
        if scheduler is None:
            yield
            return
        optimizer = self._graph.optimizers[0]
        try:
            if self._saved is None:
                optimizer.attach_scheduler(scheduler)
            else:
                _reattach(optimizer, scheduler, self._saved)
            yield
        finally:
            optimizer.attach_scheduler(None)

    def end_epoch(self, values: Mapping[str, float]) -> None:
        """Tell the schedules of all that was trained what the epoch came to."""
        for optimizer in self._trained():
            monitor = optimizer.scheduler and optimizer.scheduler.monitor
            # A metric that is not measured in every epoch is looked at when it is.
            if monitor is None or monitor in values or monitor not in self._phase.metric_names:
                optimizer.end_epoch(values)

    def _trained(self) -> "list[Optimizer]":
        if self._graph.optimizer is not None:
            return [self._graph.optimizer]
        executed = self._graph.executed(self._phase.active_nodes)
        return [
            node.optimizer
            for node in executed
            if isinstance(node, ModelNode) and not node.is_frozen and node.optimizer is not None
        ]

    def get_state(self) -> dict[str, Any]:
        """Where the phase's own schedule and its descent stand.

        The optimizers' states belong to the graph's.
        """
        scheduler, descent = self._phase.scheduler, self.descent
        return {
            "scheduler": None if scheduler is None else copy.deepcopy(scheduler.get_state()),
            "descent": None if descent is None else descent.get_state(self._graph.optimizers),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on there; with the schedule, once engaged."""
        self._saved = state["scheduler"]
        if self.descent is not None and state["descent"] is not None:
            self.descent.set_state(state["descent"], self._graph.optimizers)


def _reattach(optimizer: "Optimizer", scheduler: "Scheduler", state: Mapping[str, Any]) -> None:
    """Go on with a schedule. Making one sets the learning rates; the optimizer knows better."""
    groups = optimizer.instance.param_groups if optimizer.instance is not None else []
    rates = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    optimizer.attach_scheduler(scheduler)
    scheduler.set_state(state)
    for group, known in zip(groups, rates, strict=True):
        group.update(known)
