"""The points of metrics as arrays: five columns of one length in a safetensors file."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tracker.registry.metrics import Point

# So many points are in memory at a time.
AT_ONCE = 250_000

# An epoch that nobody has said.
_UNSAID = -(2**63)
_COLUMNS = {
    "series": "int64",
    "step": "int64",
    "epoch": "int64",
    "value": "float64",
    "time": "int64",
}
# Five columns of 8 bytes, and the header that names them.
LARGEST = AT_ONCE * 8 * len(_COLUMNS) + 2**16


def packed(points: Iterable[Point]) -> Iterator[bytes]:
    """The points as files of at most AT_ONCE each. NULL as value is NaN."""
    numbered = iter(points)
    while some := list(islice(numbered, AT_ONCE)):
        yield _pack(some)


def unpacked(data: bytes) -> list[Point]:
    """The points in such a file; ValueError says what is wrong with another."""
    try:
        columns = load(data)
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not a safetensors file ({error})") from error
    if {name: str(column.dtype) for name, column in columns.items()} != _COLUMNS:
        raise ValueError("its columns are not those of points")
    lengths = {column.shape for column in columns.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1:
        raise ValueError("its columns are not of one length")
    unknown = np.isnan(columns["value"])
    values: Any = columns["value"].tolist()
    for place in np.flatnonzero(unknown).tolist():
        values[place] = None
    epochs: Any = columns["epoch"].tolist()
    for place in np.flatnonzero(columns["epoch"] == _UNSAID).tolist():
        epochs[place] = None
    rest = (columns[name].tolist() for name in ("series", "step"))
    return list(zip(*rest, epochs, values, columns["time"].tolist(), strict=True))


def _pack(points: Sequence[Point]) -> bytes:
    series, steps, epochs, values, times = zip(*points, strict=True)
    said = [_UNSAID if epoch is None else epoch for epoch in epochs]
    columns: dict[str, Any] = dict(zip(_COLUMNS, (series, steps, said, values, times), strict=True))
    # NumPy makes a NaN of None, where floats are asked for.
    return save({name: np.array(columns[name], dtype=kind) for name, kind in _COLUMNS.items()})
