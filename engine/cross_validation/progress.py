"""A bar over the folds, where somebody is looking."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.phases.display import is_watched, progress_bar
from engine.phases.reporting import Path, PhaseKind, Reporter, RunStatus

if TYPE_CHECKING:
    from engine.cross_validation.strategy import CrossValidation


class FoldBar(Reporter):
    """Counts the folds that are done."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def phase_started(self, phase: Any, *, path: Path, kind: PhaseKind, resumed: bool) -> None:  # noqa: ARG002 - a Reporter's
        if kind == "fold":
            self._bar.update(phase.number - self._bar.n)

    def phase_ended(self, phase: Any, *, path: Path, status: RunStatus, results: Any) -> None:  # noqa: ARG002 - a Reporter's
        if getattr(phase, "kind", None) == "fold" and status == "completed":
            self._bar.update()


@contextmanager
def fold_progress(strategy: "CrossValidation", *, show: bool, stays: bool) -> Iterator[None]:
    """Shows how many folds are done while they run."""
    if not show or not is_watched():
        yield
        return
    bar = progress_bar(strategy.n_folds, strategy.label, stays=stays, place=0, unit="fold")
    reporter = FoldBar(bar)
    strategy.experiment.add_reporter(reporter)
    try:
        yield
    finally:
        strategy.experiment.remove_reporter(reporter)
        bar.close()
