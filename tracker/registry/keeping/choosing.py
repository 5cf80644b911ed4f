"""Which pipelines and runs are meant: by name, or by what a filter describes."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, Pipeline, Run
from tracker.errors import InvalidError, NotFoundError, StateError
from tracker.filters.language import Of
from tracker.registry.choosing import choose
from tracker.registry.rows import Choice, Rows
from tracker.registry.runs import SHORTEST_PREFIX
from tracker.registry.sessions import settle_dead

Row = TypeVar("Row", Pipeline, Run)

# So many names are told; more would hide what the sentence says.
TOLD = 5


class Wanted(NamedTuple):
    """Names (of a pipeline, else of a run), and filters over pipelines and over runs."""

    names: str | Sequence[str] = ()
    pipelines: str | None = None
    runs: str | None = None

    @property
    def all_names(self) -> Sequence[str]:
        return [self.names] if isinstance(self.names, str) else self.names

    @property
    def is_nothing(self) -> bool:
        return not self.names and self.pipelines is None and self.runs is None


class Chosen(NamedTuple):
    """Each pipeline and each run once, in the order of their making."""

    pipelines: list[Pipeline]
    runs: list[Run]  # meant themselves
    theirs: list[Run]  # the other runs of the pipelines

    @property
    def all_runs(self) -> list[Run]:
        return sorted([*self.runs, *self.theirs], key=lambda run: run.id)


def choose_visible(session: Session, wanted: Wanted, *, archived: bool | None = False) -> Chosen:
    """What is meant of all that is not in the trash, with the runs of the pipelines.

    As `registry.choosing.choose` understands names and filters.
    """
    found = choose(
        session,
        wanted.all_names,
        pipelines=wanted.pipelines,
        runs=wanted.runs,
        archived=archived,
    )
    pipelines = {row.id for row in found if isinstance(row, Pipeline)}
    runs = {row.id for row in found if isinstance(row, Run)}
    return _loaded(session, pipelines, runs, deleted=False)


def choose_deleted(
    session: Session, wanted: Wanted, *, before: datetime | None = None, newest: bool = False
) -> Chosen:
    """What is meant of the trash, with the runs that went there with their pipelines.

    A name means everything in the trash that had it, or only what came there last, if
    `newest`. `before`: only what was deleted before that moment. NotFoundError for a name
    that is not there.
    """
    pipelines: set[int] = set()
    runs: set[int] = set()
    for name in wanted.all_names:
        of_pipelines, of_runs = _deleted_named(session, name)
        pipelines |= set(of_pipelines[:1] if newest else of_pipelines)
        runs |= set(of_runs[:1] if newest else of_runs)
    pipelines |= _matching(session, "pipelines", wanted.pipelines)
    runs |= _matching(session, "runs", wanted.runs)
    if wanted.is_nothing:
        pipelines = set(session.scalars(select(Pipeline.id).where(Pipeline.deleted.is_not(None))))
        runs = set(session.scalars(select(Run.id).where(Run.deleted.is_not(None))))
    if before is not None:
        pipelines = _older(session, Pipeline, pipelines, before)
        runs = _older(session, Run, runs, before)
    return _loaded(session, pipelines, runs, deleted=True)


def refuse_running(session: Session, chosen: Chosen, command: str) -> None:
    """StateError, which names them, if some of the runs are running."""
    settle_dead(session)
    running = [run for run in chosen.all_runs if run.status is RunStatus.RUNNING]
    if running:
        names = told([run_label(session, run) for run in running])
        are = "is" if len(running) == 1 else "are"
        raise StateError(
            f"Cannot {command}: {names} {are} running; `labkeeper stop` first. Nothing was changed."
        )


def run_label(session: Session, run: Run) -> str:
    """`experiment/name`, which tells the run from others of its name."""
    return f"{session.get_one(Experiment, run.experiment_id).name}/{run.name}"


def told(names: Sequence[str]) -> str:
    """Names in a sentence: the first few, and how many more there are."""
    rest = len(names) - TOLD
    return ", ".join(names[:TOLD]) + (f" and {rest} more" if rest > 0 else "")


def listed(values: Iterable[int] | Iterable[str]) -> Select[Any]:
    """Any number of values as a subquery: SQLite takes only so many parameters."""
    return select(func.json_each(json.dumps(list(values))).table_valued("value").c.value)


def _matching(session: Session, of: Of, filter_: str | None) -> set[int]:
    if filter_ is None:
        return set()
    return set(Rows(session, of).page(Choice(filter_, deleted=True)).ids)


def _loaded(session: Session, pipelines: set[int], runs: set[int], *, deleted: bool) -> Chosen:
    of_pipelines = select(Run.id).where(Run.pipeline_id.in_(listed(pipelines)))
    if not deleted:
        of_pipelines = of_pipelines.where(Run.deleted.is_(None))
    theirs = set(session.scalars(of_pipelines)) - runs
    return Chosen(
        _rows(session, Pipeline, pipelines), _rows(session, Run, runs), _rows(session, Run, theirs)
    )


def _rows(session: Session, table: type[Row], ids: set[int]) -> list[Row]:
    return list(session.scalars(select(table).where(table.id.in_(listed(ids))).order_by(table.id)))


def _older(session: Session, table: type[Row], ids: set[int], before: datetime) -> set[int]:
    return set(
        session.scalars(select(table.id).where(table.id.in_(listed(ids)), table.deleted < before))
    )


def _deleted_named(session: Session, name: str) -> tuple[list[int], list[int]]:
    """The pipelines, else the runs, in the trash that this name means, the last one first."""
    pipelines = select(Pipeline.id).where(Pipeline.name == name, Pipeline.deleted.is_not(None))
    found = list(session.scalars(pipelines.order_by(Pipeline.deleted.desc(), Pipeline.id.desc())))
    if found:
        return found, []
    rows = session.execute(
        select(Run.id, Run.uuid, Run.name, Experiment.name)
        .join(Experiment, Experiment.id == Run.experiment_id)
        .where(Run.deleted.is_not(None))
        .order_by(Run.deleted.desc(), Run.id.desc())
    ).all()
    meanings: tuple[Callable[[Any], bool], ...] = (
        lambda row: row[2] == name,
        lambda row: f"{row[3]}/{row[2]}" == name,
        lambda row: len(name) >= SHORTEST_PREFIX and row[1].startswith(name.lower()),
    )
    for means in meanings:
        meant = [row for row in rows if means(row)]
        if len({row[3] for row in meant}) > 1:
            labels = sorted({f"{row[3]}/{row[2]}" for row in meant})
            raise InvalidError(f"{name!r} could be more than one run: {told(labels)}. Say which.")
        if meant:
            return [], [row[0] for row in meant]
    names = session.scalars(select(Pipeline.name).where(Pipeline.deleted.is_not(None)))
    raise NotFoundError("deleted pipeline or run", name, {*names, *(row[2] for row in rows)})
