"""Where the points of a history stand along an axis: epoch, step, time, wall, another metric."""

from typing import Any

import numpy as np
import pandas as pd

from tracker.plots.fields.only import Kept
from tracker.plots.options import HISTORIES
from tracker.plots.records.records import Points, Records
from tracker.plots.statistics import Curve, Floats


def curve_along(records: Records, metric: str, number: int, history: str) -> Curve:
    """The curve of one metric of one run.

    Over epochs the last point of each epoch counts, and points without an epoch are left out.
    `time` is in seconds since the run's start, `wall` in milliseconds since 1970; of several
    points at one moment the last counts. Another metric: its value at the same epoch, else at
    the same step, in the order in which they were logged; where either is missing is no point.
    """
    points = records.points[metric][number]
    if history not in HISTORIES:
        other = records.points.get(history, {}).get(number)
        return Curve(np.empty(0), np.empty(0)) if other is None else _against(points, other)
    return _in_order(_places(records, points, number, history), points.value)


def kept_points(
    records: Records, number: int, points: Points, only: dict[str, list[Kept]]
) -> Points:
    """The points of a history that the ranges and values given for its axes leave."""
    stays = np.ones(points.value.shape, dtype=bool)
    for history, wanted in only.items():
        places = _places(records, points, number, history)
        for ranges, excluded in wanted:
            inside = np.zeros(stays.shape, dtype=bool)
            for low, high in ranges:
                inside |= (low <= places) & (places <= high)
            stays &= ~inside if excluded else inside
    return Points(
        points.step[stays],
        points.value[stays],
        None if points.epoch is None else points.epoch[stays],
        None if points.time is None else points.time[stays],
    )


def _places(records: Records, points: Points, number: int, history: str) -> Floats:
    if history == "step":
        return points.step
    if history == "epoch":
        return _there(points.epoch)
    times = _there(points.time)
    return times if history == "wall" else (times - _start(records.facts, number, times)) / 1000


def _there(column: Floats | None) -> Floats:
    if column is None:
        raise ValueError("these points were read without epochs or times")
    return column


def _start(facts: pd.DataFrame, number: int, times: Floats) -> float:
    """When the run started, in milliseconds since 1970; else when its first point was logged."""
    started: Any = facts["started"][number] if "started" in facts else None
    if started is None or pd.isna(started):
        return float(times.min(initial=np.inf))
    moment = pd.Timestamp(started)
    return (moment.tz_localize("UTC") if moment.tz is None else moment).timestamp() * 1000


def _in_order(places: Floats, values: Floats) -> Curve:
    """The points with a place, one at each, the last that was logged there."""
    if places.size and np.all(places[1:] > places[:-1]) and not np.isnan(places[-1]):
        return Curve(places, values)
    known = ~np.isnan(places)
    places, values = places[known], values[known]
    # A clock that was set back, or epochs that start again in a second phase.
    order = np.argsort(places, kind="stable")
    places, values = places[order], values[order]
    last = np.append(places[1:] != places[:-1], True)[: places.size]
    return Curve(places[last], values[last])


def _against(points: Points, other: Points) -> Curve:
    for key in ("epoch", "step"):
        one, two = getattr(points, key), getattr(other, key)
        if one is not None and two is not None:
            here, there = _in_order(one, points.value), _in_order(two, other.value)
            _, mine, theirs = np.intersect1d(
                here.x, there.x, assume_unique=True, return_indices=True
            )
            if mine.size:
                return Curve(there.y[theirs], here.y[mine])
    return Curve(np.empty(0), np.empty(0))


def value_at(curve: Curve, place: float) -> float:
    """The curve's value at exactly this place; NaN if it has none there."""
    index = int(np.searchsorted(curve.x, place))
    return float(curve.y[index]) if index < curve.x.size and curve.x[index] == place else np.nan
