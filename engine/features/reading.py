"""Reading files of other programs: Parquet, CSV, NumPy. Nothing in them is executed."""

import zipfile
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
        table = files.to_table(columns=_known(columns, files.schema.names))
    # pandas writes NaN as null, and takes it back as NaN.
    by_pandas = b"pandas" in (files.schema.metadata or {})
    return _with_nan(table) if by_pandas else table


def read_csv(path: Path, columns: Sequence[str] | None, *, delimiter: str) -> pa.Table:
    """These columns of a file whose first line names them; None means all of them."""
    from pyarrow import csv  # noqa: PLC0415 - as above

    parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with _naming(path, "CSV"):
        with csv.open_csv(existing(path), parse_options=parsing) as reader:
            known = reader.schema.names
        converting = csv.ConvertOptions(
            include_columns=_known(columns, known),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        return csv.read_csv(path, parse_options=parsing, convert_options=converting)


def read_npz(path: Path, names: Sequence[str] | None) -> dict[str, Array]:
    """These arrays of a file; None means all of them."""
    with _naming(path, "NumPy's .npz"), existing(path).open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise DataError(f"{path} holds one array, not several by name, as an .npz file does.")
        return {name: _array(path, arrays, name) for name in _known(names, arrays.files)}


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


def _known(wanted: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    for name in known if wanted is None else wanted:
        if name not in known:
            raise UnknownLabelError("column", name, known)
        if list(known).count(name) > 1:
            raise DataError(f"The file has several columns named {name!r}.")
    return list(known if wanted is None else wanted)


def existing(path: Path) -> Path:
    """The path, if something is there."""
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    return path


@contextmanager
def _naming(path: Path, kind: str) -> Iterator[None]:
    """Say which file it was, when a library cannot read it."""
    try:
        yield
    except (DataError, UnknownLabelError, FileNotFoundError):
        raise
    except (pa.ArrowException, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as {kind}: {error}") from error
