"""What a run would do, said before it does it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.experiment.position import Item, Position
from engine.phases.group import PhaseGroup
from engine.phases.reporting import Path, PhaseKind
from engine.phases.train import TrainPhase


@dataclass(frozen=True)
class PlanEntry:
    """A phase, group or fold of what is run, and what is still to be done of it.

    `completed`: nothing, it is not run again. `resumed`: it had begun, and goes on. `planned`: all
    of it. A group comes before its items.
    """

    path: Path
    place: tuple[str, ...]  # the labels that lead to it
    kind: PhaseKind
    status: Literal["completed", "resumed", "planned"]
    # Of a training phase the epochs that are still to be run, the first from `batch` on. Early
    # stopping may end it before. Empty where only the phase's end is left.
    epochs: range | None = None
    batch: int | None = None

    @property
    def label(self) -> str:
        return self.place[-1]


def prospect(items: Sequence[Item], position: Position | None) -> tuple[PlanEntry, ...]:
    """What is done of these items, in their order, from the position on or from their start."""
    return tuple(_entries(items, position, (), ()))


def _entries(
    items: Sequence[Item], position: Position | None, path: Path, place: tuple[str, ...]
) -> Iterator[PlanEntry]:
    for number, item in enumerate(items):
        entry = _entry(item, position, (*path, number), (*place, item.label))
        yield entry
        if isinstance(item, PhaseGroup):
            yield from _inside(item, position, entry)


def _inside(group: PhaseGroup, position: Position | None, entry: PlanEntry) -> Iterator[PlanEntry]:
    begun = position is not None and position.is_within(entry.path)
    saved = position.around.get(entry.path) if begun and position is not None else None
    standings = group.standings(saved)
    if standings is None:
        yield from _entries(group.all, position, entry.path, entry.place)
        return
    for number, (item, standing) in enumerate(zip(group.all, standings, strict=True)):
        # Alone, at its own place.
        own = _entry(item, standing.position, (*entry.path, number), (*entry.place, item.label))
        inner = _inside(item, standing.position, own) if isinstance(item, PhaseGroup) else ()
        for one in (own, *inner):
            yield _done(one) if standing.is_done else one


def _done(entry: PlanEntry) -> PlanEntry:
    return replace(entry, status="completed", epochs=None, batch=None)


def _entry(item: Item, position: Position | None, path: Path, place: tuple[str, ...]) -> PlanEntry:
    if position is not None and (position.is_before(path) or position.is_ahead(path)):
        return PlanEntry(path, place, item.kind, "completed")
    if isinstance(item, PhaseGroup):
        begun = position is not None and position.is_within(path)
        return PlanEntry(path, place, item.kind, "resumed" if begun else "planned")
    going_on = position is not None and position.leads_through(path)
    saved = position.phase if going_on and position is not None else None
    status: Literal["resumed", "planned"] = "planned" if saved is None else "resumed"
    if not isinstance(item, TrainPhase):
        return PlanEntry(path, place, item.kind, status)
    if saved is None:
        return PlanEntry(path, place, item.kind, status, range(item.n_epochs), 0)
    epochs = range(saved["epoch"], _end_of(item, saved))
    return PlanEntry(path, place, item.kind, status, epochs, saved["batch"])


def _end_of(phase: TrainPhase, saved: Mapping[str, Any]) -> int:
    """The epoch before which it ends at the latest."""
    if not saved["stop"] or _withdrawn(phase, saved["callbacks"]):
        return phase.n_epochs
    # An epoch that has begun is finished.
    return min(phase.n_epochs, int(saved["epoch"]) + bool(saved["begun"]))


def _withdrawn(phase: TrainPhase, states: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the stop that was asked for is taken back."""
    return any(one.withdraws_stop(states.get(one.state_key)) for one in phase.callbacks)
