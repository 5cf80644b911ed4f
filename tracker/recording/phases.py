"""The phases of an experiment's plan as rows, made and ended while it runs."""

import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from engine.phases.reporting import happened_ns
from tracker.database.kinds import PhaseKind, RunStatus
from tracker.registry.phases import begin_phase, end_phase, phases_of

Path = tuple[int, ...]

# The engine's words for how something ended.
STATUSES = {
    "completed": RunStatus.FINISHED,
    "stopped": RunStatus.STOPPED,
    "failed": RunStatus.FAILED,
}


class PhaseRecords:
    """Which row belongs to which place in what the experiment runs.

    A run may execute several things one after the other, each of which counts its own from
    0: those rows follow the earlier ones'.
    """

    def __init__(self, run_id: int) -> None:
        self._run_id = run_id
        self._ids: dict[Path, int] = {}
        self._first = 0

    def begin_execution(self, session: Session) -> None:
        """The experiment begins to run something."""
        self._ids.clear()
        top = [row for row in phases_of(session, self._run_id) if row.parent_id is None]
        self._first = max((row.position + 1 for row in top), default=0)

    def go_on(self, session: Session, path: Path) -> None:
        """It goes on with what was interrupted at this place, before anything has begun."""
        self._ids.clear()
        top = [row for row in phases_of(session, self._run_id) if row.parent_id is None]
        unfinished = [row for row in top if row.status == RunStatus.RUNNING]
        if unfinished:
            self._first = unfinished[-1].position - path[0]
        else:
            self._first = max((row.position + 1 for row in top), default=0) - path[0]

    def begin(self, session: Session, path: Path, label: str, kind: str, *, resumed: bool) -> int:
        parent = self._ids.get(path[:-1])
        position = path[-1] if parent is not None else self._first + path[-1]
        self._ids[path] = begin_phase(
            session,
            self._run_id,
            label=label,
            kind=PhaseKind(kind),
            position=position,
            parent_id=parent,
            resumed=resumed,
            started=_happened(),
        )
        return self._ids[path]

    def end(self, session: Session, path: Path, status: str, **facts: Any) -> None:
        end_phase(session, self._ids[path], STATUSES[status], ended=_happened(), **facts)

    def __getitem__(self, path: Path) -> int:
        return self._ids[path]


def _happened() -> datetime:
    return datetime.fromtimestamp(happened_ns() / 1e9, UTC)


def summary_of(results: Any) -> dict[str, Any]:
    """What a phase came to: its last metrics, and how an early stopping ended.

    Those of a phase that was gone on with are among its results, whoever measured them. A group
    has none of its own.
    """
    metrics = results.last_metrics() if hasattr(results, "metrics") else {}
    summary: dict[str, Any] = {"metrics": {name: _plain(value) for name, value in metrics.items()}}
    for stopping in early_stoppings(results):
        summary["early_stopping"] = {
            "best_epoch": stopping.best_epoch,
            "best_value": _plain(stopping.best_value),
            "stopped_epoch": stopping.stopped_epoch,
            "restored": stopping.restored,
        }
    return summary


def early_stoppings(results: Any) -> list[Any]:
    """How the early stoppings of a phase ended, by its results."""
    if not hasattr(results, "callbacks"):
        return []
    found: list[Any] = results.callbacks().where(kind="early_stopping").values()
    return found


def _plain(value: float | None) -> float | str | None:
    # JSON has no NaN and no infinity.
    return value if value is None or math.isfinite(value) else str(value)
