"""A row for each box: how the values of several runs lie."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tracker.plots.statistics import Floats, Groups
from tracker.plots.tables.columns import Block
from tracker.plots.tables.work import Work

# Tukey, Exploratory Data Analysis, 1977.
WHISKER = 1.5


def box_blocks(work: Work) -> Iterator[Block]:
    """A block for each cell of each metric; see `box`."""
    for metric in work.placing.metrics:
        curves = work.curves(metric)
        chooser = work.chooser(metric)
        for cell, combinations in work.pool(curves).cells.items():
            chosen = chooser.combination(cell, combinations)
            if chosen is None:
                continue
            groups = Groups([curves[number] for number in combinations[chosen]])
            boxes = [box(values) for values in np.split(groups.values, groups.starts[1:])]
            history = work.placing.history
            columns: dict[str, Any] = {} if history is None else {history: groups.places}
            for name in boxes[0]:
                columns[name] = _column([each[name] for each in boxes])
            yield Block(work.settings(cell, chosen, metric), columns)


def box(values: Floats) -> dict[str, object]:
    """Median and quartiles (`numpy.quantile`), whiskers and outliers of the finite values.

    A whisker ends at the last value within 1.5 times the distance of the quartiles; `outliers`
    are beyond, rising. `not_finite` counts the values that are NaN or infinite. NaN and no
    outliers where no value is finite.
    """
    finite = np.sort(values[np.isfinite(values)])
    counts = {"runs": finite.size, "not_finite": values.size - finite.size}
    if not finite.size:
        return {
            **dict.fromkeys(("median", "q1", "q3", "low", "high"), np.nan),
            "outliers": (),
            **counts,
        }
    q1, median, q3 = np.quantile(finite, [0.25, 0.5, 0.75])
    reach = WHISKER * (q3 - q1)
    inside = finite[(finite >= q1 - reach) & (finite <= q3 + reach)]
    outliers = finite[(finite < q1 - reach) | (finite > q3 + reach)]
    return {
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
        "low": float(inside[0]),
        "high": float(inside[-1]),
        "outliers": tuple(outliers.tolist()),
        **counts,
    }


def _column(values: list[object]) -> object:
    if not isinstance(values[0], tuple):
        return np.array(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
