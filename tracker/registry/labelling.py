"""What people call runs and pipelines, and say of them: names, tags, notes, favourites."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Pipeline, Run
from tracker.errors import InvalidError, StateError
from tracker.registry.choosing import Owner, called, kind_of
from tracker.registry.details import standing_of, tag_owner
from tracker.registry.names import checked_name
from tracker.registry.pipelines import current_run, rename_pipeline
from tracker.registry.rows import Rows
from tracker.registry.runs import rename_run
from tracker.registry.tags import add_tags, remove_tags, tags_of_pipelines, tags_of_runs

# A favourite is what has this tag: it goes wherever tags go, and filters know it as one.
FAVOURITE = "favourite"

# `{{` and `}}` stand for braces; between single ones is an expression.
_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def tag(
    session: Session, owners: Iterable[Owner], add: Sequence[str], remove: Sequence[str] = ()
) -> None:
    """Puts tags on each, and takes others off."""
    for owner in owners:
        add_tags(session, add, **tag_owner(owner))
        if remove:
            remove_tags(session, remove, **tag_owner(owner))


def write_note(owners: Iterable[Owner], text: str | None) -> None:
    """Replaces the note of each; an empty one takes it away."""
    for owner in owners:
        owner.note = text or None


def tags_of(session: Session, owners: Sequence[Owner]) -> list[list[str]]:
    """Each one's tags in alphabetical order."""
    runs = [owner.id for owner in owners if isinstance(owner, Run)]
    pipelines = [owner.id for owner in owners if isinstance(owner, Pipeline)]
    of_runs, of_pipelines = tags_of_runs(session, runs), tags_of_pipelines(session, pipelines)
    return [
        of_runs[owner.id] if isinstance(owner, Run) else of_pipelines[owner.id] for owner in owners
    ]


def new_names(session: Session, owners: Sequence[Owner], template: str) -> list[str]:
    """What each is to be called: the template with its expressions filled in.

    `mlp-{lr}` becomes `mlp-0.1`: in braces is whatever a column of a list can show, and `{{`
    stands for a brace. InvalidError where an expression has no value, or two would have one
    name where names must differ.
    """
    names = [""] * len(owners)
    for literal, expression in _parts(template):
        values = (
            [literal] * len(owners) if expression is None else _words(session, owners, expression)
        )
        names = [name + value for name, value in zip(names, values, strict=True)]
    for owner, name in zip(owners, names, strict=True):
        checked_name(kind_of(owner), name)
    # Runs are told apart within their experiment, pipelines within the lab.
    places = [
        (kind_of(owner), owner.experiment_id if isinstance(owner, Run) else None, name)
        for owner, name in zip(owners, names, strict=True)
    ]
    (place, often), *_ = Counter(places).most_common(1) or [(("", None, ""), 1)]
    if often > 1:
        raise InvalidError(f"{often} {place[0]}s would be named {place[2]!r}; names must differ.")
    return names


def rename(session: Session, owners: Sequence[Owner], names: Sequence[str]) -> None:
    """Gives each its new name, all or none; they may swap theirs.

    The runs that are called after a pipeline are renamed with it. TakenError for a name that
    another has, StateError for a pipeline that is running.
    """
    changed = [
        (owner, name) for owner, name in zip(owners, names, strict=True) if owner.name != name
    ]
    for owner, name in tuple(changed):
        checked_name(kind_of(owner), name)
        if isinstance(owner, Pipeline):
            _refuse_running(session, owner)
            changed += [pair for pair in _namesakes(session, owner, name) if pair[0] not in owners]
    if len(changed) > 1:
        for owner, _ in changed:
            owner.name = f"{owner.name} is being renamed {owner.id}"
        session.flush()
    for owner, name in changed:
        if isinstance(owner, Run):
            rename_run(session, owner.id, name)
        else:
            rename_pipeline(session, owner, name)
        session.flush()


def _namesakes(session: Session, pipeline: Pipeline, name: str) -> list[tuple[Owner, str]]:
    """The pipeline's runs called as it is, or so with a number, and what they are to be called."""
    own = re.compile(rf"{re.escape(pipeline.name)}(-\d+)?")
    runs = select(Run).where(Run.pipeline_id == pipeline.id, Run.deleted.is_(None))
    return [
        (run, name + (found[1] or ""))
        for run in session.scalars(runs.order_by(Run.id))
        if (found := own.fullmatch(run.name))
    ]


def _parts(template: str) -> Iterable[tuple[str, str | None]]:
    """Pieces of text, and expressions."""
    place = 0
    for hole in _HOLE.finditer(template):
        yield template[place : hole.start()], None
        place = hole.end()
        if hole[0] in ("{{", "}}"):
            yield hole[0][0], None
        elif hole[1] and hole[1].strip():
            yield "", hole[1].strip()
        else:
            raise InvalidError(
                f"{template!r} has a brace without a pair or an expression; write {{lr}}, or {{{{"
                " for a brace itself."
            )
    yield template[place:], None


def _words(session: Session, owners: Sequence[Owner], expression: str) -> list[str]:
    found: dict[tuple[str, int], Any] = {}
    for of, table in (("runs", Run), ("pipelines", Pipeline)):
        ids = [owner.id for owner in owners if isinstance(owner, table)]
        if ids:
            rows = Rows(session, "runs" if of == "runs" else "pipelines")
            (values,) = rows.columns(ids, [rows.filters.value(expression)])
            found |= {(of, id_): value for id_, value in zip(ids, values, strict=True)}
    values = [
        found["runs" if isinstance(owner, Run) else "pipelines", owner.id] for owner in owners
    ]
    for owner, value in zip(owners, values, strict=True):
        if value is None or value == () or (isinstance(value, float) and math.isnan(value)):
            label = called(session, [owner])[0]
            raise InvalidError(
                f"The {kind_of(owner)} {label!r} has no {expression} to be named by."
            )
    return [", ".join(value) if isinstance(value, tuple) else str(value) for value in values]


def _refuse_running(session: Session, pipeline: Pipeline) -> None:
    """Who trains it knows it by its name."""
    run = current_run(session, pipeline)
    if run is not None and standing_of(session, run)["status"] is RunStatus.RUNNING:
        raise StateError(
            f"Pipeline {pipeline.name!r} is running; `labkeeper stop {pipeline.name}` first."
        )
