"""Building the columns of a table from blocks of rows that share their fields."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracker.plots.fields.values import Value, is_number


class Block(NamedTuple):
    """Rows of one length: `fields` has one value for all of them, `columns` one for each."""

    fields: Mapping[str, Value]
    columns: Mapping[str, Any]


def table_of(blocks: Sequence[Block], names: Sequence[str]) -> pd.DataFrame:
    """The blocks below each other, with these columns in this order."""
    lengths = [len(next(iter(block.columns.values()))) for block in blocks]
    built = {}
    for name in names:
        if any(name in block.columns for block in blocks):
            built[name] = _joined([block.columns[name] for block in blocks])
        else:
            built[name] = _repeated([block.fields.get(name) for block in blocks], lengths)
    return pd.DataFrame(built)


def _joined(parts: Sequence[Any]) -> Any:
    return np.concatenate([np.asarray(part) for part in parts]) if parts else np.empty(0)


def _repeated(values: Sequence[Value], lengths: Sequence[int]) -> Any:
    """Numbers as an array of numbers, anything else as categories: long tables stay small."""
    if values and all(isinstance(value, int) for value in values):
        return np.repeat(np.array(values, dtype=np.int64), lengths)
    if any(map(is_number, values)) and all(value is None or is_number(value) for value in values):
        return np.repeat(np.array(values, dtype=np.float64), lengths)
    known = [value for value in dict.fromkeys(values) if value is not None]
    codes = [-1 if value is None else known.index(value) for value in values]
    return pd.Categorical.from_codes(
        np.repeat(np.array(codes, dtype=np.int64), lengths),
        categories=pd.Index(known, dtype=object),
    )
