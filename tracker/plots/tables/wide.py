"""A row for each point, metrics side by side: scatters and parallel coordinates."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np

from tracker.plots.statistics import Average
from tracker.plots.tables.columns import Block
from tracker.plots.tables.work import Work


def wide_blocks(work: Work) -> Iterator[Block]:
    """A block for each cell: the average of each metric over the cell's runs.

    Only runs that have all of the metrics; over a history, only places where all have a value,
    and of several values at one moment the last.
    """
    metrics = work.placing.metrics
    curves = {metric: work.curves(metric) for metric in metrics}
    numbers = [n for n in curves[metrics[0]] if all(n in curves[metric] for metric in metrics)]
    chooser = work.chooser(metrics[-1])
    for cell, combinations in work.pool(numbers).cells.items():
        chosen = chooser.combination(cell, combinations)
        if chosen is None:
            continue
        averages = [
            _last_at_each(
                work.average([curves[metric][number] for number in combinations[chosen]], cell)
            )
            for metric in metrics
        ]
        places = reduce(np.intersect1d, [average.x for average in averages])
        history = work.placing.history
        columns: dict[str, Any] = {} if history is None else {history: places}
        for metric, average in zip(metrics, averages, strict=True):
            at = np.isin(average.x, places)
            columns |= {metric: average.y[at], "runs": average.runs[at]}
        settings = work.settings(cell, chosen, metrics[0])
        yield Block(settings, columns)


def _last_at_each(average: Average) -> Average:
    last = np.append(average.x[1:] != average.x[:-1], True)[: average.x.size]
    return average if last.all() else Average(*(column[last] for column in average))
