"""What shares which values with a run or a pipeline: the other way round to what differs."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import ParamKind
from tracker.database.tables import Pipeline, Run
from tracker.errors import NotFoundError
from tracker.registry.details import find_named
from tracker.registry.differences import same
from tracker.registry.params import EXACT, columns, flat, read_params
from tracker.registry.rows import Choice, Rows


class Match(NamedTuple):
    """Another run or pipeline, and the values that it has in common with the one asked about."""

    name: str
    experiment: str
    status: str | None  # None: never trained
    shared: int
    of: int  # how many values the one asked about has
    values: dict[str, Any]  # those that are shared, by dotted key


class SharedValue(NamedTuple):
    """A value of the one asked about, and who has it as well, the newest first."""

    key: str
    value: Any
    others: int
    names: list[str]


class Matches:
    """All that share a value with the run or the pipeline of this name.

    Runs are compared with runs by their parameters, pipelines with pipelines by their
    configurations; archived pipelines and their runs are left out. Values are the same where
    a filter finds them equal, where both are NaN and where both are None. With `on`, only
    those that share all of these keys (NotFoundError for one that the named one has not);
    with a filter, only those that it describes.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        *,
        on: Sequence[str] = (),
        filter: str | None = None,  # noqa: A002 - the word everywhere else
    ) -> None:
        found = find_named(session, name)
        is_run = isinstance(found, Run)
        self._rows = Rows(session, "runs" if is_run else "pipelines")
        self.values = _values_of(session, found)
        for key in on:
            if key not in self.values:
                raise NotFoundError("parameter", key, self.values)
        # The newest first.
        chosen = self._rows.page(Choice(filter=filter, archived=False)).ids
        others = [id_ for id_ in chosen if id_ != found.id]
        share = _runs_sharing if is_run else _pipelines_sharing
        sharing = share(session, self.values)
        meant = set(others).intersection(*(sharing[key] for key in on))
        self._others = [id_ for id_ in others if id_ in meant]
        self._sharing = {key: sharing[key] & meant for key in self.values}

    def by_name(self, limit: int | None = None) -> list[Match]:
        """A row for each other, those that share the most first, of equals the newest."""
        counts = Counter(id_ for ids in self._sharing.values() for id_ in ids)
        ordered = sorted((id_ for id_ in self._others if counts[id_]), key=lambda id_: -counts[id_])
        ids = ordered[:limit]
        return [
            Match(
                name,
                experiment,
                status,
                counts[id_],
                len(self.values),
                {key: value for key, value in self.values.items() if id_ in self._sharing[key]},
            )
            for id_, name, experiment, status in zip(
                ids, *self._columns(ids, "name", "experiment", "status"), strict=True
            )
        ]

    def by_value(self, limit: int | None = None) -> list[SharedValue]:
        """A row for each value that another has, in the order of the keys.

        With a limit, at most so many names in each.
        """
        found = []
        for key, value in self.values.items():
            ids = [id_ for id_ in self._others if id_ in self._sharing[key]]
            if ids:
                (names,) = self._columns(ids[:limit], "name")
                found.append(SharedValue(key, value, len(ids), list(names)))
        return found

    def _columns(self, ids: Sequence[int], *names: str) -> list[Sequence[Any]]:
        return self._rows.columns(ids, [self._rows.filters.value(name) for name in names])


def _values_of(session: Session, of: Pipeline | Run) -> dict[str, Any]:
    if isinstance(of, Run):
        return read_params(session, [of.id])[of.id]
    return dict(sorted(flat(of.config)))


def _runs_sharing(session: Session, values: Mapping[str, Any]) -> dict[str, set[int]]:
    """For each value the runs that have it, found in the index of parameters."""
    connection = driver_connection(session)
    found = {}
    for key, value in values.items():
        condition, asked = _equal(key, value)
        rows = connection.execute(
            f"SELECT run_id FROM params WHERE key = ? AND {condition}",  # noqa: S608 - constants
            (key, *asked),
        )
        found[key] = {row[0] for row in rows}
    return found


def _equal(key: str, value: Any) -> tuple[str, tuple[Any, ...]]:
    """What the columns of an equal value hold."""
    kind, number, text = columns(key, value)
    match kind:
        case ParamKind.NONE:
            return "number IS NULL AND text IS NULL AND kind = 'none'", ()
        case ParamKind.FLOAT if math.isnan(value):
            return "number IS NULL AND text IS NULL AND kind = 'float'", ()
        case ParamKind.STR:
            return "number IS NULL AND text = ? AND kind = 'str'", (text,)
        case ParamKind.JSON:
            same_items = "(text = ? OR lk_same_items(text, ?))"
            return f"number IS NULL AND kind = 'json' AND {same_items}", (text, text)
    if number is None or abs(number) <= EXACT or math.isinf(number):
        # Digits, if any, are of an integer that no float equals.
        return "number = ? AND text IS ?", (number, text)
    as_float = "text IS NULL" if int(number) == value else "FALSE"
    return f"number = ? AND ({as_float} OR text = ?)", (number, str(int(value)))


def _pipelines_sharing(session: Session, values: Mapping[str, Any]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {key: set() for key in values}
    for id_, config in session.execute(select(Pipeline.id, Pipeline.config)):
        for key in _shared(values, config):
            found[key].add(id_)
    return found


def _shared(values: Mapping[str, Any], config: Mapping[str, Any]) -> Iterable[str]:
    return (key for key, value in flat(config) if key in values and same(values[key], value))
