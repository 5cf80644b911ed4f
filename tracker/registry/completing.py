"""The names that a shell completes: what begins as typed, in alphabetical order."""

from collections.abc import Callable
from itertools import chain
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.tables import Pipeline, Run, Series, Sweep
from tracker.registry.sweeps.trashed import in_trash, name_and_moment

# More than a shell shows without asking.
MOST = 200


def pipeline_names(session: Session, start: str) -> list[str]:
    """Pipelines that are not archived."""
    return _beginning(session, Pipeline.name, start, *_in_the_way(Pipeline))


def run_names(session: Session, start: str) -> list[str]:
    """Runs that are not archived, by name, each name once."""
    return _beginning(session, Run.name, start, *_in_the_way(Run))


def archived_names(session: Session, start: str) -> list[str]:
    """Pipelines, then runs, that are archived."""
    return _of_both(session, start, lambda of: (of.archived.is_not(None), of.deleted.is_(None)))


def deleted_names(session: Session, start: str) -> list[str]:
    """Pipelines, then runs, that are in the trash."""
    return _of_both(session, start, lambda of: (of.deleted.is_not(None),))


def sweep_names(session: Session, start: str) -> list[str]:
    """Sweeps by name."""
    return _beginning(session, Sweep.name, start, ~in_trash())


def deleted_sweep_names(session: Session, start: str) -> list[str]:
    """Sweeps in the trash by the names that they had."""
    called = _beginning(session, Sweep.name, start, in_trash())
    return list(dict.fromkeys(name_and_moment(name)[0] for name in called))


def metric_names(session: Session, start: str) -> list[str]:
    """Metrics that some run has logged."""
    return _beginning(session, Series.name, start)


def _in_the_way(of: type[Pipeline | Run]) -> tuple[Any, ...]:
    return of.archived.is_(None), of.deleted.is_(None)


def _of_both(
    session: Session, start: str, which: Callable[[type[Pipeline | Run]], tuple[Any, ...]]
) -> list[str]:
    names = (_beginning(session, of.name, start, *which(of)) for of in (Pipeline, Run))
    return list(dict.fromkeys(chain.from_iterable(names)))


def _beginning(session: Session, column: Any, start: str, *conditions: Any) -> list[str]:
    # Not LIKE, which would find capitals too; the last letter there is ends the range.
    names = (
        select(column)
        .where(column >= start, column < f"{start}\U0010ffff", *conditions)
        .distinct()
        .order_by(column)
        .limit(MOST)
    )
    return list(session.scalars(names))
