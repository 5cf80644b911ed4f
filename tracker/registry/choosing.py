"""Which runs and pipelines are meant: by their names, or by a filter that describes them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from tracker.database.tables import Experiment, Pipeline, Run
from tracker.errors import NotFoundError, UnsaidError
from tracker.filters.language import Of
from tracker.registry.details import find_named
from tracker.registry.rows import Choice, Rows

Owner = Pipeline | Run
Kept = TypeVar("Kept", Pipeline, Run)

# SQLite takes so many parameters, and more, in one statement.
AT_ONCE = 10_000


def choose(
    session: Session,
    names: str | Iterable[str] = (),
    *,
    pipelines: str | None = None,
    runs: str | None = None,
    archived: bool | None = False,
) -> list[Owner]:
    """The pipelines and runs of these names, and those that filters describe; each once.

    A name is a pipeline's, else a run's. What is archived (or, as `archived` says, what is not)
    or in the trash is in no filter; of what one describes, the newest comes first. UnsaidError
    if neither says anything.
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names and pipelines is None and runs is None:
        raise UnsaidError
    found: list[Owner] = [find_named(session, name) for name in names]
    if pipelines is not None:
        ids = _described(session, "pipelines", pipelines, archived)
        found += _in_order(ids, select(Pipeline), Pipeline.id, session)
    if runs is not None:
        found += _in_order(
            _described(session, "runs", runs, archived), select(Run), Run.id, session
        )
    return list(dict.fromkeys(found))


def _described(session: Session, of: Of, filter_: str, archived: bool | None) -> list[int]:  # noqa: FBT001 - private
    return Rows(session, of).page(Choice(filter=filter_, archived=archived)).ids


def _in_order(ids: Sequence[int], rows: Select[Kept], column: Any, session: Session) -> list[Kept]:
    found: dict[int, Kept] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = session.scalars(rows.where(column.in_(ids[start : start + AT_ONCE])))
        found |= {row.id: row for row in some}
    return [found[id_] for id_ in ids]


def again(session: Session, owners: Iterable[Owner]) -> list[Owner]:
    """The same runs and pipelines as they are now; NotFoundError if one is gone by now."""
    found: list[Owner] = []
    for owner in owners:
        now: Owner | None = _row(session, owner)
        # The id of one that is gone may have come to another.
        if now is None or now.created != owner.created or now.deleted is not None:
            raise NotFoundError(kind_of(owner), owner.name)
        found.append(now)
    return found


def _row(session: Session, owner: Owner) -> Owner | None:
    if isinstance(owner, Run):
        return session.get(Run, owner.id)
    return session.get(Pipeline, owner.id)


def kind_of(owner: Owner) -> str:
    """The word for what it is, as people read it."""
    return "run" if isinstance(owner, Run) else "pipeline"


def called(session: Session, owners: Sequence[Owner]) -> list[str]:
    """What each is called: its name, with the experiment before it where that does not tell."""
    often = Counter((kind_of(owner), owner.name) for owner in owners)
    experiments = dict(session.execute(select(Experiment.id, Experiment.name)).all())
    return [
        owner.name
        if often[kind_of(owner), owner.name] == 1
        else f"{experiments[owner.experiment_id]}/{owner.name}"
        for owner in owners
    ]
