"""Which runs and pipelines are meant: by their names, or by a filter that describes them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.tables import Experiment, Pipeline, Run
from tracker.errors import InvalidError, NotFoundError
from tracker.registry.details import find_named
from tracker.registry.rows import Choice, Rows

Owner = Pipeline | Run

# SQLite takes so many parameters, and more, in one statement.
AT_ONCE = 10_000


def choose(
    session: Session,
    names: Iterable[str] = (),
    *,
    filter: str | None = None,  # noqa: A002 - the word everywhere else
    pipelines: bool = False,
) -> list[Owner]:
    """The runs and pipelines of these names, or those that a filter describes; each once.

    A name is a pipeline's, else a run's. The filter is about runs, or about pipelines; what is
    archived or in the trash is not in it, and the newest comes first. InvalidError for names
    and a filter, or neither.
    """
    names = [names] if isinstance(names, str) else list(names)
    if bool(names) == (filter is not None):
        raise InvalidError("Say which are meant: by their names, or by a filter.")
    if filter is None:
        return list(dict.fromkeys(find_named(session, name) for name in names))
    rows = Rows(session, "pipelines" if pipelines else "runs")
    ids = rows.page(Choice(filter=filter, archived=False)).ids
    found: dict[int, Owner] = {}
    for start in range(0, len(ids), AT_ONCE):
        found |= _by_id(session, ids[start : start + AT_ONCE], pipelines=pipelines)
    return [found[id_] for id_ in ids]


def _by_id(session: Session, ids: Sequence[int], *, pipelines: bool) -> dict[int, Owner]:
    if pipelines:
        return {
            row.id: row for row in session.scalars(select(Pipeline).where(Pipeline.id.in_(ids)))
        }
    return {row.id: row for row in session.scalars(select(Run).where(Run.id.in_(ids)))}


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
