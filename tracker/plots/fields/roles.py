"""What each field is in a picture: key, specified, averaged or optimized.

key         has a place: x, lines, rows, columns, frames, or tells points apart
specified   has one value in all the runs that are drawn
averaged    runs that differ in it alone become one value: a mean or a median
optimized   of its values the best is drawn, by a metric
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from tracker.errors import InvalidError, NotFoundError
from tracker.plots.fields.labels import run_labels
from tracker.plots.fields.placing import METRIC, RUN, Placing
from tracker.plots.fields.values import Value, value_of
from tracker.plots.kind import Kind
from tracker.plots.options import HISTORIES, REST

PARAMETER = "params."
USUALLY_AVERAGED = "seed"
# Columns that a table has of its own.
MEASURES = (
    "value", "low", "high", "runs", "raw", "best", "median", "q1", "q3", "outliers", "not_finite",
)  # fmt: skip
# Beside the parameters.
_COLUMNS = ("experiment", "phase", USUALLY_AVERAGED)


class Roles(NamedTuple):
    """Which field is what; `points` are keys too: they tell the points of a scatter apart."""

    points: tuple[str, ...]
    specified: dict[str, Value]
    averaged: tuple[str, ...]
    optimized: tuple[str, ...]


class Fields(NamedTuple):
    """The values of fields: a row for each run, a column for each field by its short name."""

    table: pd.DataFrame
    roles: Roles

    def values(self, number: int, names: Sequence[str]) -> tuple[Value, ...]:
        return tuple(value_of(self.table[name].iloc[number]) for name in names)


def assign_roles(
    kind: Kind, placing: Placing, facts: pd.DataFrame, labels: Sequence[str] = ()
) -> Fields:
    """The role of every field, and its values.

    NotFoundError for one that is to be averaged and is not there.
    """
    table = _table(placing, facts, labels)
    free = [str(name) for name in table if name not in placing.fields]
    varying = [name for name in free if len(set(table[name])) > 1]
    specified = {name: table[name].iloc[0] for name in free if name not in varying}
    if RUN in placing.fields:
        return Fields(table, Roles((), specified, (), ()))
    averaged = _averaged(kind, placing, varying, list(map(str, table)))
    rest = tuple(name for name in varying if name not in averaged)
    if placing.average == ():
        rest = (*rest, RUN)
        table[RUN] = list(run_labels(facts, labels).values())
    elif len(set(map(tuple, table.to_numpy()))) < len(table):
        # Some agree in every field there is.
        averaged = (*averaged, RUN)
    points = rest if kind.rest == "points" else ()
    optimized = rest if kind.rest != "points" else ()
    return Fields(table, Roles(points, specified, averaged, optimized))


def _table(placing: Placing, facts: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The values of every field; a parameter that a key names stands under that name only."""
    parameters = [str(name) for name in facts if str(name).startswith(PARAMETER)]
    tails = _tails(parameters, placing.metrics)
    columns: dict[str, Any] = {}
    taken: set[str] = set()
    for field in placing.fields:
        if field == RUN:
            columns[RUN] = list(run_labels(facts, labels).values())
            continue
        if field in (*MEASURES, *placing.metrics):
            raise InvalidError(
                f"{field!r} is a column of the picture's table already. If a parameter is meant, "
                f"say {PARAMETER}{field}."
            )
        meant = [name for name in parameters if _names(field, name)]
        if field not in facts and len(meant) != 1:
            raise NotFoundError("field", field, [*tails, *_COLUMNS, RUN, METRIC])
        columns[field] = list(map(value_of, facts[field if field in facts else meant[0]]))
        taken |= set(meant)
    for name, short in zip(parameters, tails, strict=True):
        if name not in taken:
            columns.setdefault(short, list(map(value_of, facts[name])))
    for name in _COLUMNS:
        if name in facts and not any(_names(name, key) for key in parameters):
            columns.setdefault(name, list(map(value_of, facts[name])))
    table = pd.DataFrame(columns, index=facts.index, dtype=object)
    return table.where(table.notna(), None)


def _averaged(
    kind: Kind, placing: Placing, varying: Sequence[str], known: Sequence[str]
) -> tuple[str, ...]:
    usual = (REST,) if kind.rest == "averaged" else (USUALLY_AVERAGED,)
    asked = usual if placing.average is None else placing.average
    if REST in asked:
        return tuple(varying)
    for name in asked:
        if placing.average is not None and not any(_names(name, other) for other in known):
            raise NotFoundError("field", name, known)
    return tuple(name for name in varying if any(_names(each, name) for each in asked))


def _names(text: str, name: str) -> bool:
    """Whether a text such as `lr` means the field or the parameter `params.optimizer.lr`."""
    bare, key = text.removeprefix(PARAMETER), name.removeprefix(PARAMETER)
    return bare == key or key.endswith(f".{bare}")


def _tails(parameters: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """The last part of each parameter's key where that is enough, else all of it.

    With `params.` before it where the table has a column of that name.
    """
    keys = [name.removeprefix(PARAMETER) for name in parameters]
    tails = [key.rpartition(".")[2] for key in keys]
    taken = {*_COLUMNS, *MEASURES, *HISTORIES, *metrics, RUN, METRIC} - {USUALLY_AVERAGED}
    names = [
        tail if tails.count(tail) == 1 and tail not in taken else key
        for tail, key in zip(tails, keys, strict=True)
    ]
    return [f"{PARAMETER}{name}" if name in taken else name for name in names]
