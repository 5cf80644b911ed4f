"""Where in a plan an experiment stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from engine.errors import CheckpointError, UnknownLabelError
from engine.phases.base import ExperimentPhase
from engine.phases.group import PhaseGroup
from engine.phases.reporting import Path
from engine.phases.snapshot import Snapshot
from engine.results.group_results import PhaseGroupResults
from engine.results.phase_results import PhaseResults
from engine.results.states import results_from_state, results_state

RootKind = Literal["plan", "group", "phase"]
Item = ExperimentPhase | PhaseGroup


class Cursor(NamedTuple):
    """What comes next: the place of a phase in the plan, an epoch and a batch of it.

    `step` counts the optimizer steps done so far, over all phases.
    """

    path: Path
    epoch: int
    batch: int
    step: int


@dataclass
class Position:
    """What is to be done next, and what has finished before it.

    `path` counts from what was run: the plan's items, or the one phase or group that was given.
    """

    kind: RootKind
    label: str
    path: Path
    # The labels that belong to the path, as far as there is something there.
    place: tuple[str, ...]
    finished: PhaseGroupResults
    # The state of the phase at that place if it had begun.
    phase: Mapping[str, Any] | None = None
    # The states of the groups around it, by their paths.
    around: Mapping[Path, Any] = field(default_factory=dict)
    # For going on in the same process: the thing that was run, and the phase's results so far.
    root: Item | None = None
    results: PhaseResults | None = None
    # What the phases that had finished have left on themselves, by their paths; and whether that
    # is still on them, as in the process that ran them.
    left: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)
    is_live: bool = False
    # The best weights kept by a phase that runs in another process, for a file beside.
    elsewhere: Mapping[str, Snapshot] = field(default_factory=dict)

    def get_state(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "label": self.label,
            "path": list(self.path),
            "place": list(self.place),
            "finished": results_state(self.finished),
            "phase": self.phase,
            "around": [[list(path), _plain(state)] for path, state in self.around.items()],
            "left": left_state(self.left),
            **({"elsewhere": dict(self.elsewhere)} if self.elsewhere else {}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Position":
        finished = results_from_state(state["finished"])
        if not isinstance(finished, PhaseGroupResults):
            raise CheckpointError("The checkpoint does not say what had finished.")
        return cls(
            kind=state["kind"],
            label=state["label"],
            path=tuple(state["path"]),
            place=tuple(state["place"]),
            finished=finished,
            phase=state["phase"],
            around={tuple(path): around for path, around in state["around"]},
            left=left_from_state(state.get("left", ())),
        )

    def is_before(self, path: Path) -> bool:
        """Whether the item at `path` had finished."""
        return path < self.path[: len(path)]

    def is_ahead(self, path: Path) -> bool:
        """Whether the item at `path`, or a group around it, had finished before its turn."""
        for depth in range(1, len(path) + 1):
            state = self.around.get(path[: depth - 1])
            if state is not None and path[depth - 1] in _ahead(state):
                return True
        return False

    def finished_at(self, place: Sequence[str]) -> PhaseResults | PhaseGroupResults:
        """The results of an item that had finished, by the labels that lead to it."""
        found: PhaseResults | PhaseGroupResults = self.finished
        for label in place:
            if not isinstance(found, PhaseGroupResults):
                raise CheckpointError(f"The checkpoint holds no results of {'/'.join(place)!r}.")
            found = found[label]
        return found

    def leads_through(self, path: Path) -> bool:
        """Whether the item at `path` is the one to go on with, or a group around it."""
        return path == self.path[: len(path)]

    def is_within(self, path: Path) -> bool:
        """Whether the group at `path` had been entered."""
        return len(self.path) > len(path) and self.leads_through(path)

    def check_against(self, items: Sequence[Item]) -> None:
        """Refuse to go on in a plan that has something else at this place."""
        for number, label in zip(self.path, self.place, strict=False):
            there = items[number].label if number < len(items) else None
            if there != label:
                raise CheckpointError(
                    f"The checkpoint stands in {'/'.join(self.place)!r}, and the plan has "
                    f"{'nothing' if there is None else repr(there)} at that place. Resume with "
                    "the plan that it was saved with."
                )
            item = items[number]
            items = item.all if isinstance(item, PhaseGroup) else ()
        if self.phase is not None:
            self._check_phase(item, self.phase)

    def _check_phase(self, item: Item, state: Mapping[str, Any]) -> None:
        if isinstance(item, PhaseGroup):
            raise CheckpointError(
                f"The checkpoint stands in the {state['kind']} phase {item.label!r}, and the plan "
                "has a group at that place. Resume with the plan that it was saved with."
            )
        item.check_going_on(state)


def left_state(left: Mapping[Path, Mapping[str, Any]]) -> list[Any]:
    """What phases have left, as `left_from_state` takes it back."""
    return [[list(path), one] for path, one in left.items()]


def left_from_state(state: Sequence[Any]) -> dict[Path, Mapping[str, Any]]:
    """What phases have left, by their paths."""
    return {tuple(path): one for path, one in state}


def _ahead(state: Any) -> Sequence[int]:
    ahead: Sequence[int] = state.get("ahead", ()) if isinstance(state, Mapping) else state.ahead
    return ahead


def _plain(state: Any) -> Mapping[str, Any]:
    return state if isinstance(state, Mapping) else state.get_state()


def find_item(plan: PhaseGroup, kind: RootKind, label: str) -> Item:
    """The one phase or group of the plan, at any level, that has this label."""
    wanted = PhaseGroup if kind == "group" else ExperimentPhase
    found = [item for item in _all_items(plan) if item.label == label and isinstance(item, wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(f"The plan has several items {label!r}; give resume() the one meant.")
    known = [item.label for item in _all_items(plan)]
    raise UnknownLabelError(
        f"item in the plan to go on with ({kind} that was run by itself: give it to resume())",
        label,
        known,
    )


def _all_items(group: PhaseGroup) -> list[Item]:
    found: list[Item] = []
    for item in group:
        found += [item, *_all_items(item)] if isinstance(item, PhaseGroup) else [item]
    return found


def along(items: Sequence[Item], path: Path) -> Iterator[Item]:
    """The items on the way to the place at `path`, the outermost first; as far as there are any."""
    for number in path:
        if number >= len(items):
            return
        yield items[number]
        items = _inside(items[number])


def _inside(item: Item) -> Sequence[Item]:
    return item.all if isinstance(item, PhaseGroup) else ()


def find_place(plan: PhaseGroup, wanted: Item) -> Path | None:
    """Where in the plan this very item is; None where it is not."""
    for number, item in enumerate(plan):
        if item is wanted:
            return (number,)
        inner = find_place(item, wanted) if isinstance(item, PhaseGroup) else None
        if inner is not None:
            return (number, *inner)
    return None


def item_at(plan: PhaseGroup, place: Sequence[int]) -> Item:
    """The item that `find_place` found there."""
    first, *rest = place
    item = plan.get_item(first)
    return item_at(plan.get_group(first), rest) if rest else item
