"""Many small records of the same fields, as a few arrays: some bytes a record in a file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Record = Mapping[str, Any]
# An array costs more than a hundred bytes beside its numbers.
_WORTH_AN_ARRAY = 32
_INT32 = 2**31


def as_columns(records: Sequence[Record], fields: Sequence[str]) -> dict[str, Any]:
    """What `from_columns` makes the same records of; values are numbers, texts and None."""
    if not records:
        return {"count": 0, "columns": {}}
    columns = {field: _packed([record[field] for record in records]) for field in fields}
    return {"count": len(records), "columns": columns}


def from_columns(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The records in order, as dictionaries."""
    columns = {field: _unpacked(column) for field, column in state["columns"].items()}
    return [
        {field: values[place] for field, values in columns.items()}
        for place in range(state["count"])
    ]


def _packed(values: list[Any]) -> Any:
    if len(values) < _WORTH_AN_ARRAY:
        return values
    kinds = set(map(type, values))
    if kinds == {float}:
        return np.array(values, np.float64)
    if kinds == {int}:
        return np.array(
            values, np.int32 if -_INT32 <= min(values) <= max(values) < _INT32 else np.int64
        )
    # The few different ones, and which of them each is.
    known: dict[str, int] = {}
    distinct: list[Any] = []
    places = []
    for value in values:
        if (key := repr(value)) not in known:
            known[key] = len(distinct)
            distinct.append(value)
        places.append(known[key])
    return {"of": distinct, "at": np.array(places, np.int32)}


def _unpacked(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    if isinstance(column, Mapping):
        return [column["of"][place] for place in column["at"].tolist()]
    values: list[Any] = column.tolist()
    return values
