"""Words on runs and pipelines."""

from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import Tag
from tracker.errors import InvalidError
from tracker.registry.names import checked_name


def add_tags(
    session: Session,
    names: Iterable[str],
    *,
    run_id: int | None = None,
    pipeline_id: int | None = None,
) -> None:
    """Tags the run or the pipeline; a tag that it has already stays as it is."""
    rows = [(_checked(name), run_id, pipeline_id) for name in _words(names)]
    driver_connection(session).executemany(
        "INSERT INTO tags (name, run_id, pipeline_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        rows,
    )


def remove_tags(
    session: Session,
    names: Iterable[str],
    *,
    run_id: int | None = None,
    pipeline_id: int | None = None,
) -> None:
    """Takes the tags off the run or the pipeline; one that it does not have is no error."""
    owner = Tag.run_id == run_id if run_id is not None else Tag.pipeline_id == pipeline_id
    session.execute(delete(Tag).where(owner, Tag.name.in_(_words(names))))


def tags_of_runs(session: Session, run_ids: Iterable[int]) -> dict[int, list[str]]:
    """Each run's tags in alphabetical order."""
    found: dict[int, list[str]] = {run_id: [] for run_id in run_ids}
    rows = session.execute(
        select(Tag.run_id, Tag.name).where(Tag.run_id.in_(found)).order_by(Tag.name)
    )
    for run_id, name in rows:
        found[run_id or 0].append(name)
    return found


def tags_of_pipelines(session: Session, pipeline_ids: Iterable[int]) -> dict[int, list[str]]:
    """Each pipeline's tags in alphabetical order."""
    found: dict[int, list[str]] = {pipeline_id: [] for pipeline_id in pipeline_ids}
    rows = session.execute(
        select(Tag.pipeline_id, Tag.name).where(Tag.pipeline_id.in_(found)).order_by(Tag.name)
    )
    for pipeline_id, name in rows:
        found[pipeline_id or 0].append(name)
    return found


def _checked(name: object) -> str:
    tag = checked_name("tag", name)
    if "," in tag:
        raise InvalidError(
            f"{tag!r} cannot be the name of a tag: commas stand between tags. Give several one "
            "by one."
        )
    return tag


def _words(names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise InvalidError(f"Tags are a list of words, not the text {names!r}: [{names!r}].")
    return list(dict.fromkeys(names))
