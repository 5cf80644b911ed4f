"""Callbacks: code of the user's that is called at fixed places of a phase."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from engine.errors import PhaseError
from engine.phases.snapshot import Snapshot
from engine.saving import Savable

if TYPE_CHECKING:
    from engine.batches.execution import ExecutionContext
    from engine.phases.base import ExperimentPhase
    from engine.results.phase_results import PhaseResults


class Callback(Savable):
    """Observes a phase and may ask it to stop. Override the hooks wanted; the rest costs nothing.

    What a hook returns is kept in the phase's results: a CallbackResult as it is, a MetricResult is
    also logged as a metric, anything else is wrapped in a PayloadResult. A hook may freeze and
    unfreeze nodes; afterwards they are as before. Callbacks with a lower `execution_order` are
    called first.

    What a callback remembers between hooks belongs into `get_state`, so that an interrupted phase
    goes on exactly.
    """

    saved_as = "callback"

    def __init__(self, label: str | None = None, execution_order: int = 0) -> None:
        self.label = label or type(self).__name__
        self.execution_order = execution_order
        self._phase: ExperimentPhase | None = None

    @property
    def phase(self) -> "ExperimentPhase | None":
        """The phase this callback is attached to."""
        return self._phase

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics it logs, so that what monitors one can tell a rare name from a wrong one."""
        return ()

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint."""
        return f"{type(self).__name__}:{self.label}"

    def withdraws_stop(self, state: "Mapping[str, Any] | None") -> bool:  # noqa: ARG002 - the base never does
        """Whether it takes a stop of the phase back when a run goes on from this state of its own.

        None: it had none, it is new.
        """
        return False

    @property
    def kept_epoch(self) -> int | None:
        """The epoch whose weights stand at the end of the phase; None for the last."""
        return None

    def attach(self, phase: "ExperimentPhase") -> None:
        """Called when the callback is added to a phase; it can belong to one only."""
        if self._phase is not None and self._phase is not phase:
            raise PhaseError(
                f"The callback {self.label!r} belongs to the phase {self._phase.label!r} already; "
                f"give {phase.label!r} one of its own."
            )
        self._phase = phase

    def on_phase_start(
        self, *, experiment: Any, phase: Any, results: "PhaseResults | None" = None
    ) -> Any:
        """Before the first epoch."""

    def on_phase_resume(
        self, *, experiment: Any, phase: Any, results: "PhaseResults | None" = None
    ) -> Any:
        """In place of `on_phase_start` when a phase goes on; `set_state` came before."""

    def on_phase_end(
        self, *, experiment: Any, phase: Any, results: "PhaseResults | None" = None
    ) -> Any:
        """After the last epoch of a phase that was neither interrupted nor failed."""

    def on_epoch_start(
        self,
        *,
        experiment: Any,
        phase: Any,
        exec_ctx: "ExecutionContext",
        results: "PhaseResults | None" = None,
    ) -> Any:
        """Before an epoch's first batch, whose context, still empty, is given."""

    def on_epoch_end(
        self,
        *,
        experiment: Any,
        phase: Any,
        exec_ctx: "ExecutionContext",
        results: "PhaseResults | None" = None,
    ) -> Any:
        """After an epoch's last batch, whose context is given."""

    def on_batch_start(
        self,
        *,
        experiment: Any,
        phase: Any,
        exec_ctx: "ExecutionContext",
        results: "PhaseResults | None" = None,
    ) -> Any:
        """Before a step."""

    def on_batch_end(
        self,
        *,
        experiment: Any,
        phase: Any,
        exec_ctx: "ExecutionContext",
        results: "PhaseResults | None" = None,
    ) -> Any:
        """After a step; the context holds its outputs and losses."""

    def on_exception(
        self,
        *,
        experiment: Any,
        phase: Any,
        exec_ctx: "ExecutionContext | None",
        exception: BaseException,
        results: "PhaseResults | None" = None,
    ) -> Any:
        """When the phase fails or is interrupted, with the error that the user will see."""

    def get_state(self) -> dict[str, Any]:
        """What must be known to go on exactly; small, since every checkpoint holds it."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take back what `get_state` gave."""

    def get_snapshot(self) -> Snapshot | None:
        """Weights to be kept in a file of their own, beside the checkpoints that refer to it."""
        return None

    def set_snapshot(self, snapshot: Snapshot | None) -> None:
        """Take back what `get_snapshot` gave."""

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal callback."""
        return {"label": self.label, "execution_order": self.execution_order}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)

    def saved_form(self) -> dict[str, Any]:
        """Configuration, state, and the weights it keeps; shares memory with them."""
        snapshot = self.get_snapshot()
        return {**super().saved_form(), "snapshot": snapshot and snapshot.get_state()}

    @classmethod
    def from_saved_form(cls, saved: dict[str, Any]) -> Self:
        made = super().from_saved_form(saved)
        if saved["snapshot"] is not None:
            made.set_snapshot(Snapshot.from_state(saved["snapshot"]))
        return made
