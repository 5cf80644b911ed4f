"""A log as a DataFrame, and back."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tracker.errors import InvalidError
from tracker.pipelines.identity import plain
from tracker.sweeps.config import Config
from tracker.sweeps.log.table import Row, Table, recorded

if TYPE_CHECKING:
    import pandas as pd

METRIC, VALUE, STEP, TOTAL = "metric", "metric_value", "step", "total_steps"


def frame_of(table: Table, *, exact: bool = False) -> "pd.DataFrame":
    """Configurations as the MultiIndex, metrics as columns; what is not there is NaN or None.

    Lists of the grid are tuples, which an index needs. Without grid fields, rows are numbered.
    `exact` columns of objects tell what is not there (None) from NaN.
    """
    import pandas as pd  # noqa: PLC0415 - only who makes a frame waits for pandas

    column = _objects if exact else _series
    columns = {
        name: column([row.metrics.get(name) for row in table.rows]) for name in table.metric_fields
    }
    frame = pd.DataFrame(columns, index=range(len(table.rows)), columns=list(table.metric_fields))
    if table.grid_fields:
        configs = [row.config for row in table.rows]
        frame.index = _index(
            {name: [config.get(name) for config in configs] for name in table.grid_fields}
        )
    return frame


def table_of(frame: "pd.DataFrame", static: Mapping[str, Any]) -> Table:
    """The log in a frame such as `frame_of` makes.

    None, NA and NaT are nothing; NaN is a result in a column, and nothing in the index, which
    cannot tell it from None.
    """
    grid = _names(name for name in frame.index.names if name is not None)
    if grid and len(grid) < frame.index.nlevels:
        raise InvalidError("Every level of the index needs a name: a field of the grid.")
    metrics = _names(frame.columns)
    levels = [frame.index.get_level_values(name).tolist() for name in grid]
    columns = [frame[name].tolist() for name in metrics]
    nothing: list[tuple[Any, ...]] = [()] * len(frame)
    configs = zip(*levels, strict=True) if levels else nothing
    results = zip(*columns, strict=True) if columns else nothing
    rows = [
        Row(
            Config({n: plain(v, path=n) for n, v in _there(grid, config) if v == v}),  # noqa: PLR0124 - not NaN
            {name: recorded(name, value) for name, value in _there(metrics, result)},
        )
        for config, result in zip(configs, results, strict=True)
    ]
    return Table(Config(static), tuple(grid), tuple(metrics), rows)


def _names(names: Iterable[Any]) -> list[str]:
    names = list(names)
    for name in names:
        if not isinstance(name, str):
            raise InvalidError(f"The fields of a log have names of text, not {name!r}.")
    return names


@dataclass(frozen=True)
class _Points:
    """One metric of one row: its numbers by step, counted from 1."""

    steps: Sequence[int]
    numbers: Sequence[float]
    total: int


def melted(frame: "pd.DataFrame", step: int | None, *, dropna: bool) -> "pd.DataFrame":
    """A row for each number: the index gets `metric`, `step`, `total_steps`.

    Steps count from 1, and negative ones from the end. A metric that is one number has it at
    every step that is asked for. Metrics that are shorter than the step, and what is no number,
    have no row.
    """
    import numpy as np  # noqa: PLC0415 - as above
    import pandas as pd  # noqa: PLC0415 - as above

    if step == 0:
        raise InvalidError("Steps count from 1, and from -1 backwards; there is no step 0.")
    rows: list[int] = []
    names: list[str] = []
    points: list[_Points] = []
    for name in frame.columns:
        for row, value in enumerate(frame[name].tolist()):
            found = _points(value, step, dropna=dropna)
            if found.steps:
                rows.append(row)
                names.append(name)
                points.append(found)
    lengths = [len(found.steps) for found in points]
    added = {
        METRIC: np.repeat(np.array(names, dtype=object), lengths),
        STEP: np.array([step for found in points for step in found.steps], dtype=np.int64),
        TOTAL: np.repeat(np.array([found.total for found in points], dtype=np.int64), lengths),
    }
    index = _extended(frame.index, np.repeat(np.array(rows, dtype=np.int64), lengths), added)
    values = np.array([value for found in points for value in found.numbers], dtype=np.float64)
    return pd.DataFrame({VALUE: values}, index=index)


def _points(value: Any, step: int | None, *, dropna: bool) -> _Points:
    is_series = isinstance(value, list | tuple)
    values = value if is_series else [value]
    total = len(values)
    if step is None:
        chosen = list(range(1, total + 1))
    elif not is_series:
        chosen = [1]
    else:
        place = step if step > 0 else total + step + 1
        chosen = [place] if 1 <= place <= total else []
    steps = [at for at in chosen if _is_number(values[at - 1], dropna=dropna)]
    shown = [step if step and step > 0 and not is_series else at for at in steps]
    return _Points(shown, [float(values[at - 1]) for at in steps], total)


def _is_number(value: Any, *, dropna: bool) -> bool:
    if not isinstance(value, int | float):
        return False
    return not (dropna and math.isnan(value))


def _extended(index: "pd.Index", rows: Any, added: Mapping[str, Any]) -> "pd.MultiIndex":
    """These rows of the index, with further levels."""
    import pandas as pd  # noqa: PLC0415 - as above

    names = _names(name for name in index.names if name is not None)
    if taken := [name for name in added if name in names]:
        raise InvalidError(f"The grid has a field called {taken[0]!r}; rename it first.")
    levels = [index.get_level_values(name).take(rows) for name in names]
    return pd.MultiIndex.from_arrays([*levels, *added.values()], names=[*names, *added])


def _index(fields: Mapping[str, Sequence[Any]]) -> "pd.MultiIndex":
    import pandas as pd  # noqa: PLC0415 - as above

    levels, codes = zip(*(_level(values) for values in fields.values()), strict=True)
    return pd.MultiIndex(levels=levels, codes=codes, names=list(fields))


def _level(values: Sequence[Any]) -> tuple["pd.Index", list[int]]:
    """The values that differ, sorted if they can be, and which of them each is; -1: none.

    pandas' own way would take tuples for rows of a table.
    """
    import pandas as pd  # noqa: PLC0415 - as above

    wanted = [_hashable(value) for value in values]
    known = list(dict.fromkeys(value for value in wanted if not _is_nothing(value)))
    with suppress(TypeError):
        known.sort()
    places = {value: place for place, value in enumerate(known)}
    level = pd.Index(_series(known), tupleize_cols=False)
    return level, [-1 if _is_nothing(value) else places[value] for value in wanted]


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _series(values: Sequence[Any]) -> Any:
    """A column of these values: of their type where they share one, else of what they are."""
    import pandas as pd  # noqa: PLC0415 - as above

    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float} or (len(kinds) == 1 and not kinds & {list, tuple, Config}):
        return pd.Series(values)
    return _objects(values)


def _objects(values: Sequence[Any]) -> Any:
    """A column of these very values."""
    import numpy as np  # noqa: PLC0415 - as above
    import pandas as pd  # noqa: PLC0415 - as above

    column = np.empty(len(values), dtype=object)
    column[:] = values
    return pd.Series(column, dtype=object)


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _there(names: Iterable[str], values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Without what pandas calls missing, but with NaN."""
    import pandas as pd  # noqa: PLC0415 - as above

    for name, value in zip(names, values, strict=True):
        if value is not None and value is not pd.NA and value is not pd.NaT:
            yield name, value
