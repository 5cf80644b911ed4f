"""How far folds are that run in processes of their own, and what of it has been heard."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from engine.cross_validation.fold import Fold
from engine.cross_validation.relay import Event
from engine.errors import CheckpointError
from engine.experiment.position import Position, left_from_state, left_state
from engine.phases.reporting import Path
from engine.phases.snapshot import Snapshot
from engine.results import FoldResults, PhaseGroupResults
from engine.results.callback_results import EarlyStoppingResult
from engine.results.phase_results import PhaseResults
from engine.results.runs import ExperimentRun, PhaseGroupExecutionMeta
from engine.results.states import results_from_state, results_state, run_from_state, run_state


@dataclass(frozen=True)
class Standing:
    """A state in which a fold goes on exactly, and how many events came before it."""

    number: int
    step: int
    position: Position
    graph: Mapping[str, Any]

    def get_state(self) -> dict[str, Any]:
        position = self.position.get_state()
        phase = position["phase"]
        if phase is not None and "snapshots" in phase:
            kept = {key: one.get_state() for key, one in phase["snapshots"].items()}
            position["phase"] = {**phase, "snapshots": kept}
        return {
            "number": self.number,
            "step": self.step,
            "position": position,
            "graph": dict(self.graph),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        position = Position.from_state(state["position"])
        phase = position.phase
        if phase is not None and "snapshots" in phase:
            kept = {key: Snapshot.from_state(one) for key, one in phase["snapshots"].items()}
            position = replace(position, phase={**phase, "snapshots": kept})
        return cls(state["number"], state["step"], position, state["graph"])


@dataclass(frozen=True)
class Finished:
    """What a fold came to."""

    steps: int
    results: FoldResults
    meta: PhaseGroupExecutionMeta | None = None
    # What callbacks ran by themselves meanwhile.
    history: Sequence[ExperimentRun] = ()
    # What its phases have left on themselves, by their paths.
    left: Mapping[Path, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class FoldProgress:
    """One fold: what listeners have heard, what they have not, and where it goes on."""

    fold: Fold
    told: int = 0
    # The steps up to the last event that was told.
    step: int = 0
    waiting: deque[Event] = field(default_factory=deque)
    # Phases whose beginning was told and whose end was not, the outermost first.
    open: list[Path] = field(default_factory=list)
    # Where it goes on in this process; None: it begins.
    standing: Standing | None = None
    # Where a checkpoint has it go on, without recorded batches: what it said last.
    latest: Standing | None = None
    finished: Finished | None = None
    # Of a fold that was stopped or failed.
    unfinished: FoldResults | None = None
    _holding: dict[tuple[Path, str], dict[str, Any]] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether all of it has been done and told."""
        return self.finished is not None and not self.waiting

    def take(self, events: Sequence[Event], first: int) -> None:
        """Events from number `first` on; those that are known from an earlier run are passed over.

        The first event of a fold has number 0.
        """
        known = self.told + len(self.waiting)
        if first > known:
            raise CheckpointError(f"Events of {self.fold.label} from {known} on were lost.")
        new = events[known - first :]
        self.waiting.extend(new)
        for event in new:
            self._forget_older_snapshots(event)

    def _forget_older_snapshots(self, event: Event) -> None:
        """Of the best weights that wait to be told, only the newest of each callback are held."""
        snapshots = event.facts.get("snapshots", {})
        for key in snapshots:
            older = self._holding.get((event.path, key))
            if older is not None:
                older[key] = None
            self._holding[event.path, key] = snapshots

    def get_state(self, told: PhaseGroupResults) -> dict[str, Any]:
        """As plain values; what is among the results that were told is not said again."""
        standing = None if self.finished else self.latest or self.standing
        return {
            "told": self.told,
            "step": self.step,
            "waiting": [_event_state(event) for event in self.waiting],
            "open": [list(path) for path in self.open],
            "standing": standing and standing.get_state(),
            "finished": self.finished and _finished_state(self.finished, told),
        }

    @classmethod
    def from_state(cls, fold: Fold, state: Mapping[str, Any], told: PhaseGroupResults) -> Self:
        standing, finished = state["standing"], state["finished"]
        return cls(
            fold,
            told=state["told"],
            step=state["step"],
            waiting=deque(map(_event_from_state, state["waiting"])),
            open=[tuple(path) for path in state["open"]],
            standing=standing and Standing.from_state(standing),
            finished=finished and _finished_from_state(finished, fold, told),
        )


@dataclass
class FoldsStanding:
    """All folds of a cross-validation; what a checkpoint holds of them."""

    folds: list[FoldProgress]
    # Optimizer steps done before the first.
    first_step: int
    # The results of folds that have been told.
    told: PhaseGroupResults

    @property
    def is_over(self) -> bool:
        return all(progress.is_over for progress in self.folds)

    @property
    def ahead(self) -> list[int]:
        """The folds that have finished, by number, whether it was their turn or not."""
        return [number for number, one in enumerate(self.folds) if one.finished is not None]

    def get_state(self) -> dict[str, Any]:
        return {
            "ahead": self.ahead,
            "first_step": self.first_step,
            "folds": [progress.get_state(self.told) for progress in self.folds],
        }

    @classmethod
    def from_state(
        cls, folds: Sequence[Fold], state: Mapping[str, Any], told: PhaseGroupResults
    ) -> Self:
        if len(state["folds"]) != len(folds):
            raise CheckpointError(
                f"The checkpoint was made by {len(state['folds'])} folds, and here are "
                f"{len(folds)}. Resume with the cross-validation that it was saved with."
            )
        found = [
            FoldProgress.from_state(fold, one, told)
            for fold, one in zip(folds, state["folds"], strict=True)
        ]
        return cls(found, state["first_step"], told)


def _finished_state(finished: Finished, told: PhaseGroupResults) -> dict[str, Any]:
    known = finished.results.label in told
    return {
        "steps": finished.steps,
        "results": None if known else results_state(finished.results),
        "history": [] if known else [run_state(run) for run in finished.history],
        "left": left_state(finished.left),
    }


def _finished_from_state(state: Mapping[str, Any], fold: Fold, told: PhaseGroupResults) -> Finished:
    kept = state["results"]
    results = told[fold.label] if kept is None else results_from_state(kept)
    if not isinstance(results, FoldResults):
        raise CheckpointError(f"The checkpoint holds no results of {fold.label!r}.")
    history = [run_from_state(run) for run in state["history"]]
    left = left_from_state(state.get("left", ()))
    return Finished(state["steps"], results, history=history, left=left)


def _event_state(event: Event) -> list[Any]:
    facts = dict(event.facts)
    if "snapshots" in facts:
        facts["snapshots"] = {
            key: one and one.get_state() for key, one in facts["snapshots"].items()
        }
    if "results" in facts:
        facts["results"] = results_state(facts["results"])
    return [event.name, list(event.path), event.step, facts, event.at]


def _event_from_state(state: Sequence[Any]) -> Event:
    name, path, step, facts, at = state
    facts = dict(facts)
    if "snapshots" in facts:
        facts["snapshots"] = {
            key: one and Snapshot.from_state(one) for key, one in facts["snapshots"].items()
        }
    if "results" in facts:
        results = results_from_state(facts["results"])
        # Results held none in an earlier version.
        for one in facts.pop("stoppings", ()):
            if isinstance(results, PhaseResults):
                results.add_callback_result(EarlyStoppingResult(**one))
        facts["results"] = results
    return Event(name, tuple(path), step, facts, at)
