"""What can be said of a picture: which numbers it shows, and how it looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from tracker.errors import InvalidError, did_you_mean

Goal = Literal["min", "max"]

KINDS = (
    "curve", "curve_best", "bar", "heatmap", "scatter", "scatter_heat", "parallel", "box",
)  # fmt: skip
# What a point of a history has beside its value.
HISTORIES = ("epoch", "step", "time", "wall")
TOGETHER = ("panels", "twin", "lines")
CENTRES = ("mean", "median")
BANDS = ("std", "sem", "ci", "iqr", "range", "none")
ALIGNS = ("all", "any")
SCALES = ("linear", "log", "symlog", "equal")
REST = "rest"
MOST_LINE_FIELDS = 3

# One of them, or several; several once it is made.
Words = str | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Which numbers a picture shows; checked when made. See docs/plots.

    A field is `run`, `metric`, one of a history (`epoch`, `step`, `time`, `wall`), or what the
    filter language calls a value: a parameter, a column, a metric.
    """

    kind: str = "curve"
    x: Words = ()
    lines: Words = ()
    rows: str | None = None
    columns: str | None = None
    animate: str | None = None
    group_by: Words = ()
    average: Words | None = None
    centre: str = "mean"
    band: str = "std"
    align: str = "all"
    at: str | float = "last"
    best: Goal | None = None
    best_ref_x: Any = None
    best_ref_metric: str | None = None
    best_ref_lines: Words = ()
    smooth: str | None = None
    best_so_far: bool = False
    only: Words = ()
    order: Words = ()
    together: str = "panels"
    labels: Words = ()

    def __post_init__(self) -> None:
        for name in ("x", "lines", "group_by", "best_ref_lines", "only", "order", "labels"):
            object.__setattr__(self, name, _listed(getattr(self, name)))
        if isinstance(self.best_ref_x, list | tuple) and len(self.best_ref_x) == 1:
            object.__setattr__(self, "best_ref_x", self.best_ref_x[0])
        if self.average is not None:
            object.__setattr__(self, "average", _listed(self.average))
        _check("kind of picture", self.kind, KINDS)
        _check("average", self.centre, CENTRES)
        _check("band", self.band, BANDS)
        _check("alignment", self.align, ALIGNS)
        _check("way to draw several metrics", self.together, TOGETHER)
        if self.best is not None:
            _check("goal", self.best, ("min", "max"))
        if len(self.lines) > MOST_LINE_FIELDS:
            raise InvalidError(
                f"Lines can differ by {MOST_LINE_FIELDS} fields (colour, dashes, marker), not by "
                f"{len(self.lines)}. Use rows, columns or animate for the rest."
            )
        if self.group_by and (self.lines or self.average is not None):
            raise InvalidError(
                "group_by draws a mean of all runs that share a value. To say what is averaged, "
                "use lines and average instead of it."
            )
        if self.smooth is not None:
            from tracker.plots.statistics import smoother  # noqa: PLC0415 - brings NumPy

            smoother(self.smooth)
        if self.smooth is not None and self.best_so_far:
            raise InvalidError("Draw a smooth curve or the best so far, not both.")


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How a picture looks; checked when made.

    `style` names matplotlib styles or files of them; `size` is one of `drawing.SIZES` or width
    and height, such as `8x5cm`. The scale of x, y and z (colour) is linear, log, symlog, or, of
    x and y, equal: the values that are there, at equal distances.
    """

    xscale: str | None = None
    yscale: str | None = None
    zscale: str | None = None
    title: str | None = None
    xlabel: str | None = None
    ylabel: str | None = None
    zlabel: str | None = None
    style: Words = ()
    size: str | None = None
    font_size: float | None = None
    marker_size: float | None = None
    dpi: float | None = None
    annotate: Words = ()
    seconds_per_frame: float = 0.5

    def __post_init__(self) -> None:
        for name in ("style", "annotate"):
            object.__setattr__(self, name, _listed(getattr(self, name)))
        for name, known in (("xscale", SCALES), ("yscale", SCALES), ("zscale", SCALES[:3])):
            if getattr(self, name) is not None:
                _check(f"{name[0]} scale", getattr(self, name), known)
        for name in ("font_size", "marker_size", "dpi", "seconds_per_frame"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InvalidError(f"{name} must be above 0, not {getattr(self, name)}.")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that can be said of a picture."""

    contents: Contents = field(default_factory=Contents)
    looks: Looks = field(default_factory=Looks)


def options_from(given: Mapping[str, Any]) -> Options:
    """The options by name, `log_x` and `log_y` included; an unknown name suggests the nearest."""
    given = dict(given)
    for axis in "xy":
        if given.pop(f"log_{axis}", False):
            given[f"{axis}scale"] = "log"
    contents, looks = ({each.name for each in fields(part)} for part in (Contents, Looks))
    for name in given:
        if name not in contents | looks:
            raise InvalidError(
                f"A plot has no option {name!r}.{did_you_mean(name, contents | looks)}"
            )
    return Options(
        contents=Contents(**{name: given[name] for name in given if name in contents}),
        looks=Looks(**{name: given[name] for name in given if name in looks}),
    )


def _listed(words: Words) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else tuple(words)


def _check(what: str, value: object, known: Iterable[str]) -> None:
    known = tuple(known)
    if value not in known:
        raise InvalidError(
            f"There is no {what} {value!r}.{did_you_mean(str(value), known)} "
            f"Known: {', '.join(known)}."
        )
