"""Code of the user's that is called at the boundaries of an experiment's phases and groups."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from engine.saving import Savable

if TYPE_CHECKING:
    from engine.phases.base import ExperimentPhase
    from engine.phases.group import PhaseGroup


class ExperimentCallback(Savable):
    """Observes an experiment. Override the hooks that are wanted.

    Inside a hook the experiment may run phases of its own; no callback and no checkpointing of the
    experiment answers to those. Callbacks with a lower `execution_order` are called first.
    """

    saved_as = "experiment_callback"

    def __init__(self, *, label: str | None = None, execution_order: int = 0) -> None:
        self.label = label or type(self).__name__
        self.execution_order = execution_order

    def on_experiment_start(self, *, experiment: Any) -> None:
        """Before the first item of the plan."""

    def on_experiment_end(self, *, experiment: Any) -> None:
        """After the last item of the plan, unless the run failed or was stopped."""

    def on_phase_start(self, *, experiment: Any, phase: "ExperimentPhase") -> None:
        """Before a phase, also one that goes on from a checkpoint."""

    def on_phase_end(self, *, experiment: Any, phase: "ExperimentPhase") -> None:
        """After a phase that ended by itself."""

    def on_group_start(self, *, experiment: Any, phase_group: "PhaseGroup") -> None:
        """Before the first item of a group."""

    def on_group_end(self, *, experiment: Any, phase_group: "PhaseGroup") -> None:
        """After the last item of a group."""

    def on_exception(
        self,
        *,
        experiment: Any,
        phase: "ExperimentPhase | None" = None,
        exception: BaseException,
    ) -> None:
        """When a run fails or is interrupted, with the error that the user will see."""

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal callback."""
        return {"label": self.label, "execution_order": self.execution_order}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)
