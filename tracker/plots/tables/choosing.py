"""Which combination of the optimized fields is drawn: the best, and by what."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracker.errors import InvalidError, NotFoundError
from tracker.plots.fields.only import read_plain
from tracker.plots.fields.placing import Placing
from tracker.plots.fields.roles import Fields
from tracker.plots.fields.values import Value, natural, sequence, text_of, value_of
from tracker.plots.options import Contents, Goal
from tracker.plots.records.along import curve_along, value_at
from tracker.plots.records.records import Records
from tracker.plots.statistics import best_index

Cell = tuple[Value, ...]
Combination = tuple[Value, ...]


class Pool(NamedTuple):
    """The runs of each combination in each cell: a cell is one value of every key."""

    cells: Mapping[Cell, Mapping[Combination, Sequence[int]]]


def pooled(fields: Fields, keys: Sequence[str], numbers: Sequence[int]) -> Pool:
    """The runs of these numbers, each in its cell and combination."""
    cells: dict[Cell, dict[Combination, list[int]]] = {}
    for number in numbers:
        cell = fields.values(number, keys)
        combination = fields.values(number, fields.roles.optimized)
        cells.setdefault(cell, {}).setdefault(combination, []).append(number)
    return Pool(cells)


class Chooser:
    """Chooses in each cell the combination whose runs are best on average.

    By the drawn metric, or by `best_ref_metric`. Over a history once for each line, by the runs'
    last values or at `best_ref_x`; else anew at every x, or at `best_ref_x` for the whole line.
    `best_ref_lines` chooses at that line for all of them. NaN and infinities are never best.
    """

    def __init__(
        self, records: Records, placing: Placing, fields: Fields, contents: Contents, metric: str
    ) -> None:
        self._records, self._placing, self._contents = records, placing, contents
        self._metric = contents.best_ref_metric or metric
        scalars, points = records.scalars, records.points
        numbers = list((scalars if placing.history is None else points).get(self._metric, {}))
        self._keys = list(placing.fields) + list(fields.roles.points)
        self._pool = pooled(fields, self._keys, numbers)
        self._referred = {**self._referred_lines(fields), **self._referred_x(fields)}
        self._best: dict[Cell, Combination | None] = {}

    def combination(
        self, cell: Cell, candidates: Mapping[Combination, object]
    ) -> Combination | None:
        """The best of the candidates that are in the cell; None if none of them can be."""
        if len(candidates) == 1 and not self._referred:
            return next(iter(candidates))
        place = tuple(
            self._referred.get(key, value) for key, value in zip(self._keys, cell, strict=True)
        )
        if place not in self._best:
            self._best[place] = self._best_of(self._pool.cells.get(place, {}))
        best = self._best[place]
        return best if best in candidates else None

    def _best_of(self, found: Mapping[Combination, Sequence[int]]) -> Combination | None:
        if len(found) == 1:
            return next(iter(found))
        ordered = sorted(found, key=lambda values: tuple(map(natural, values)))
        scores = np.array([self._score(found[combination]) for combination in ordered])
        if not scores.size:
            return None
        index = best_index(scores, goal_for(self._records, self._contents, self._metric))
        return None if index is None else ordered[index]

    def _score(self, numbers: Sequence[int]) -> float:
        values = [self._value(number) for number in numbers]
        with np.errstate(invalid="ignore"):
            return float(
                np.median(values) if self._contents.centre == "median" else np.mean(values)
            )

    def _value(self, number: int) -> float:
        if self._placing.history is None:
            return self._records.scalars[self._metric][number]
        curve = curve_along(self._records, self._metric, number, self._placing.history)
        reference = self._contents.best_ref_x
        if not curve.y.size:
            return np.nan
        if reference in (None, "last"):
            return float(curve.y[-1])
        if reference == "best":
            goal = goal_for(self._records, self._contents, self._metric)
            index = best_index(curve.y, goal)
            return np.nan if index is None else float(curve.y[index])
        return value_at(curve, _number(reference))

    def _referred_lines(self, fields: Fields) -> dict[str, Value]:
        asked = self._contents.best_ref_lines
        lines = [field for field in self._placing.lines if field in self._placing.fields]
        if not asked:
            return {}
        if len(asked) != len(lines):
            raise InvalidError(
                f"best_ref_lines needs a value for each of {', '.join(lines) or 'no field'}, "
                f"not {len(asked)}."
            )
        return {
            field: _known(fields, field, word) for field, word in zip(lines, asked, strict=True)
        }

    def _referred_x(self, fields: Fields) -> dict[str, Value]:
        asked = self._contents.best_ref_x
        if asked is None or self._placing.history is not None:
            return {}
        words = [asked] if isinstance(asked, str | int | float) else list(asked)
        x = [field for field in self._placing.x if field in self._placing.fields]
        if len(words) != len(x):
            raise InvalidError(
                f"best_ref_x needs a value for each of {', '.join(x) or 'no field'}, "
                f"not {len(words)}."
            )
        return {field: _known(fields, field, word) for field, word in zip(x, words, strict=True)}


def goal_for(records: Records, contents: Contents, metric: str) -> Goal:
    """Which way is better: what was asked for, else the metric's goal; InvalidError if unknown."""
    goal = contents.best or records.goals.get(metric)
    if goal is None:
        raise InvalidError(
            f"Is a high or a low {metric!r} better? Say so once: "
            f"labkeeper goal {metric} min (or max)."
        )
    return goal


def _known(fields: Fields, field: str, word: Any) -> Value:
    """The value of a field that a word stands for; NotFoundError if no run has it."""
    known = sequence(fields.table[field])
    for value in (value_of(word), read_plain(str(word))):
        if value in known:
            return value
    raise NotFoundError(f"value of {field}", str(word), map(text_of, known))


def _number(reference: Any) -> float:
    try:
        return float(reference)
    except (TypeError, ValueError):
        raise InvalidError(
            f"best_ref_x is last, best or a number along the axis, not {reference!r}."
        ) from None
