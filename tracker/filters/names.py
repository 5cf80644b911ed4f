"""What a bare name means: a column, else a parameter, else a metric."""

from collections.abc import Iterable
from functools import cached_property

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import Goal
from tracker.errors import FilterError, did_you_mean
from tracker.filters import wording
from tracker.filters.expressions import Metric, Name, Parameter
from tracker.filters.goals import known_goal, said_goals
from tracker.filters.source import Source


class Vocabulary:
    """The names that a lab knows, read when they are needed."""

    def __init__(self, session: Session, columns: Iterable[str]) -> None:
        self._session = session
        self._columns = frozenset(columns)

    @cached_property
    def parameters(self) -> list[str]:
        return self._read(_PARAMETERS)

    @cached_property
    def metrics(self) -> list[str]:
        return self._read(_METRICS)

    def goal(self, metric: str) -> Goal | None:
        """Whether the metric is better low or high, if that is known."""
        return self._said.get(metric) or known_goal(metric)

    def is_number_everywhere(self, parameter: str) -> bool:
        """Whether no run has it as a text, a list, or an integer beyond what a float holds."""
        words = "SELECT 1 FROM params WHERE key = ? AND text IS NOT NULL LIMIT 1"
        return driver_connection(self._session).execute(words, (parameter,)).fetchone() is None

    def _read(self, names: str) -> list[str]:
        return [row[0] for row in driver_connection(self._session).execute(names)]

    @cached_property
    def _said(self) -> dict[str, Goal]:
        return said_goals(self._session)

    def meaning(self, source: Source, name: Name) -> Name | Parameter | Metric:
        """The parameter or the metric that a bare name means; a column's name stays.

        FilterError if it could mean several, or nothing; it shows them, or the nearest.
        """
        if name.path in self._columns:
            return name
        keys = self._keys(name.path)
        is_metric = name.path in self.metrics
        if len(keys) + is_metric > 1:
            meanings = [wording.parameter(key) for key in keys[:4]]
            meanings += [wording.metric(name.path)] if is_metric else []
            message = f"{name.path!r} could be {' or '.join(meanings)}; say which."
            raise source.refuse(message, name.at)
        if keys:
            return Parameter(keys[0], name.at)
        if is_metric:
            return Metric("last", name.path, None, name.at, name.at)
        raise self._unknown(source, name)

    def check(self, source: Source, given: Parameter | Metric) -> None:
        """FilterError if no run has the parameter or the metric."""
        if isinstance(given, Parameter):
            kind, name, at, known = "parameter", given.key, given.at, self.parameters
        else:
            kind, name, at, known = "metric", given.name, given.name_at, self.metrics
        if name not in known:
            hint = did_you_mean(name, known)
            raise source.refuse(f"There is no {kind} named {name!r}.{hint}", at)

    def _keys(self, path: str) -> list[str]:
        """The parameter with this key, else those whose dotted keys end so."""
        if path in self.parameters:
            return [path]
        return [key for key in self.parameters if key.endswith(f".{path}")]

    def _unknown(self, source: Source, name: Name) -> FilterError:
        message = f"There is no column, parameter or metric named {name.path!r}."
        return source.refuse(message + self._suggestion(source, name), name.at)

    def _suggestion(self, source: Source, name: Name) -> str:
        rest = source.text[name.at - 1 :]
        # A name such as `val/loss` was read as a division.
        whole = [metric for metric in self.metrics if rest.startswith(metric)]
        if whole:
            return f" Did you mean {wording.metric(max(whole, key=len))}?"
        ends = (key.rpartition(".")[2] for key in self.parameters)
        known = {*self._columns, *self.parameters, *ends, *self.metrics}
        return did_you_mean(name.path, sorted(known))


# Every value of the first column of an index, by one search for each of them. For the driver:
# the session would take longer than the searches do.
_DISTINCT = """
WITH RECURSIVE known(word) AS (
  SELECT min({column}) FROM {table}
  UNION ALL
  SELECT (SELECT min({column}) FROM {table} WHERE {column} > word) FROM known
  WHERE word IS NOT NULL
)
SELECT word FROM known WHERE word IS NOT NULL
"""
_PARAMETERS = _DISTINCT.format(table="params", column="key")
_METRICS = _DISTINCT.format(table="series", column="name")
