"""The points of metrics as arrays: what pictures of long histories are drawn from."""

import json
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis
from tracker.registry.params import EXACT

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SERIES = """
SELECT id, run_id, name, axis, phase_result_id, count, first_step, last_step FROM series
WHERE run_id IN (SELECT value FROM json_each(?)) AND {named} AND count AND {chosen}
ORDER BY run_id, name, phase_result_id
"""
_STEPS = "SELECT step FROM metrics WHERE series_id = ? ORDER BY step"


class SeriesPoints(NamedTuple):
    """The points of one series in the order of their steps, as arrays of one length.

    A NaN is a NaN, and an epoch that was not given one too. `epochs`, and `times` in
    milliseconds since 1970, are None where they were not asked for.
    """

    run_id: int
    name: str
    axis: Axis
    phase_result_id: int | None
    steps: "npt.NDArray[np.int64]"
    values: "npt.NDArray[np.float64]"
    epochs: "npt.NDArray[np.float64] | None" = None
    times: "npt.NDArray[np.int64] | None" = None


def read_series(
    session: Session,
    run_ids: Iterable[int],
    names: Iterable[str] | None = None,
    *,
    axis: Axis | None = None,
    epochs: bool = False,
    times: bool = False,
) -> list[SeriesPoints]:
    """The series of these runs and metrics, or of all metrics, ordered by run, name and phase.

    Of a metric that has points per epoch and per step, those per epoch; `axis` asks for one
    kind. Only the columns that are asked for are read.
    """
    connection = driver_connection(session)
    named = "TRUE" if names is None else "name IN (SELECT value FROM json_each(?))"
    chosen = "headline" if axis is None else "axis = ?"
    parameters = [json.dumps(list(run_ids))]
    parameters += [] if names is None else [json.dumps(list(names))]
    parameters += [] if axis is None else [str(axis)]
    found = connection.execute(_SERIES.format(named=named, chosen=chosen), parameters).fetchall()
    return [_points(connection, row, epochs=epochs, times=times) for row in found]


def _points(connection: Any, row: Any, *, epochs: bool, times: bool) -> SeriesPoints:
    import numpy as np  # noqa: PLC0415 - listing on the command line must not pay for it

    series_id, run_id, name, axis, phase_result_id, count, first, last = row

    # Steps without a hole need not be read, and those that a float would round not as floats.
    gapless = last - first + 1 == count
    large = not gapless and max(last, -first) > EXACT
    columns = {
        "values": ("value", True),
        "steps": ("step", not gapless and not large),
        "epochs": ("epoch", epochs),
        "times": ("time", times),
    }
    asked = {key: column for key, (column, needed) in columns.items() if needed}
    cursor = connection.execute(
        f"SELECT {', '.join(asked.values())} FROM metrics WHERE series_id = ? ORDER BY step",  # noqa: S608 - constants
        (series_id,),
    )
    # Straight from the cursor: a list of all rows would take twice as long. None becomes NaN.
    # A float holds every millisecond.
    flat = np.fromiter(chain.from_iterable(cursor), np.float64, count * len(asked))
    read = dict(zip(asked, flat.reshape(count, len(asked)).T, strict=True))
    if large:
        steps = np.array([row[0] for row in connection.execute(_STEPS, (series_id,))], np.int64)
    else:
        steps = np.arange(first, last + 1) if gapless else read["steps"].astype(np.int64)
    milliseconds = read["times"].astype(np.int64) if times else None
    return SeriesPoints(
        run_id, name, Axis(axis), phase_result_id, steps,
        np.ascontiguousarray(read["values"]), read.get("epochs"), milliseconds,
    )  # fmt: skip
