"""Where values stand along an axis, and what the axis says of them."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from tracker.errors import InvalidError
from tracker.plots.fields.labels import shortened
from tracker.plots.fields.values import Value, is_number, text_of
from tracker.plots.statistics import Floats

Name = Literal["x", "y"]

# Name, seconds, and below how many of it an axis reads well.
_TIME_UNITS = (("ms", 0.001, 1000.0), ("s", 1.0, 180.0), ("min", 60.0, 180.0), ("h", 3600.0, 72.0))
_DAYS = ("d", 86400.0)
MOST_TICKS = 12
_TIME_TICKS = 6
FEW_POWERS = 500
_LONG_LABELS = 60
_WHOLE = ("epoch", "step")


class Places:
    """One axis of a picture: where each value of a field stands, the same in every panel.

    Numbers stand where they are; the time since the start in a unit that reads well; moments as
    dates; anything else, or everything where `each` is set, in places of its own, 0, 1, 2...
    """

    def __init__(
        self, field: str, values: Any, *, scale: str | None, each: bool, order: Sequence[Value]
    ) -> None:
        self.field = field
        # A history is numbers, and may be long.
        self.numeric = not each and (not order or all(map(is_number, order)))
        self.scale = scale or "linear"
        self.label = shortened(field)
        self._factor = 1.0
        self._known = [] if self.numeric else list(order)
        if field == "time" and self.numeric:
            self._factor, unit = _unit(np.nanmax(np.asarray(values, dtype=float), initial=0.0))
            self.label = f"time since the start ({unit})"
        elif field == "wall" and self.numeric:
            self.label = "time (UTC)"
        if not self.numeric and self.scale not in ("linear", "equal"):
            raise InvalidError(
                f"{field!r} has places, not numbers, so its axis cannot be {self.scale}."
            )
        self._numbers = self.at(np.asarray(values)) if self.numeric else np.empty(0)

    @property
    def count(self) -> int:
        """Of an axis of places: how many there are."""
        return len(self._known)

    def at(self, values: Any) -> Floats:
        """Where these values stand."""
        if not self.numeric:
            known = {value: place for place, value in enumerate(self._known)}
            cleaned = [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
            return np.array([known.get(value, np.nan) for value in cleaned], dtype=float)
        numbers = np.asarray(values, dtype=np.float64)
        if self.field == "wall":
            days = date2num(numbers.astype("datetime64[ms]"))  # type: ignore[no-untyped-call]
            return np.asarray(days, dtype=np.float64)
        return numbers if self._factor == 1.0 else numbers / self._factor

    def set(self, axes: Axes, name: Name) -> None:
        """Gives the x or the y axis its scale, its ticks and its label."""
        axis = axis_of(axes, name)
        axis.set_label_text(self.label, parse_math=False)
        if not self.numeric:
            _name_places(axes, name, [shortened(text_of(value)) for value in self._known])
        elif self.scale == "equal":
            set_equal(axes, name, self._numbers)
        elif self.scale != "linear":
            if set_scale(axes, name, self.scale, [self._numbers], self.field):
                axis.set_label_text(f"{self.label} (> 0)", parse_math=False)
        elif self.field == "wall":
            locator = AutoDateLocator()  # type: ignore[no-untyped-call]
            axis.set_major_locator(locator)
            formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
            axis.set_major_formatter(formatter)
        elif self.field in _WHOLE:
            axis.set_major_locator(MaxNLocator(integer=True))
        elif self.field == "time":
            axis.set_major_locator(MaxNLocator(_TIME_TICKS, steps=[1, 2, 2.5, 5, 10]))

    def on_paper(self, numbers: Floats) -> Floats:
        """How far along the paper they stand, for thinning; NaN where they do not show."""
        if self.scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(numbers > 0, np.log10(numbers), np.nan)
        return numbers


def axis_of(axes: Axes, name: Name) -> Axis:
    """The x or the y axis."""
    return axes.xaxis if name == "x" else axes.yaxis


def set_scale(axes: Axes, name: Name, scale: str, numbers: Sequence[Floats], what: str) -> bool:
    """Makes an axis logarithmic or symlog; whether something is left out.

    InvalidError if a logarithmic axis would show nothing. What lies between the smallest
    amounts and zero is drawn linearly by symlog.
    """
    every = np.concatenate([np.asarray(part, dtype=float).ravel() for part in numbers])
    finite = every[np.isfinite(every)]
    if scale == "symlog":
        amounts = np.abs(finite[finite != 0])
        threshold = float(amounts.min()) if amounts.size else 1.0
        largest = float(amounts.max()) if amounts.size else 1.0
        _set(axes, name, "symlog", linthresh=max(threshold, largest * 1e-9))
        return False
    if not (finite > 0).any():
        raise InvalidError(
            f"No point of {what!r} is positive along {name}, so a logarithmic {name} axis would "
            "show nothing."
        )
    _set(axes, name, "log", nonpositive="mask")
    _name_powers(axis_of(axes, name), finite[finite > 0])
    return bool((finite <= 0).any())


def _name_powers(axis: Axis, positive: Floats) -> None:
    """Over few powers of ten, numbers such as 0.02 and 0.05; over many, the powers alone."""
    axis.set_minor_formatter(NullFormatter())
    if positive.max() / positive.min() < FEW_POWERS:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))


def set_equal(axes: Axes, name: Name, numbers: Floats) -> None:
    """Puts the values that are there at equal distances, each with a tick while they are few."""
    known = np.unique(numbers[np.isfinite(numbers)])
    if known.size > 1:
        ranks = np.arange(known.size, dtype=float)

        def forward(values: Any) -> Floats:
            return _bent(np.asarray(values, dtype=float), known, ranks)

        def backward(values: Any) -> Floats:
            return _bent(np.asarray(values, dtype=float), ranks, known)

        _set(axes, name, "function", functions=(forward, backward))
    axis = axis_of(axes, name)
    every = -(-known.size // MOST_TICKS)
    axis.set_major_locator(FixedLocator(known[::every].tolist()))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:.6g}"))
    axis.set_minor_locator(NullLocator())


def _set(axes: Axes, name: Name, scale: str, **how: Any) -> None:
    (axes.set_xscale if name == "x" else axes.set_yscale)(scale, **how)


def _bent(values: Floats, source: Floats, target: Floats) -> Floats:
    """Linear between the known values, and beyond them as between the last two."""
    inside = np.interp(values, source, target)
    first = (target[1] - target[0]) / (source[1] - source[0])
    last = (target[-1] - target[-2]) / (source[-1] - source[-2])
    below, above = values < source[0], values > source[-1]
    inside = np.where(below, target[0] + (values - source[0]) * first, inside)
    return np.where(above, target[-1] + (values - source[-1]) * last, inside)


def _unit(longest: float) -> tuple[float, str]:
    for name, seconds, most in _TIME_UNITS:
        if longest < most * seconds:
            return seconds, name
    return _DAYS[1], _DAYS[0]


def _name_places(axes: Axes, name: Name, names: Sequence[str]) -> None:
    axis = axis_of(axes, name)
    every = -(-len(names) // (4 * MOST_TICKS))
    axis.set_major_locator(FixedLocator(list(range(0, len(names), every))))
    axis.set_ticklabels(names[::every], parse_math=False)
    axis.set_minor_locator(NullLocator())
    if name == "x" and (sum(map(len, names)) > _LONG_LABELS or len(names) > MOST_TICKS):
        for label in axis.get_ticklabels():
            label.set(rotation=35, ha="right", rotation_mode="anchor")
