"""From the rows of a DataFrame to samples."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DataError, UnknownLabelError
from engine.features.chunks import take
from engine.features.columns import Array, row_shape, to_arrow, to_numpy, type_name
from engine.features.schema import TAGS, Column
from engine.features.values import missing_message


def check_columns(df: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse names that the frame does not have, or has twice."""
    for name in names:
        if name not in df.columns:
            raise UnknownLabelError("column", str(name), map(str, df.columns))
        if isinstance(df[name], pd.DataFrame):
            raise DataError(f"The DataFrame has several columns named {name!r}.")


def as_frame(table: pa.Table) -> pd.DataFrame:
    """A table as a DataFrame in which missing values stay missing, and numbers as they are."""
    return pd.DataFrame(
        {
            name: pd.Series(pd.arrays.ArrowExtensionArray(column))
            if column.null_count
            else column.to_pandas()
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )


def grouped(
    df: pd.DataFrame, columns: Mapping[str, str], *, by: list[str], sort_by: list[str]
) -> dict[str, Any]:
    """One row per group: arrays over the group's rows, and single values for constant tags."""
    if df.empty:
        raise DataError("There are no rows: a feature set needs at least one sample.")
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
        is_tag = Column.parse(name).domain == TAGS
        # Converted before it is sorted, so that an error names the row as the frame has it.
        column = to_arrow(key, df[key], may_be_missing=is_tag)
        if is_tag and _is_constant(df[key], column, order, sizes):
            values[name] = take(pa.chunked_array([column]), order[starts])
        else:
            _check_sizes(key, sizes, df[by].iloc[order].iloc[starts])
            values[name] = _stacked(key, column, order, len(sizes))
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
    column: "pd.Series[Any]", values: pa.Array, order: NDArray[np.intp], sizes: NDArray[np.intp]
) -> bool:
    if row_shape(values.type):
        codes = to_numpy(values)
    else:
        codes, _ = pd.factorize(column, use_na_sentinel=False)
    codes = codes[order]
    starts = np.cumsum(sizes) - sizes
    firsts = np.repeat(codes[starts], sizes, axis=0)
    return np.array_equal(codes, firsts, equal_nan=codes.dtype.kind == "f")


def _stacked(key: str, column: pa.Array, order: NDArray[np.intp], n_groups: int) -> Array:
    if column.null_count:
        raise DataError(missing_message(key, int(column.is_null().to_numpy(False).argmax())))
    if type_name(column.type) == "str":
        raise DataError(
            f"Column {key!r} holds texts, and only numbers make an array of a group's rows. A text "
            "can be a tag, of groups whose rows agree on it."
        )
    values = to_numpy(column)[order]
    return values.reshape(n_groups, -1, *values.shape[1:])


def _check_sizes(key: str, sizes: NDArray[np.intp], groups: pd.DataFrame) -> None:
    uneven = np.flatnonzero(sizes != sizes[0])
    if len(uneven):
        group, rows = int(uneven[0]), int(sizes[uneven[0]])
        raise DataError(
            f"Column {key!r} is ragged: group {_named(groups, group)} has {rows} "
            f"{'row' if rows == 1 else 'rows'}, group {_named(groups, 0)} has {sizes[0]}. "
            "All groups need the same number; cut or pad them first."
        )


def _named(groups: pd.DataFrame, number: int) -> str:
    """The values that all rows of a group share: `cell='a', cycle=3`."""
    values = zip(groups.columns, groups.iloc[number : number + 1].to_numpy(object)[0], strict=True)
    return ", ".join(f"{column}={value!r}" for column, value in values)
