"""The names that a shell completes: what begins as typed, in alphabetical order."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.tables import Pipeline, Run, Series

# More than a shell shows without asking.
MOST = 200


def pipeline_names(session: Session, start: str) -> list[str]:
    """Pipelines that are not archived."""
    return _beginning(session, Pipeline.name, start, Pipeline.archived.is_(None))


def run_names(session: Session, start: str) -> list[str]:
    """Runs by name, each name once."""
    return _beginning(session, Run.name, start)


def metric_names(session: Session, start: str) -> list[str]:
    """Metrics that some run has logged."""
    return _beginning(session, Series.name, start)


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
