"""What becomes of each pipeline, run and sweep of a bundle in a lab that has its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.errors import StateError, TakenError
from tracker.registry.names import free_name
from tracker.registry.sweeps.trashed import IN_TRASH, MOMENT, NAME
from tracker.transfer.comparing import history_of, lacks_files
from tracker.transfer.giving_way import (
    give_new_uuid,
    trash_pipelines,
    trash_runs,
    trash_sweeps,
)


class Taken(StrEnum):
    """What is done where a name is taken, or where a run has gone on differently."""

    REFUSE = "refuse"
    RENAME = "rename"
    SKIP = "skip"
    REPLACE = "replace"


class Fate(StrEnum):
    """What becomes of one thing in a bundle."""

    NEW = "new"
    PRESENT = "present"  # it is here already, and stays as it is
    RENAMED = "renamed"
    SKIPPED = "skipped"
    REPLACED = "replaced"  # what had its name, or what it was here, is in the trash


class Change(NamedTuple):
    """What becomes of a pipeline, a run or a sweep, and what it is called here."""

    kind: str
    name: str
    fate: Fate
    here: str


@dataclass
class Plan:
    """What to store, by ids in the bundle; and what is here already, by ids in the lab."""

    changes: list[Change] = field(default_factory=list)
    here: dict[str, dict[int, int]] = field(default_factory=dict)
    new: dict[str, set[int]] = field(default_factory=dict)
    names: dict[str, dict[int, str]] = field(default_factory=dict)


class _Root(NamedTuple):
    """One row of the bundle that belongs to nothing else."""

    id: int
    name: str
    identity: tuple[str, ...]
    experiment: str


class _Kind(NamedTuple):
    """How things of one kind are found."""

    table: str
    word: str
    # Of the bundle: id, name, identity, experiment.
    every: str
    # Of the lab: id, name and moment of going to the trash of what is the same; the id of what
    # has the name.
    same: str
    taken: str
    # Makes room for another.
    put_away: Callable[[Session, list[int]], None]


_KINDS = (
    _Kind(
        "pipelines",
        "pipeline",
        "SELECT id, name, config_hash, created, '' FROM pipelines ORDER BY id",
        "SELECT id, name, deleted FROM pipelines WHERE config_hash = ? AND created = ?"
        " ORDER BY deleted IS NOT NULL",
        "SELECT id FROM pipelines WHERE name = ?1 AND ?2 = '' AND deleted IS NULL",
        trash_pipelines,
    ),
    _Kind(
        "runs",
        "run",
        "SELECT runs.id, runs.name, uuid, '', experiments.name FROM runs"
        " JOIN experiments ON experiments.id = experiment_id ORDER BY runs.id",
        "SELECT id, name, deleted FROM runs WHERE uuid = ? AND ? = ''",
        "SELECT runs.id FROM runs JOIN experiments ON experiments.id = experiment_id"
        " WHERE runs.name = ?1 AND experiments.name = ?2 AND deleted IS NULL",
        trash_runs,
    ),
    _Kind(
        "sweeps",
        "sweep",
        "SELECT id, name, grid_hash, created, '' FROM sweeps ORDER BY id",
        f"SELECT id, {NAME}, {MOMENT} FROM sweeps WHERE grid_hash = ? AND created = ?"  # noqa: S608 - constants
        f" ORDER BY {IN_TRASH}",
        "SELECT id FROM sweeps WHERE name = ?1 AND ?2 = ''",
        trash_sweeps,
    ),
)


def make_plan(bundle: Path, theirs: Any, session: Session, rule: Taken) -> Plan:
    """Decides by the rule; what is to be replaced goes to the trash at once.

    `session` is the lab's, in a transaction that writes. TakenError names what stands in the
    way, StateError what is running.
    """
    plan = Plan()
    obstacles: list[str] = []
    for kind in _KINDS:
        decide = _Deciding(kind, plan, theirs, session, rule, obstacles)
        decide.all(_roots(theirs, kind))
    if obstacles:
        more = f" (and {len(obstacles) - 1} more)" if len(obstacles) > 1 else ""
        raise TakenError(
            f"{bundle} is not imported: {obstacles[0]}{more}. Choose what to do: --rename, --skip"
            " or --replace. Nothing was changed."
        )
    return plan


def _roots(theirs: Any, kind: _Kind) -> Iterator[_Root]:
    for number, name, first, second, experiment in theirs.execute(kind.every).fetchall():
        yield _Root(number, name, (first, second), experiment)


class _Deciding:
    """Deciding about all things of one kind."""

    def __init__(
        self,
        kind: _Kind,
        plan: Plan,
        theirs: Any,
        session: Session,
        rule: Taken,
        obstacles: list[str],
    ) -> None:
        self._kind = kind
        self._plan = plan
        self._theirs = theirs
        self._session = session
        self._mine = driver_connection(session)
        self._rule = rule
        self._obstacles = obstacles
        self._here = plan.here.setdefault(kind.table, {})
        self._new = plan.new.setdefault(kind.table, set())
        self._names = plan.names.setdefault(kind.table, {})

    def all(self, roots: Iterator[_Root]) -> None:
        listed = list(roots)
        # No new name is one that another thing in the bundle has.
        self._given = {(root.experiment, root.name) for root in listed}
        for root in listed:
            fate, here = self._decide(root)
            self._plan.changes.append(Change(self._kind.word, root.name, fate, here))

    def _decide(self, root: _Root) -> tuple[Fate, str]:
        if self._kind.table == "runs" and self._is_of_skipped(root.id):
            return Fate.SKIPPED, ""
        same = self._mine.execute(self._kind.same, root.identity).fetchone()
        if same is not None:
            return self._meet(root, *same)
        taken = self._taken(root.experiment, root.name)
        if taken is None:
            self._new.add(root.id)
            return Fate.NEW, root.name
        return self._give_way(root, taken)

    def _meet(self, root: _Root, number: int, name: str, deleted: str | None) -> tuple[Fate, str]:
        """The very same thing is here."""
        difference = self._difference(root.id, number, deleted)
        if difference is None:
            self._here[root.id] = number
            return Fate.PRESENT, name
        if self._rule is Taken.REPLACE:
            self._put_away(number)
            if self._kind.table == "runs":
                give_new_uuid(self._mine, number)
            return self._take_place(root, name if deleted is None else root.name)
        if self._rule is not Taken.SKIP:
            self._obstacles.append(f"{self._kind.word} {name!r} is here already, and {difference}")
        elif deleted is None:
            self._here[root.id] = number
            return Fate.PRESENT, name
        return Fate.SKIPPED, ""

    def _take_place(self, root: _Root, name: str) -> tuple[Fate, str]:
        """Stores the bundle's under a name; another thing that has it gives way as well."""
        taken = self._taken(root.experiment, name)
        if taken is not None:
            self._put_away(taken)
        self._new.add(root.id)
        self._names[root.id] = name
        return Fate.REPLACED, name

    def _difference(self, theirs: int, mine: int, deleted: str | None) -> str | None:
        """How what is here is not what the bundle has."""
        if deleted is not None:
            return "is in the trash; restore it, or purge it"
        if self._kind.table != "runs":
            return None
        if history_of(self._theirs, theirs) != history_of(self._mine, mine):
            return "has gone on differently"
        if lacks_files(self._mine, mine, self._theirs, theirs):
            return "lacks checkpoints or artifacts that the bundle has"
        return None

    def _give_way(self, root: _Root, taken: int) -> tuple[Fate, str]:
        """Another thing has the name."""
        match self._rule:
            case Taken.SKIP:
                return Fate.SKIPPED, ""
            case Taken.REPLACE:
                self._put_away(taken)
                self._new.add(root.id)
                return Fate.REPLACED, root.name
            case Taken.RENAME:
                return Fate.RENAMED, self._rename(root)
        where = f" in the experiment {root.experiment!r}" if root.experiment else ""
        self._obstacles.append(f"another {self._kind.word}{where} is called {root.name!r}")
        return Fate.SKIPPED, ""

    def _rename(self, root: _Root) -> str:
        name = free_name(
            root.name,
            lambda wanted: (
                (root.experiment, wanted) in self._given
                or self._taken(root.experiment, wanted) is not None
            ),
        )
        self._given.add((root.experiment, name))
        self._names[root.id] = name
        self._new.add(root.id)
        return name

    def _taken(self, experiment: str, name: str) -> int | None:
        found = self._mine.execute(self._kind.taken, (name, experiment)).fetchone()
        return None if found is None else int(found[0])

    def _put_away(self, number: int) -> None:
        """What is here gives way, unless the bundle has it too."""
        if number in self._here.values():
            raise StateError(
                f"The {self._kind.word} #{number} is in the bundle under another name; rename it"
                " here first. Nothing was changed."
            )
        self._kind.put_away(self._session, [number])

    def _is_of_skipped(self, run_id: int) -> bool:
        ((pipeline,),) = self._theirs.execute(
            "SELECT pipeline_id FROM runs WHERE id = ?", (run_id,)
        )
        return (
            pipeline is not None
            and pipeline not in self._plan.here["pipelines"]
            and pipeline not in self._plan.new["pipelines"]
        )
