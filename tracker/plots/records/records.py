"""What pictures are made from: the points of some runs' metrics, and what tells the runs apart."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tracker.plots.options import Goal
from tracker.plots.statistics import Floats

_MILLISECOND = pd.Timedelta(milliseconds=1)
_EPOCH = pd.Timestamp(0, tz="UTC")


class Points(NamedTuple):
    """The points of one metric of one run in the order of their steps.

    `epoch` has NaN where none was given, `time` is in milliseconds since 1970; either is None
    where it was not asked for.
    """

    step: Floats
    value: Floats
    epoch: Floats | None = None
    time: Floats | None = None


class Records(NamedTuple):
    """Some runs: `facts` has a row for each, numbered from 0, and a column for each field.

    Parameters are called `params.KEY`. A run that counted epochs anew in another phase is
    there once for each `phase`. `points` are the histories by metric and number of the run,
    `scalars` one value of each, where no history is drawn.
    """

    facts: pd.DataFrame
    points: Mapping[str, Mapping[int, Points]]
    scalars: Mapping[str, Mapping[int, float]]
    goals: Mapping[str, Goal]


def records_from(
    history: pd.DataFrame, runs: pd.DataFrame, goals: Mapping[str, Goal] | None = None
) -> Records:
    """Records from two tables, as `lab.histories` and `lab.runs` have them.

    `history` has the columns `run`, `metric`, `step`, `epoch`, `value` and `time`; `runs` is
    indexed by what `history` has in `run`.
    """
    numbers = {run: number for number, run in enumerate(runs.index)}
    points: dict[str, dict[int, Points]] = {}
    for (metric, run), part in history.groupby(["metric", "run"], sort=False):
        if run in numbers:
            points.setdefault(str(metric), {})[numbers[run]] = _points(part.sort_values("step"))
    return Records(runs.reset_index(drop=True).astype(object), points, {}, goals or {})


def _points(part: pd.DataFrame) -> Points:
    times: Any = (part["time"] - _EPOCH) / _MILLISECOND
    return Points(
        part["step"].to_numpy(np.float64),
        part["value"].to_numpy(np.float64),
        part["epoch"].to_numpy(np.float64, na_value=np.nan),
        times.to_numpy(np.float64),
    )
