"""The folds of a cross-validation as a group of a plan, one by one or side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from engine.cross_validation.fold import Fold
from engine.cross_validation.parallel import FoldsRun
from engine.cross_validation.standing import FoldsStanding
from engine.errors import PhaseError
from engine.experiment.position import Position
from engine.phases.group import ItemStanding, PhaseGroup, rebuilt_item

if TYPE_CHECKING:
    from engine.phases.base import ExperimentPhase


class Folds(PhaseGroup):
    """Folds in order; with several `workers`, so many of them run at a time.

    Each then runs in a process of its own, and what comes out is the same.
    """

    def __init__(
        self,
        label: str,
        phases: "list[ExperimentPhase | PhaseGroup] | None" = None,
        *,
        workers: int = 1,
    ) -> None:
        super().__init__(label, phases)
        self.workers = checked_workers(workers)

    def begin(self, experiment: Any, saved: Any) -> FoldsRun:
        folds = [item for item in self if isinstance(item, Fold)]
        if self.workers > 1 and len(folds) < len(self):
            raise PhaseError(
                f"The group {self.label!r} holds more than folds, which several workers cannot "
                "run. Put what comes before or after them beside the group."
            )
        return FoldsRun(experiment, folds, saved, workers=self.workers)

    def standings(self, saved: Any) -> list[ItemStanding] | None:
        if isinstance(saved, FoldsStanding):
            known = [(one.finished, one.latest or one.standing) for one in saved.folds]
            return [ItemStanding(bool(done), here and here.position) for done, here in known]
        if not isinstance(saved, Mapping) or "folds" not in saved:
            return None
        states = [(one["finished"], one["standing"]) for one in saved["folds"]]
        return [
            ItemStanding(bool(done), here and Position.from_state(here["position"]))
            for done, here in states
        ]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "workers": self.workers}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        items = [rebuilt_item(one) for one in config["phases"]]
        return cls(config["label"], items, workers=config["workers"])


def checked_workers(workers: Any) -> int:
    """The number itself; PhaseError if it is none of workers."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise PhaseError(f"workers is a whole number of at least 1, not {workers!r}.")
    return workers
