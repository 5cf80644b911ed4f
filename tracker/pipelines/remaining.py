"""What resuming a pipeline would do, without doing it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from engine.experiment import PlanEntry

STATUS = {"completed": "finished", "resumed": "goes on", "planned": "to run"}


class RemainingRow(NamedTuple):
    """A phase, group or fold of the plan, in words."""

    phase: str  # with the groups around it: `CV/fold_0/train`
    kind: str
    status: str  # finished, goes on, to run
    epochs: str | None  # that are still to be run, the first and the last, counted from 0
    batch: int | None  # of the first of them, from which on it is still to be run


@dataclass(frozen=True)
class Remaining:
    """What resuming a pipeline would do, phase by phase, and from which checkpoint."""

    pipeline: str
    run: str
    checkpoint: str | None  # None: there is none, and it begins anew
    entries: "tuple[PlanEntry, ...]"
    notices: tuple[str, ...] = ()
    # Why there is nothing to do; no entries then.
    idle: str | None = None

    @property
    def sentence(self) -> str:
        """Where it would go on, in one line."""
        if self.idle is not None:
            return self.idle
        if self.checkpoint is None:
            return f"{self.pipeline} has no checkpoint to go on from: it would begin anew."
        return f"{self.pipeline} would go on from checkpoint {self.checkpoint!r}."

    @property
    def rows(self) -> list[RemainingRow]:
        """The entries in words."""
        return [
            RemainingRow(
                "/".join(entry.place),
                entry.kind,
                STATUS[entry.status],
                _span(entry.epochs),
                entry.batch or None,
            )
            for entry in self.entries
        ]


def _span(epochs: range | None) -> str | None:
    if not epochs:
        return None
    return str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]}-{epochs[-1]}"
