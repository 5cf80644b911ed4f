"""Phases that belong together, in order, in groups of groups."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

from engine.errors import PhaseError, UnknownLabelError
from engine.phases.base import ExperimentPhase
from engine.phases.describing import described, rebuilt
from engine.phases.eval import EvalPhase
from engine.phases.fit import FitPhase
from engine.phases.labels import checked_label
from engine.phases.schedule import BatchSchedulingPolicy
from engine.phases.train import TrainPhase
from engine.results.group_results import PhaseGroupResults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.graph.node import GraphNode
    from engine.losses import AppliedLoss
    from engine.phases.binding import InputBinding
    from engine.phases.hooks import Callback
    from engine.phases.reporting import PhaseKind, RunStatus

P = TypeVar("P", bound="ExperimentPhase | PhaseGroup")
Item = "ExperimentPhase | PhaseGroup"


class ItemStanding(NamedTuple):
    """Whether an item is done, and if not, its own position; None: it has not begun."""

    is_done: bool
    position: "Any | None"


class GroupRun:
    """One execution of a group: what holds around its items, beside what they do themselves."""

    # What must be known to go on in the middle of the group; None: nothing. Where that is more than
    # plain values, it has a `get_state` of its own.
    state: Any = None

    def run_items(self, execution: Any, items: "Sequence[Any]", around: Any) -> "RunStatus":
        """Run the group's items, whose results go where `around` says."""
        status: RunStatus = execution.run_items(items, around)
        return status

    def leave(self, status: "RunStatus", results: PhaseGroupResults) -> None:
        """The items are done, or the first that is not."""


