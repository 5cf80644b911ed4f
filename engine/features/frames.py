"""From the rows of a DataFrame to samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import DataError, UnknownLabelError
from engine.features.columns import Array
from engine.features.schema import TAGS, Column


def check_columns(df: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that the frame does not have, or has twice."""
    for name in names:
        if name not in df.columns:
            raise UnknownLabelError("column", str(name), map(str, df.columns))
        if isinstance(df[name], pd.DataFrame):
            raise DataError(f"The DataFrame has several columns named {name!r}.")


def grouped(
    df: pd.DataFrame, columns: Mapping[str, str], *, by: list[str], sort_by: list[str]
) -> dict[str, Any]:
    """One row per group: arrays over the group's rows, and single values for constant tags."""
    for key in by:
        if df[key].isna().any():
            row = int(np.flatnonzero(df[key].isna().to_numpy())[0])
            raise DataError(f"Column {key!r}, which groups are made by, is missing in row {row}.")
    group_of_row = df.groupby(by, sort=True).ngroup().to_numpy(dtype=np.intp)
    order = _sorted_rows(df, group_of_row, sort_by)
    sizes = np.bincount(group_of_row)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values: dict[str, Any] = {}
    for name, key in columns.items():
        column = df[key].iloc[order]
        if Column.parse(name).domain == TAGS and _is_constant(column, starts, sizes):
            values[name] = column.iloc[starts]
        else:
            values[name] = _stacked(key, column, sizes, df[by].iloc[order].iloc[starts])
    return values


def _sorted_rows(
    df: pd.DataFrame, group_of_row: NDArray[np.integer[Any]], sort_by: list[str]
) -> NDArray[np.intp]:
    within = np.arange(len(df))
    if sort_by:
        plain = df.reset_index(drop=True)
        within = plain.sort_values(sort_by, kind="stable").index.to_numpy()
    return within[np.argsort(group_of_row[within], kind="stable")]


def _is_constant(
    column: "pd.Series[Any]", starts: NDArray[np.intp], sizes: NDArray[np.intp]
) -> bool:
    codes, _ = pd.factorize(column, use_na_sentinel=False)
    return bool((codes == np.repeat(codes[starts], sizes)).all())


def _stacked(
    key: str, column: "pd.Series[Any]", sizes: NDArray[np.intp], groups: pd.DataFrame
) -> Array:
    uneven = np.flatnonzero(sizes != sizes[0])
    if len(uneven):
        group, rows = int(uneven[0]), int(sizes[uneven[0]])
        raise DataError(
            f"Column {key!r} is ragged: group {_named(groups, group)} has {rows} "
            f"{'row' if rows == 1 else 'rows'}, group {_named(groups, 0)} has {sizes[0]}. "
            "All groups need the same number; cut or pad them first."
        )
    return column.to_numpy().reshape(len(sizes), int(sizes[0]))


def _named(groups: pd.DataFrame, number: int) -> str:
    """The values that all rows of a group share: `cell='a', cycle=3`."""
    values = zip(groups.columns, groups.iloc[number : number + 1].to_numpy(object)[0], strict=True)
    return ", ".join(f"{column}={value!r}" for column, value in values)
