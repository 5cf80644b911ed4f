"""From data in memory and in files to a feature set."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from engine.errors import DataError, UnknownLabelError
from engine.features import frames, reading
from engine.features.collection import SampleCollection
from engine.features.keeping import Keeping
from engine.features.mapped import write_table_parts
from engine.features.schema import SampleSchema, Selector, as_list

if TYPE_CHECKING:
    import pandas as pd

Names = str | Sequence[str]


class Making(Keeping):
    """The constructors of a feature set.

    All of them follow the same rules about values: see `engine.features.columns`. From a file,
    only the columns that are named are read; without any name, the file's columns carry full
    names, as those of `to_arrow` and `get_data` do.
    """

    @classmethod
    def from_dict(
        cls,
        label: str,
        data: Mapping[str, Sequence[Any]],
        feature_keys: Names,
        target_keys: Names = (),
        tag_keys: Names | None = None,
    ) -> Self:
        """From columns of equal length: lists, arrays or tensors, one row per sample."""
        schema = SampleSchema(feature_keys, target_keys, as_list(tag_keys))
        return cls(label, _from_mapping(data, schema))

    @classmethod
    def from_pandas(
        cls,
        label: str,
        df: "pd.DataFrame",
        feature_cols: Names,
        target_cols: Names = (),
        group_by: Names | None = None,
        tag_cols: Names | None = None,
        sort_by: Names | None = None,
    ) -> Self:
        """From a DataFrame, one sample per row; its index is ignored.

        With `group_by`, one sample per group, the groups in ascending order: features and targets
        become arrays over the group's rows, in the order of `sort_by`; a tag stays one value
        where it is the same throughout each group.
        """
        columns = SampleSchema(feature_cols, target_cols, as_list(tag_cols)).columns()
        frames.check_columns(df, [*columns.values(), *as_list(group_by), *as_list(sort_by)])
        if group_by is None:
            values = {name: df[key] for name, key in columns.items()}
        else:
            values = frames.grouped(df, columns, by=as_list(group_by), sort_by=as_list(sort_by))
        return cls(label, SampleCollection.from_columns(values))

    from_df = from_pandas

    @classmethod
    def from_pyarrow_table(
        cls, label: str, table: pa.Table, schema: SampleSchema | None = None, **kwargs: Any
    ) -> Self:
        """From an Arrow table, without a copy where its types allow.

        Memory that the table shares with a NumPy array must not be changed from then on: Arrow
        cannot tell whose it is.

        Without a schema, its columns carry full names, as `to_arrow` gives them; the samples'
        ids come along then.
        """
        return cls(label, SampleCollection.from_table(table, schema), **kwargs)

    @classmethod
    def from_parquet(
        cls,
        label: str,
        path: str | Path,
        feature_cols: Names | None = None,
        target_cols: Names = (),
        group_by: Names | None = None,
        tag_cols: Names | None = None,
        sort_by: Names | None = None,
    ) -> Self:
        """From a Parquet file, or a folder of them in the order of their names.

        `group_by` and `sort_by` are those of `from_pandas`.
        """
        wanted = _wanted(feature_cols, target_cols, tag_cols, group_by, sort_by)
        table = reading.read_parquet(Path(path), wanted)
        with reading.of_file(path):
            return cls._from_table(
                label, table, feature_cols, target_cols, group_by, tag_cols, sort_by
            )

    @classmethod
    def from_csv(
        cls,
        label: str,
        path: str | Path,
        feature_cols: Names | None = None,
        target_cols: Names = (),
        group_by: Names | None = None,
        tag_cols: Names | None = None,
        sort_by: Names | None = None,
        *,
        delimiter: str = ",",
    ) -> Self:
        """From a CSV file in UTF-8 whose first line names the columns.

        A column's type is the narrowest that all of its cells fit: whole numbers, numbers, truth
        values, dates, times (ISO 8601), text. An empty cell is missing, unless it is a quoted
        text; NaN is written `nan`. `group_by` and `sort_by` are those of `from_pandas`.
        """
        wanted = _wanted(feature_cols, target_cols, tag_cols, group_by, sort_by)
        table = reading.read_csv(Path(path), wanted, delimiter=delimiter)
        with reading.of_file(path):
            return cls._from_table(
                label, table, feature_cols, target_cols, group_by, tag_cols, sort_by
            )

    @classmethod
    def from_npz(
        cls,
        label: str,
        path: str | Path,
        feature_keys: Names | None = None,
        target_keys: Names = (),
        tag_keys: Names | None = None,
    ) -> Self:
        """From the arrays of a NumPy `.npz` file, their first axis the samples.

        Arrays of Python objects, which only a pickle could hold, are refused.
        """
        wanted = _wanted(feature_keys, target_keys, tag_keys)
        arrays = reading.read_npz(Path(path), wanted)
        with reading.of_file(path):
            if feature_keys is None:
                return cls(label, SampleCollection.from_columns(arrays))
            schema = SampleSchema(feature_keys, target_keys, as_list(tag_keys))
            return cls(label, _from_mapping(arrays, schema))

    @classmethod
    def from_arrow(
        cls,
        label: str,
        path: str | Path,
        feature_cols: Names | None = None,
        target_cols: Names = (),
        tag_cols: Names | None = None,
    ) -> Self:
        """Over an Arrow IPC file that is not read into memory, and so may be larger.

        `write_arrow` makes such files. Rows are read when they are asked for: a phase gathers each
        batch from the file. The file must stay as it is while the set is in use.
        """
        _wanted(feature_cols, target_cols, tag_cols)
        schema = None
        if feature_cols is not None:
            schema = SampleSchema(feature_cols, target_cols, as_list(tag_cols))
        return cls(label, SampleCollection.in_file(reading.existing(Path(path)), schema))

    @classmethod
    def _from_table(
        cls,
        label: str,
        table: pa.Table,
        feature_cols: Names | None,
        target_cols: Names,
        group_by: Names | None,
        tag_cols: Names | None,
        sort_by: Names | None,
    ) -> Self:
        if feature_cols is None:
            return cls.from_pyarrow_table(label, table)
        if group_by is None:
            schema = SampleSchema(feature_cols, target_cols, as_list(tag_cols))
            return cls.from_pyarrow_table(label, table, schema)
        return cls.from_pandas(
            label, frames.as_frame(table), feature_cols, target_cols, group_by, tag_cols, sort_by
        )


def _from_mapping(data: Mapping[str, Any], schema: SampleSchema) -> SampleCollection:
    columns = schema.columns()
    for key in columns.values():
        if key not in data:
            raise UnknownLabelError("column", str(key), map(str, data))
    return SampleCollection.from_columns({name: data[key] for name, key in columns.items()})


def _wanted(features: Selector, *others: Selector) -> list[str] | None:
    """The plain columns to be read, each once; None for all of them."""
    if features is None:
        if any(map(as_list, others)):
            raise DataError(
                "Name the feature columns too. Without them, the file's columns carry full names "
                "(features.KEY.raw), and there is nothing else to be said of them."
            )
        return None
    named = [name for selector in (features, *others) for name in as_list(selector)]
    return list(dict.fromkeys(named))


def write_arrow(
    path: str | Path,
    parts: "Iterable[pd.DataFrame | pa.Table | Mapping[str, Any]]",
    feature_cols: Names,
    target_cols: Names = (),
    tag_cols: Names | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write parts that together may be larger than memory into one file for `from_arrow`.

    The parts (DataFrames, tables, dicts of columns) are taken one by one, each checked and
    converted as a feature set's data is. The file is there whole or not at all; an existing one is
    kept unless `overwrite` is set.
    """
    schema = SampleSchema(feature_cols, target_cols, as_list(tag_cols))
    tables = (_part(part, schema) for part in parts)
    return write_table_parts(Path(path), tables, overwrite=overwrite)


def _part(part: "pd.DataFrame | pa.Table | Mapping[str, Any]", schema: SampleSchema) -> pa.Table:
    if isinstance(part, pa.Table):
        return SampleCollection.from_table(part, schema).table
    if not isinstance(part, Mapping):
        frames.check_columns(part, list(schema.columns().values()))
        part = {key: part[key] for key in schema.columns().values()}
    return _from_mapping(part, schema).table
