"""One value of each run's history: its last, its best, or that at an epoch."""

import numpy as np

from tracker.errors import InvalidError
from tracker.plots.options import Contents
from tracker.plots.records.along import curve_along, value_at
from tracker.plots.records.records import Points, Records
from tracker.plots.statistics import best_index
from tracker.plots.tables.choosing import goal_for


def scalars_of(records: Records, contents: Contents) -> dict[str, dict[int, float]]:
    """By metric and number of the run; a run without such a value is left out.

    `at` is `last`, `best` (of the finite values; NaN where there is none), or a number: the
    value at exactly this epoch, or at this step of a run that counts no epochs.
    """
    return {
        metric: {
            number: value
            for number, points in of.items()
            for value in _value(records, contents, metric, number, points)
        }
        for metric, of in records.points.items()
    }


def counts_epochs(points: Points) -> bool:
    """Whether any of the points was logged with an epoch."""
    return points.epoch is not None and not bool(np.isnan(points.epoch).all())


def _value(
    records: Records, contents: Contents, metric: str, number: int, points: Points
) -> list[float]:
    if not points.value.size:
        return []
    if contents.at == "last":
        return [float(points.value[-1])]
    if contents.at == "best":
        index = best_index(points.value, goal_for(records, contents, metric))
        return [np.nan if index is None else float(points.value[index])]
    history = "epoch" if counts_epochs(points) else "step"
    curve = curve_along(records, metric, number, history)
    place = _number(contents.at)
    return [value_at(curve, place)] if place in curve.x else []


def _number(at: object) -> float:
    try:
        return float(at)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidError(f"A value is at last, best or a number, not {at!r}.") from None
