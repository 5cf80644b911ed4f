"""What code ran where; one row for all sessions that ran in the same environment."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from tracker.database.tables import Environment, RunSession
from tracker.database.types import now


def record_environment(session: Session, content_hash: str, facts: Mapping[str, Any]) -> int:
    """The id of the environment with this hash; stores `facts` if it is a new one.

    `facts` are the columns of `tables.Environment`: git_commit, git_branch, patch, python,
    packages, host, platform, cpu, gpu.
    """
    find = select(Environment.id).where(Environment.hash == content_hash)
    found = session.scalar(find)
    if found is not None:
        return found
    return session.scalars(
        insert(Environment).returning(Environment.id),
        {**facts, "hash": content_hash, "created": now()},
    ).one()


def environments_of(session: Session, run_id: int) -> list[Environment]:
    """The environments that the run's sessions ran in, each once, the first one first."""
    sessions = (
        select(RunSession.environment_id)
        .where(RunSession.run_id == run_id, RunSession.environment_id.is_not(None))
        .order_by(RunSession.id)
    )
    ids = dict.fromkeys(session.scalars(sessions))
    return [session.get_one(Environment, environment_id) for environment_id in ids]
