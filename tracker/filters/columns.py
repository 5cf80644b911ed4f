"""The columns that filters know by a bare name, of runs and of pipelines."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, Pipeline, Run, RunSession, Tag
from tracker.filters.lookups import Face, Faces, Kind, Located, Lookup, Own, Sql
from tracker.filters.moments import read_seconds

STATUSES = tuple(status.value for status in RunStatus)


@dataclass(frozen=True, eq=False)
class Column:
    """A column, what it shows, and what a text stands for that is compared with it."""

    located: Located
    # Where the value lies, if not in the face.
    shown: Sql | None = None
    # Set: every value it can have.
    choices: tuple[str, ...] = ()
    # Set: a text is a number in other words.
    number_of: Callable[[str], float | None] | None = None

    @property
    def has_words(self) -> bool:
        """Whether a text that is compared with it has to be understood first."""
        return bool(self.choices or self.number_of or Kind.MOMENT in self.located.faces)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is filtered: its table's columns, and whose parameters and metrics it has."""

    name: str
    id: Sql
    run_id: Sql
    optional: bool  # `run_id` may be NULL
    columns: dict[str, Column]


@lru_cache(maxsize=2)
def runs(lost: frozenset[int]) -> Subject:
    """Runs; those in `lost` count as lost, whatever their row says."""
    pipeline = aliased(Pipeline)
    columns = _of_a_run(Run, lost, Own) | {
        "experiment": _beside(Run.experiment_id, Experiment.id, Experiment.name),
        "pipeline": _beside(Run.pipeline_id, pipeline.id, pipeline.name, optional=True),
        "archived": _own(Run.archived, Kind.MOMENT, nullable=True),
        "deleted": _own(Run.deleted, Kind.MOMENT, nullable=True),
        "tags": _tags(Run.id, Tag.run_id),
    }
    return Subject("runs", Run.id, Run.id, optional=False, columns=columns)


@lru_cache(maxsize=2)
def pipelines(lost: frozenset[int]) -> Subject:
    """Pipelines; what only runs have is their current run's."""
    run, current = aliased(Run), aliased(Run)
    # The id of a run that is gone may have come to another. One that went to the trash alone
    # is not to be seen; one that went there with its pipeline is seen with it.
    outer = (
        sa.select(current.id)
        .where(
            current.id == Pipeline.current_run_id,
            current.pipeline_id == Pipeline.id,
            current.deleted.is_not_distinct_from(Pipeline.deleted),
        )
        .correlate(Pipeline)
        .scalar_subquery()
    )

    def of_current_run(faces: Faces, *, nullable: bool) -> Lookup:
        there = tuple(face.sql.is_not(None) for face in faces.values() if nullable)
        return Lookup(outer, run.id, faces, there, optional=True)

    columns = _of_a_run(run, lost, of_current_run)
    columns["run"] = columns["name"]
    columns |= {
        "name": _own(Pipeline.name),
        "experiment": _beside(Pipeline.experiment_id, Experiment.id, Experiment.name),
        "recipe": _own(Pipeline.recipe),
        "note": _own(Pipeline.note, nullable=True),
        "created": _own(Pipeline.created, Kind.MOMENT),
        "archived": _own(Pipeline.archived, Kind.MOMENT, nullable=True),
        "deleted": _own(Pipeline.deleted, Kind.MOMENT, nullable=True),
        "tags": _tags(Pipeline.id, Tag.pipeline_id),
    }
    return Subject("pipelines", Pipeline.id, outer, optional=True, columns=columns)


class _Place(Protocol):
    """Says where the columns of a run lie, seen from what is filtered."""

    def __call__(self, faces: Faces, *, nullable: bool) -> Located: ...


def _of_a_run(run: Any, lost: frozenset[int], place: _Place) -> dict[str, Column]:
    def text(sql: Sql, choices: tuple[str, ...] = (), *, nullable: bool = True) -> Column:
        return Column(place({Kind.TEXT: Face(sql)}, nullable=nullable), choices=choices)

    def number(sql: Sql) -> Column:
        return Column(place({Kind.NUMBER: Face(sql)}, nullable=True))

    def moment(sql: Sql, *, nullable: bool = True) -> Column:
        return Column(place({Kind.MOMENT: Face(sql)}, nullable=nullable))

    return {
        "name": text(run.name, nullable=False),
        "uuid": text(run.uuid, nullable=False),
        "status": text(_status(run, lost), STATUSES, nullable=False),
        "reason": text(run.reason),
        "seed": Column(place({Kind.NUMBER: _whole(run.seed)}, nullable=True), run.seed),
        "created": moment(run.created, nullable=False),
        "started": moment(run.started),
        "ended": moment(run.ended),
        "duration": replace(number(_duration(run)), number_of=read_seconds),
        "phase": text(run.phase),
        "epoch": number(run.epoch),
        "batch": number(run.batch),
        "note": text(run.note),
    }


def _status(run: Any, lost: frozenset[int]) -> Sql:
    status: Sql = sa.type_coerce(run.status, sa.String)
    if not lost:
        return status
    vanished = sa.and_(status == RunStatus.RUNNING.value, run.id.in_(sorted(lost)))
    return sa.case((vanished, RunStatus.LOST.value), else_=status)


def _whole(number: Any) -> Face:
    """A column of integers, which a float may have to round."""
    beyond = sa.not_(number.between(-(2**53), 2**53))
    digits = sa.case((beyond, sa.cast(number, sa.String)))
    return Face(sa.cast(number, sa.REAL), exact=digits)


def _duration(run: Any) -> Sql:
    """Seconds that processes have worked on the run: without the time between sessions."""
    end = sa.func.coalesce(RunSession.ended, RunSession.heartbeat)
    worked = (
        sa.select(sa.func.sum(_days(end) - _days(RunSession.started)))
        .where(RunSession.run_id == run.id)
        .correlate(run)
        .scalar_subquery()
    )
    whole = _days(run.ended) - _days(run.started)
    # SQLite's clock counts milliseconds.
    return sa.func.round(sa.func.coalesce(worked, whole) * 86400.0, 3, type_=sa.REAL)


def _days(moment: Any) -> Sql:
    return sa.func.julianday(moment, type_=sa.REAL)


def _own(column: Any, kind: Kind = Kind.TEXT, *, nullable: bool = False) -> Column:
    return Column(Own({kind: Face(column)}, nullable=nullable))


def _beside(
    outer: Any, inner: Any, column: Any, kind: Kind = Kind.TEXT, *, optional: bool = False
) -> Column:
    lookup = Lookup(outer, inner, {kind: Face(column)}, (column.is_not(None),), optional=optional)
    return Column(lookup)


def _tags(outer: Any, inner: Any) -> Column:
    # A NULL owner is somebody else's tag, and would make `IN` answer NULL.
    there = (inner.is_not(None),)
    # Sorted by the first of them.
    lookup = Lookup(
        outer, inner, {Kind.TEXT: Face(Tag.name)}, there, many=True, order=(sa.func.min(Tag.name),)
    )
    return Column(lookup, shown=sa.func.json_group_array(Tag.name))
