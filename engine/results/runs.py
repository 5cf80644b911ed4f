"""What an experiment remembers of what it ran."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from engine.results.group_results import PhaseGroupResults
from engine.results.phase_results import PhaseResults

if TYPE_CHECKING:
    from collections.abc import Iterator

Status = Literal["completed", "failed", "stopped"]


@dataclass
class PhaseExecutionMeta:
    """When a phase ran, and how it ended."""

    label: str
    started_at: datetime
    ended_at: datetime | None = None
    status: Status | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_seconds(self) -> float:
        """Up to now, while it runs."""
        return ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()


@dataclass
class PhaseGroupExecutionMeta:
    """When a group ran, with the same of everything in it that was begun, in order."""

    label: str
    started_at: datetime
    ended_at: datetime | None = None
    status: Status | None = None
    _children: "list[PhaseExecutionMeta | PhaseGroupExecutionMeta]" = field(default_factory=list)

    def add_child(self, child: "PhaseExecutionMeta | PhaseGroupExecutionMeta") -> None:
        self._children.append(child)

    def items(self) -> "Iterator[tuple[str, PhaseExecutionMeta | PhaseGroupExecutionMeta]]":
        return ((child.label, child) for child in self._children)

    def flatten(self) -> dict[str, PhaseExecutionMeta]:
        """Every phase by the labels that lead to it (`group/phase`), in order of execution."""
        found: dict[str, PhaseExecutionMeta] = {}
        for label, child in self.items():
            if isinstance(child, PhaseExecutionMeta):
                found[label] = child
            else:
                found.update({f"{label}/{key}": meta for key, meta in child.flatten().items()})
        return found

    @property
    def duration_seconds(self) -> float:
        """Up to now, while it runs."""
        return ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()


@dataclass
class ExperimentRun:
    """One call of run, run_phase, run_group or resume.

    `results` holds what had finished, and of a phase that failed or was stopped what it had by
    then.
    """

    label: str
    started_at: datetime
    ended_at: datetime
    status: Status
    results: PhaseResults | PhaseGroupResults
    execution_meta: PhaseExecutionMeta | PhaseGroupExecutionMeta
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_seconds(self) -> float:
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def phase_durations(self) -> dict[str, float]:
        """Seconds of every phase by the labels that lead to it, in order of execution."""
        meta = self.execution_meta
        phases = {meta.label: meta} if isinstance(meta, PhaseExecutionMeta) else meta.flatten()
        return {label: phase.duration_seconds for label, phase in phases.items()}
