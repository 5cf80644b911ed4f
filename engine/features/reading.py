"""Reading files of other programs: Parquet, CSV, NumPy. Nothing in them is executed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from engine.errors import DataError, UnknownLabelError
from engine.features.columns import Array


def read_parquet(path: Path, columns: Sequence[str] | None) -> pa.Table:
    """These columns of a file, or of all files of a folder; None means all of them."""
    from pyarrow import dataset  # noqa: PLC0415 - only who reads files needs it

    with _naming(path, "Parquet"):
        files = dataset.dataset(existing(path), format="parquet", exclude_invalid_files=False)
        fragments = {Path(fragment.path): fragment for fragment in files.get_fragments()}
    if not fragments:
        raise DataError(f"There are no Parquet files in {path}.")
    parts: dict[Path, pa.Table] = {}
    for file, fragment in fragments.items():
        with _naming(file, "Parquet"):
            parts[file] = _parquet_part(file, fragment, columns)
            # What the first file has of a folder, all others need to have.
            columns = columns or parts[file].column_names
    return pa.concat_tables(_of_one_schema(parts))


def _parquet_part(file: Path, fragment: Any, columns: Sequence[str] | None) -> pa.Table:
    schema = fragment.physical_schema
    table = fragment.to_table(columns=_known(file, columns, schema.names))
    # pandas writes NaN as null, and takes it back as NaN.
    table = _with_nan(table) if b"pandas" in (schema.metadata or {}) else table
    plain = [column.cast(_plain_type(column.type)) for column in table.columns]
    return pa.table(plain, names=table.column_names)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that columns of categories and of texts have in whatever file."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if text else kind


def _of_one_schema(parts: dict[Path, pa.Table]) -> list[pa.Table]:
    """Tables of several files with the types that all of them have, as far as values are there."""
    first = next(iter(parts))
    kinds: dict[str, tuple[pa.DataType, Path]] = {}
    for file, part in parts.items():
        for field in part.schema:
            kind, where = kinds.get(field.name, (pa.null(), first))
            if pa.types.is_null(kind):
                kinds[field.name] = field.type, file
            elif field.type != kind and not pa.types.is_null(field.type):
                raise DataError(
                    f"Column {field.name!r} is {field.type} in {file}, and {kind} in {where}; all "
                    "files of a folder need one type."
                )
    schema = pa.schema([(name, kind) for name, (kind, _) in kinds.items()])
    return [part.select(schema.names).cast(schema) for part in parts.values()]


def read_csv(path: Path, columns: Sequence[str] | None, *, delimiter: str) -> pa.Table:
    """These columns of a file whose first line names them; None means all of them."""
    from pyarrow import csv  # noqa: PLC0415 - as above

    if len(delimiter) != 1:
        raise DataError(f"A delimiter is one character, such as ';' or '\\t', not {delimiter!r}.")
    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with _naming(path, "CSV"):
        with csv.open_csv(existing(path), parse_options=parsing) as reader:
            known = reader.schema.names
        converting = csv.ConvertOptions(
            include_columns=_known(path, columns, known),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        table = csv.read_csv(path, parse_options=parsing, convert_options=converting)
    for field in table.schema:
        if pa.types.is_binary(field.type):
            raise DataError(
                f"Column {field.name!r} of {path} is not in UTF-8. Save the file in UTF-8, or read "
                "it with pandas.read_csv(..., encoding=...) and use from_pandas()."
            )
    return table


def read_npz(path: Path, names: Sequence[str] | None) -> dict[str, Array]:
    """These arrays of a file; None means all of them."""
    with _naming(path, "NumPy's .npz"), existing(path).open("rb") as file:
        start = file.read(len(_ONE_ARRAY))
        file.seek(0)
        if start == _ONE_ARRAY:
            raise DataError(f"{path} holds one array, not several by name, as an .npz file does.")
        if not start.startswith(b"PK"):
            raise DataError(f"{path} is no .npz file of NumPy's, which is a zip of arrays.")
        arrays = np.load(file, allow_pickle=False)
        return {name: _array(path, arrays, name) for name in _known(path, names, arrays.files)}


_ONE_ARRAY = b"\x93NUMPY"


def _with_nan(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_floating(field.type) and table[place].null_count:
            table = table.set_column(place, field, table[place].fill_null(float("nan")))
    return table


def _array(path: Path, arrays: Any, name: str) -> Array:
    try:
        return arrays[name]  # type: ignore[no-any-return]  # a mapping of arrays
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DataError(
            f"Array {name!r} of {path} holds Python objects, which would have to be unpickled. "
            "Save texts as an array of type str: array.astype(str)."
        ) from error


def _known(path: Path, wanted: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    for name in known if wanted is None else wanted:
        if name not in known:
            raise UnknownLabelError(f"column in {path} called", name, known)
        if list(known).count(name) > 1:
            raise DataError(f"{path} has several columns named {name!r}.")
    return list(known if wanted is None else wanted)


def existing(path: Path) -> Path:
    """The path, if something is there."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    return path


@contextmanager
def of_file(path: str | Path) -> Iterator[None]:
    """Say which file it was, when what was read makes no feature set."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


@contextmanager
def _naming(path: Path, kind: str) -> Iterator[None]:
    """Say which file it was, when a library cannot read it."""
    try:
        yield
    except (DataError, UnknownLabelError, FileNotFoundError):
        raise
    except Exception as error:
        # A damaged file makes a library raise almost anything.
        raise DataError(f"{path} cannot be read as {kind}: {error}") from error
