"""One panel of a picture: its rows of the table, and how they are to be drawn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize

from tracker.plots.drawing.looks import Line, Look
from tracker.plots.drawing.places import Places
from tracker.plots.fields.placing import METRIC
from tracker.plots.fields.values import text_of
from tracker.plots.statistics import Floats
from tracker.plots.tables.drawn import Drawn, blocks


class Part(NamedTuple):
    """The rows of one line."""

    line: Line
    look: Look
    rows: pd.DataFrame

    def numbers(self, column: str) -> Floats | None:
        """A column as numbers; None if the table has none of the name."""
        return self.rows[column].to_numpy(np.float64) if column in self.rows else None


class Shared(NamedTuple):
    """What all panels of a picture have in common."""

    drawn: Drawn
    whole: Drawn  # of which `drawn` may be a part, a frame
    x: Sequence[Places]
    looks: Mapping[Line, Look]
    norms: Mapping[str, Normalize]
    pixels: int  # in the width of a panel


class Panel(NamedTuple):
    """The rows of one panel, empty where nothing was recorded for it."""

    rows: pd.DataFrame
    title: str
    metrics: Sequence[str]  # those it shows
    shared: Shared

    def parts(self, metric: str | None = None) -> Iterator[Part]:
        """The rows of each line, in the order of the legend."""
        placing = self.shared.drawn.placing
        rows = self.rows
        if metric is not None and METRIC in rows:
            rows = rows[rows[METRIC] == metric]
        # Metrics that share a panel are never one line.
        split = [*placing.lines, *([METRIC] if METRIC in rows else [])]
        for values, place in blocks(rows, split):
            line = values[: len(placing.lines)]
            yield Part(line, self.shared.looks[line], rows.iloc[place])

    @property
    def scale(self) -> str:
        """Of the y axis."""
        return self.shared.drawn.options.looks.yscale or "linear"

    def x(self, part: Part, place: int = 0) -> Floats:
        """Where the rows of a line stand along x."""
        places = self.shared.x[place]
        return places.at(part.rows[places.field])

    def notes(self, part: Part) -> list[str]:
        """What is written at each row: the fields that were asked for."""
        asked = self.shared.drawn.options.looks.annotate
        columns = [part.rows[name].tolist() for name in asked if name in part.rows]
        names = [name for name in asked if name in part.rows]
        return [
            " ".join(_note(name, value) for name, value in zip(names, row, strict=True))
            for row in zip(*columns, strict=True)
        ]


def _note(name: str, value: Any) -> str:
    return f"{value:.4g}" if name == "value" else f"{name}={text_of(value)}"
