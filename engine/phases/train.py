"""Training model nodes, epoch by epoch."""

import weakref
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, Self

from engine.errors import PhaseError
from engine.graph import DescentSettings, Precision
from engine.optimizers import Scheduler, checked_scheduler
from engine.phases.base import ExperimentPhase, bindings_for_split
from engine.phases.describing import described, rebuilt
from engine.phases.epoch_losses import NonFinitePolicy, checked_policy
from engine.phases.hooks import Callback
from engine.phases.mid_epoch import check_epoch_settings
from engine.phases.schedule import BatchSchedulingPolicy
from engine.phases.training import TrainRun
from engine.results.recording import ResultRecording

if TYPE_CHECKING:
    from engine.callbacks.checkpointing import Checkpointing
    from engine.graph.node import GraphNode
    from engine.losses import AppliedLoss
    from engine.phases.binding import InputBinding
    from engine.phases.running import RunScope
    from engine.samplers import BaseSampler

Device = Literal["auto", "cpu", "cuda"]


class TrainPhase(ExperimentPhase):
    """Trains the active nodes of the model graph for a number of epochs.

    Nodes that are listed as active are unfrozen meanwhile and all others frozen; without a list,
    frozen nodes stay frozen. `non_finite` says what happens when a loss becomes NaN or infinite.
    """

    kind = "train"
    is_pass = False

    def __init__(  # noqa: PLR0913 - all of them are keywords, and most are documented names
        self,
        label: str,
        *,
        input_sources: "list[InputBinding]",
        losses: "list[AppliedLoss]",
        n_epochs: int = 1,
        active_nodes: "list[str | GraphNode] | None" = None,
        batch_schedule: BatchSchedulingPolicy | str = BatchSchedulingPolicy.ZIP_STRICT,
        callbacks: list[Callback] | None = None,
        checkpointing: "Checkpointing | None" = None,
        result_recording: ResultRecording | str = ResultRecording.ALL,
        scheduler: "Scheduler | None" = None,
        non_finite: NonFinitePolicy = "stop",
        device: Device | str = "auto",
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        precision: Precision = "float32",
    ) -> None:
        """The last four are those of `DescentSettings`: how gradients become steps."""
        if not losses:
            raise PhaseError(f"The training phase {label!r} has no loss to train by.")
        super().__init__(label, input_sources, losses, active_nodes, callbacks)
        for binding in self.input_sources:
            if binding.sampler is None:
                raise PhaseError(
                    f"The training phase {label!r} binds node {binding.node_id!r} without a "
                    "sampler; use InputBinding.for_training."
                )
        self.n_epochs = _checked_epochs(n_epochs)
        self.batch_schedule = BatchSchedulingPolicy.from_value(batch_schedule)
        self.result_recording = ResultRecording.from_value(result_recording)
        self.scheduler = checked_scheduler(scheduler)
        self.non_finite = checked_policy(non_finite)
        self.device = device
        self.descent = DescentSettings(accumulate, clip_norm, clip_value, precision)
        self._run: weakref.ref[TrainRun] | None = None
        self._checkpointing: Checkpointing | None = None
        self.set_checkpointing(checkpointing)

    @classmethod
    def from_split(
        cls,
        label: str,
        *,
        split: str,
        sampler: "BaseSampler",
        losses: "list[AppliedLoss]",
        n_epochs: int = 1,
        active_nodes: "list[str | GraphNode] | None" = None,
        **options: Any,
    ) -> Self:
        """Every active head node draws from its feature set's split of that name.

        Takes the other arguments of a TrainPhase too.
        """
        return cls(
            label,
            input_sources=bindings_for_split(label, split, active_nodes, sampler),
            losses=losses,
            n_epochs=n_epochs,
            active_nodes=active_nodes,
            **options,
        )

    @property
    def checkpointing(self) -> "Checkpointing | None":
        return self._checkpointing

    def set_checkpointing(self, checkpointing: "Checkpointing | None") -> None:
        """Attach or replace it; None switches it off. It can belong to one phase only."""
        if checkpointing is not None:
            checkpointing.fit_for_training()
            checkpointing.attach(self)
        if self._checkpointing is not None and self._checkpointing is not checkpointing:
            self._checkpointing.detach()
        self._checkpointing = checkpointing

    def is_epoch_end(self) -> bool:
        """Whether the batch at hand is the last of its epoch."""
        run = None if self._run is None else self._run()
        return run is not None and run.is_last_batch

    def begin(self, experiment: Any, scope: "RunScope") -> TrainRun:
        run = TrainRun(experiment, self, scope)
        # Weakly: an execution holds the data as tensors, and a phase outlives it.
        self._run = weakref.ref(run)
        return run

    def check_going_on(self, state: Mapping[str, Any]) -> None:
        super().check_going_on(state)
        check_epoch_settings(self, state)

    def _feed_options(self) -> dict[str, Any]:
        return {"policy": self.batch_schedule}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "n_epochs": self.n_epochs,
            "batch_schedule": self.batch_schedule.value,
            "checkpointing": described(self._checkpointing),
            "result_recording": self.result_recording.value,
            "scheduler": described(self.scheduler),
            "non_finite": self.non_finite,
            "device": self.device,
            **asdict(self.descent),
        }

    @classmethod
    def _rebuilt(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        checkpointing, scheduler = config["checkpointing"], config["scheduler"]
        return {
            **super()._rebuilt(config),
            # Of a room above this one, so it is found by its name.
            "checkpointing": None if checkpointing is None else rebuilt(checkpointing, object),
            "scheduler": None if scheduler is None else rebuilt(scheduler, Scheduler),
        }


def _checked_epochs(n_epochs: Any) -> int:
    if isinstance(n_epochs, bool) or not isinstance(n_epochs, int) or n_epochs < 1:
        raise PhaseError(f"n_epochs is a whole number of at least 1, not {n_epochs!r}.")
    return n_epochs