class PhaseGroup:
    """Phases and groups of phases under one label, run in the order in which they were added.

    Labels are unique within a group. Every method that adds or removes returns the group.
    """

    kind: "ClassVar[PhaseKind]" = "group"

    def __init__(
        self, label: str, phases: "list[ExperimentPhase | PhaseGroup] | None" = None
    ) -> None:
        self.label = checked_label(label, "label of a group")
        self._items: dict[str, ExperimentPhase | PhaseGroup] = {}
        self.add_items(phases or [])

    # Looking

    @property
    def all(self) -> "list[ExperimentPhase | PhaseGroup]":
        """Phases and groups of this level, in order."""
        return list(self._items.values())

    @property
    def phases(self) -> dict[str, ExperimentPhase]:
        """The phases of this level by label."""
        return {key: item for key, item in self.items() if isinstance(item, ExperimentPhase)}

    @property
    def phase_groups(self) -> "dict[str, PhaseGroup]":
        """The groups of this level by label."""
        return {key: item for key, item in self.items() if isinstance(item, PhaseGroup)}

    def items(self) -> "Iterator[tuple[str, ExperimentPhase | PhaseGroup]]":
        return iter(self._items.items())

    def flatten(self) -> list[ExperimentPhase]:
        """The phases of all levels, in order."""
        found: list[ExperimentPhase] = []
        for item in self:
            found += item.flatten() if isinstance(item, PhaseGroup) else [item]
        return found

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> "Iterator[ExperimentPhase | PhaseGroup]":
        return iter(self._items.values())

    def __contains__(self, item: object) -> bool:
        return item in self._items or any(item is kept for kept in self._items.values())

    def __repr__(self) -> str:
        return f"PhaseGroup({self.label!r}, {list(self._items)})"

    def get_item(self, key: int | str) -> "ExperimentPhase | PhaseGroup":
        """The phase or group with this label, or at this position."""
        return self._items[self._label_of(key)]

    def get_phase(self, key: int | str) -> ExperimentPhase:
        return self._typed(key, ExperimentPhase)  # type: ignore[type-abstract]  # any kind of phase

    def get_train_phase(self, key: int | str) -> TrainPhase:
        return self._typed(key, TrainPhase)

    def get_eval_phase(self, key: int | str) -> EvalPhase:
        return self._typed(key, EvalPhase)

    def get_fit_phase(self, key: int | str) -> FitPhase:
        return self._typed(key, FitPhase)

    def get_group(self, key: int | str) -> "PhaseGroup":
        return self._typed(key, PhaseGroup)

    def _typed(self, key: int | str, wanted: type[P]) -> P:
        item = self.get_item(key)
        if not isinstance(item, wanted):
            raise TypeError(f"{item.label!r} is a {type(item).__name__}, not a {wanted.__name__}.")
        return item

    # Adding

    def add_item(self, item: "ExperimentPhase | PhaseGroup") -> Self:
        """Append a phase or a group."""
        if not isinstance(item, ExperimentPhase | PhaseGroup):
            raise TypeError(f"A group holds phases and groups, not {type(item).__name__}.")
        if item.label in self._items:
            raise PhaseError(f"The group {self.label!r} has an item {item.label!r} already.")
        if isinstance(item, PhaseGroup) and item.holds(self):
            raise PhaseError(f"The group {item.label!r} cannot be a part of itself.")
        self._items[item.label] = item
        return self

    def add_items(self, items: "Iterable[ExperimentPhase | PhaseGroup]") -> Self:
        for item in items:
            self.add_item(item)
        return self

    def add_phase(self, phase: ExperimentPhase) -> Self:
        check_phase(phase)
        return self.add_item(phase)

    def add_group(self, group: "PhaseGroup") -> Self:
        check_group(group)
        return self.add_item(group)

    def add_train_phase(
        self,
        label: str,
        *,
        input_sources: "list[InputBinding]",
        losses: "list[AppliedLoss]",
        n_epochs: int = 1,
        active_nodes: "list[str | GraphNode] | None" = None,
        batch_schedule: BatchSchedulingPolicy | str = BatchSchedulingPolicy.ZIP_STRICT,
        callbacks: "list[Callback] | None" = None,
        **options: Any,
    ) -> Self:
        """Make a TrainPhase, with these and any other of its arguments, and append it."""
        phase = TrainPhase(
            label,
            input_sources=input_sources,
            losses=losses,
            n_epochs=n_epochs,
            active_nodes=active_nodes,
            batch_schedule=batch_schedule,
            callbacks=callbacks,
            **options,
        )
        return self.add_item(phase)

    def add_eval_phase(
        self,
        label: str,
        *,
        input_sources: "list[InputBinding]",
        losses: "list[AppliedLoss] | None" = None,
        active_nodes: "list[str | GraphNode] | None" = None,
        callbacks: "list[Callback] | None" = None,
        **options: Any,
    ) -> Self:
        """Make an EvalPhase, with these and any other of its arguments, and append it."""
        phase = EvalPhase(
            label,
            input_sources=input_sources,
            losses=losses,
            active_nodes=active_nodes,
            callbacks=callbacks,
            **options,
        )
        return self.add_item(phase)

    add_train = add_train_phase
    add_training = add_train_phase
    add_eval = add_eval_phase
    add_evaluation = add_eval_phase

    # Removing

    def remove_item(self, item: "int | str | ExperimentPhase | PhaseGroup") -> Self:
        """Take out a phase or group of this level, named by position, label or itself."""
        del self._items[self._label_of(item)]
        return self

    def remove_items(self, items: "list[int | str | ExperimentPhase | PhaseGroup]") -> Self:
        """Take out several; positions are those before the first is taken out."""
        labels = [self._label_of(item) for item in items]
        for label in dict.fromkeys(labels):
            del self._items[label]
        return self

    def remove_phase(self, phase: int | str | ExperimentPhase) -> Self:
        label = self._label_of(phase)
        self.get_phase(label)
        return self.remove_item(label)

    def remove_group(self, group: "int | str | PhaseGroup") -> Self:
        label = self._label_of(group)
        self.get_group(label)
        return self.remove_item(label)

    def clear(self) -> Self:
        self._items.clear()
        return self

    def holds(self, item: "ExperimentPhase | PhaseGroup") -> bool:
        """Whether the item is this group or part of it at any level."""
        return item is self or any(
            part is item or (isinstance(part, PhaseGroup) and part.holds(item)) for part in self
        )

    def _label_of(self, item: "int | str | ExperimentPhase | PhaseGroup") -> str:
        if isinstance(item, int):
            labels = list(self._items)
            if not -len(labels) <= item < len(labels):
                raise PhaseError(
                    f"The group {self.label!r} has {len(labels)} items and none at {item}."
                )
            return labels[item]
        label = item if isinstance(item, str) else item.label
        kept = self._items.get(label)
        if kept is None or not (isinstance(item, str) or kept is item):
            raise UnknownLabelError(f"item of the group {self.label!r} called", label, self._items)
        return label

    # Running

    def begin(self, experiment: Any, saved: "Mapping[str, Any] | None") -> GroupRun:  # noqa: ARG002 - a kind of group may need them
        """Called before the first item; `saved` is the state to go on from, None begins anew."""
        return GroupRun()

    def standings(self, saved: Any) -> "list[ItemStanding] | None":  # noqa: ARG002 - the base has none
        """Where each item stands in the state of an execution that ran them side by side.

        None for one that ran them one after the other.
        """
        return None

    def new_results(self) -> PhaseGroupResults:
        return PhaseGroupResults(self.label)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """What makes an equal group of equal phases."""
        return {"label": self.label, "phases": [described(item) for item in self]}

    @classmethod
    def from_config(cls, config: "Mapping[str, Any]") -> Self:
        """The group that `get_config` described, of the nodes in the active context."""
        return cls(config["label"], [rebuilt_item(one) for one in config["phases"]])


def check_phase(phase: Any) -> None:
    """TypeError if it is anything but one phase."""
    if not isinstance(phase, ExperimentPhase):
        hint = "; groups are added and run by add_group and run_group" * isinstance(
            phase, PhaseGroup
        )
        raise TypeError(f"A phase is wanted, not {_named(phase)}{hint}.")


def check_group(group: Any) -> None:
    """TypeError if it is anything but a group of phases."""
    if not isinstance(group, PhaseGroup):
        single = isinstance(group, ExperimentPhase)
        hint = "; phases are added and run by add_phase and run_phase" * single
        raise TypeError(f"A PhaseGroup is wanted, not {_named(group)}{hint}.")


def _named(thing: Any) -> str:
    labelled = isinstance(thing, ExperimentPhase | PhaseGroup)
    return f"the {type(thing).__name__} {thing.label!r}" if labelled else repr(thing)


def rebuilt_item(description: "Mapping[str, Any]") -> ExperimentPhase | PhaseGroup:
    """The phase or group that was described; imports its class."""
    item: ExperimentPhase | PhaseGroup = rebuilt(description, ExperimentPhase, PhaseGroup)
    return item
