"""A row for each place of each metric: lines, bars, heatmaps."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tracker.errors import InvalidError
from tracker.plots.options import HISTORIES
from tracker.plots.statistics import Curve, best_so_far, smoother
from tracker.plots.tables.choosing import goal_for
from tracker.plots.tables.columns import Block
from tracker.plots.tables.work import Work

_GAP = np.full(1, np.nan)


def long_blocks(work: Work) -> Iterator[Block]:
    """A block for each cell of each metric, with the average of its best combination's runs.

    Smoothing and the best so far are of each run's curve, before any average. Where no
    combination is best, because all are NaN, a cell without a history is a gap.
    """
    for metric in work.placing.metrics:
        raw = work.curves(metric)
        shown = {number: _changed(work, metric, curve) for number, curve in raw.items()}
        pool, chooser = work.pool(raw), work.chooser(metric)
        for cell, combinations in pool.cells.items():
            chosen = chooser.combination(cell, combinations)
            if chosen is not None:
                numbers = combinations[chosen]
                average = work.average([shown[number] for number in numbers], cell)
                columns: dict[str, Any] = average._asdict()
                if _is_changed(work):
                    columns["raw"] = work.average([raw[number] for number in numbers], cell).y
                yield Block(work.settings(cell, chosen, metric), _named(work, columns))
            elif work.placing.history is None:
                gap = dict.fromkeys(("x", "y", "low", "high"), _GAP) | {"runs": np.zeros(1, int)}
                unknown = [None] * len(work.fields.roles.optimized)
                yield Block(work.settings(cell, unknown, metric), _named(work, gap))


def _named(work: Work, columns: dict[str, Any]) -> dict[str, Any]:
    x, y = columns.pop("x"), columns.pop("y")
    place = {} if work.placing.history is None else {work.placing.history: x}
    return {**place, "value": y, **columns}


def _is_changed(work: Work) -> bool:
    return work.contents.smooth is not None or work.contents.best_so_far


def _changed(work: Work, metric: str, curve: Curve) -> Curve:
    contents, history = work.contents, work.placing.history
    if not _is_changed(work):
        return curve
    if history not in HISTORIES:
        raise InvalidError(
            "Only what is drawn over epoch, step or time can be smoothed or be the best so far."
        )
    if contents.smooth is not None:
        return curve._replace(y=smoother(contents.smooth)(curve.y))
    goal = goal_for(work.records, contents, metric)
    return curve._replace(y=best_so_far(curve.y, goal))
