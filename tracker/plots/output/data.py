"""The numbers of a picture as CSV: exactly what is drawn, floats in full."""

from pathlib import Path

import numpy as np
import pandas as pd

from tracker.plots.output.files import write_file
from tracker.plots.output.paths import check_folder
from tracker.plots.tables.drawn import Drawn


def save_data(drawn: Drawn, path: Path) -> None:
    """Writes the table; NaN is `nan`, infinities `inf` and `-inf`, what is missing is empty.

    Moments are ISO 8601 in UTC. Several outliers of a box are separated by spaces.
    """
    check_folder(path)
    write_file(path, csv_of(drawn.table).encode())


def csv_of(table: pd.DataFrame) -> str:
    """The table as CSV text."""
    written = {name: _written(name, table[name]) for name in table}
    return str(pd.DataFrame(written).to_csv(index=False, lineterminator="\n"))


def _written(name: object, column: pd.Series) -> object:
    if name == "outliers":
        return [" ".join(map(repr, values)) for values in column]
    if name == "wall":
        return pd.to_datetime(column, unit="ms", utc=True).map(lambda moment: moment.isoformat())
    if column.dtype == np.float64:
        # A number that is NaN is not one that is missing.
        return column.map(repr)
    return column
