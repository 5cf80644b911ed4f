"""What every shape of table is made with."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tracker.errors import InvalidError
from tracker.plots.fields.labels import line_labels
from tracker.plots.fields.placing import METRIC, Placing
from tracker.plots.fields.roles import Fields
from tracker.plots.fields.values import Value
from tracker.plots.options import HISTORIES, Contents
from tracker.plots.records.along import curve_along
from tracker.plots.records.records import Records
from tracker.plots.statistics import Average, Curve, averaged
from tracker.plots.tables.choosing import Cell, Chooser, Pool, pooled

# Where a run without a history stands.
_NOWHERE = np.zeros(1)


class Work(NamedTuple):
    """The records, and everything that was decided about them."""

    records: Records
    placing: Placing
    fields: Fields
    contents: Contents

    @property
    def keys(self) -> list[str]:
        """The fields that a cell has a value of."""
        return [*self.placing.fields, *self.fields.roles.points]

    def curves(self, metric: str) -> dict[int, Curve]:
        """By number of the run; where no history is drawn, its one value at the place 0."""
        if self.placing.history is None:
            values = self.records.scalars.get(metric, {})
            return {number: Curve(_NOWHERE, np.array([y])) for number, y in values.items()}
        found = {
            number: curve_along(self.records, metric, number, self.placing.history)
            for number in self.records.points.get(metric, {})
        }
        there = {number: curve for number, curve in found.items() if curve.x.size}
        if not there:
            raise InvalidError(self._nowhere(metric))
        return there

    def pool(self, numbers: Iterable[int]) -> Pool:
        return pooled(self.fields, self.keys, list(numbers))

    def chooser(self, metric: str) -> Chooser:
        return Chooser(self.records, self.placing, self.fields, self.contents, metric)

    def average(self, curves: Sequence[Curve], cell: Cell) -> Average:
        """The line of these runs; InvalidError where they have no place in common."""
        history = self.placing.history
        if len(curves) > 1 and history is not None and history not in ("epoch", "step"):
            what = "over time" if history in HISTORIES else f"along {history!r}"
            raise InvalidError(
                f"Runs have no moments in common, so they have no mean {what}. "
                "Average over epoch or step, or draw a line for each run."
            )
        contents = self.contents
        found = averaged(curves, centre=contents.centre, band=contents.band, align=contents.align)
        if not found.x.size:
            (label,) = line_labels([dict(zip(self.keys, cell, strict=True)), {}])[:1]
            raise InvalidError(
                f"The {len(curves)} runs of {label!r} have no point in common, so they have no "
                "mean. Draw the mean of those that are there: align any."
            )
        return found

    def settings(self, cell: Cell, combination: Sequence[Value], metric: str) -> dict[str, Value]:
        """The value of every field that a cell and a combination fix."""
        return {
            METRIC: metric,
            **dict(zip(self.keys, cell, strict=True)),
            **dict(zip(self.fields.roles.optimized, combination, strict=True)),
        }

    def _nowhere(self, metric: str) -> str:
        history = self.placing.history
        if self.contents.only:
            return f"No point of {metric!r} is left by only {' / '.join(self.contents.only)}."
        if history == "epoch":
            return f"The metric {metric!r} was logged without epochs. Draw it over step or time."
        return f"The metric {metric!r} has no point along {history!r}: never logged with it."
