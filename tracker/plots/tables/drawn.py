"""The table that a picture draws, with what its columns are."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tracker.plots.fields.placing import METRIC, Placing
from tracker.plots.fields.roles import Roles
from tracker.plots.fields.values import Value
from tracker.plots.options import Options
from tracker.plots.statistics import Indices


class Drawn(NamedTuple):
    """What a picture shows: `table` holds every number of it, `rules` says how they came about.

    The columns of the table: the fields of rows, columns, frames and lines, then

        long    `metric`, the fields of x, `value`; `low` and `high`, the ends of its band; `runs`,
                how many it is of; `raw`, before smoothing; `best`, where a star stands
        wide    the fields that tell points apart, the value of each metric, `runs`
        boxes   `metric`, the fields of x, `median`, `q1`, `q3`, `low`, `high` (the whiskers),
                `outliers`, `runs`, and how many values were `not_finite`

    and the fields whose best values were chosen. A time since the start is in seconds.
    """

    table: pd.DataFrame
    placing: Placing
    roles: Roles
    options: Options
    rules: tuple[str, ...]
    orders: dict[str, list[Value]]


def blocks(table: pd.DataFrame, fields: Sequence[str]) -> Iterator[tuple[tuple[Value, ...], slice]]:
    """The stretches of rows that agree in these fields, one after the other."""
    if table.empty:
        return
    changes = np.zeros(len(table), dtype=bool)
    changes[0] = True
    for field in fields:
        codes = _codes(table[field])
        changes[1:] |= codes[1:] != codes[:-1]
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:], len(table))
    columns = [table[field] for field in fields]
    for start, end in zip(starts, ends, strict=True):
        yield tuple(plain(column.iloc[start]) for column in columns), slice(start, end)


def _codes(column: pd.Series) -> Indices:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes, dtype=np.intp)
    return np.asarray(pd.factorize(column, use_na_sentinel=True)[0], dtype=np.intp)


def plain(value: object) -> Value:
    """A cell as a value: None where it is missing."""
    return None if pd.isna(value) else value  # type: ignore[call-overload, return-value]


def panel_fields(placing: Placing) -> list[str]:
    """The fields that say in which panel a row is drawn."""
    places = [placing.rows, placing.columns]
    return [*filter(None, places), *([METRIC] if placing.wrapped else [])]
