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
    `time` is in seconds since the run's start, `wall` in milliseconds since 1970; there every
    point counts, and those of one moment come in the order of their steps. Another metric: its
    value at the same epoch, else at the same step, in the order in which they were logged;
    where either is missing is no point.
    """
    points = records.points[metric][number]
    if history not in HISTORIES:
        other = records.points.get(history, {}).get(number)
        return Curve(np.empty(0), np.empty(0)) if other is None else _against(points, other)
    found = _in_order(_places(records, points, number, history), points.value)
    return found if history in ("time", "wall") else _last_at_each(found)


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
    moment = moment.tz_localize("UTC") if moment.tz is None else moment
    # Points have whole milliseconds, and none was logged before the start.
    return float(moment.as_unit("ns").value // 1_000_000)


def _in_order(places: Floats, values: Floats) -> Curve:
    """The points with a place, by place; those of one place stay in their order."""
    if places.size and np.all(places[1:] >= places[:-1]) and not np.isnan(places[-1]):
        return Curve(places, values)
    known = ~np.isnan(places)
    places, values = places[known], values[known]
    # A clock that was set back, or epochs that start again in a second phase.
    order = np.argsort(places, kind="stable")
    return Curve(places[order], values[order])


def _last_at_each(curve: Curve) -> Curve:
    """One point at each place, the last that was logged there."""
    last = np.append(curve.x[1:] != curve.x[:-1], True)[: curve.x.size]
    return curve if last.all() else Curve(curve.x[last], curve.y[last])


def _against(points: Points, other: Points) -> Curve:
    for key in ("epoch", "step"):
        one, two = getattr(points, key), getattr(other, key)
        if one is not None and two is not None:
            here = _last_at_each(_in_order(one, points.value))
            there = _last_at_each(_in_order(two, other.value))
            _, mine, theirs = np.intersect1d(
                here.x, there.x, assume_unique=True, return_indices=True
            )
            if mine.size:
                return Curve(there.y[theirs], here.y[mine])
    return Curve(np.empty(0), np.empty(0))


def value_at(curve: Curve, place: float) -> float:
    """The curve's (last) value at exactly this place; NaN if it has none there."""
    index = int(np.searchsorted(curve.x, place, side="right")) - 1
    return float(curve.y[index]) if index >= 0 and curve.x[index] == place else np.nan
