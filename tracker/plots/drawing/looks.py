"""Which colour, dashes and marker each line has."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_hex

from tracker.plots.drawing.style import colours
from tracker.plots.fields.values import Value, is_number

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Numbers in more values than this are coloured by their order, along a map of colours.
FEW_NUMBERS = 3


class Look(NamedTuple):
    colour: str
    dash: Any = "-"
    marker: str | None = None


Line = tuple[Value, ...]


def line_looks(lines: Sequence[Line], *, separate: bool = True) -> dict[Line, Look]:
    """A look for each line, by the values of its fields.

    The first field is told by colour, the second by dashes, the third by a marker. Of a single
    field with many values, colours come again with other dashes; with more than those tell
    apart, each has a colour of its own along a map of colours. With `separate` False each
    line has a colour of its own, however many fields there are.
    """
    if not separate or not lines or len(lines[0]) < 2:
        palette = _colours([line[0] if len(line) == 1 else str(line) for line in lines])
        return {
            line: Look(colour, DASHES[number // len(palette.known) % len(DASHES)])
            for number, (line, colour) in enumerate(zip(lines, palette.repeated, strict=True))
        }
    fields = [list(dict.fromkeys(values)) for values in zip(*lines, strict=True)]
    tints = dict(zip(fields[0], _colours(fields[0]).repeated, strict=True))
    return {line: Look(tints[line[0]], *_rest(line, fields)) for line in lines}


def point_looks(lines: Sequence[Line]) -> dict[Line, Look]:
    """The same for points: the second field is told by the marker."""
    looks = line_looks(lines)
    if not lines or len(lines[0]) < 2:
        return {line: look._replace(dash="-", marker="o") for line, look in looks.items()}
    second = list(dict.fromkeys(line[1] for line in lines))
    return {
        line: Look(look.colour, "-", MARKERS[second.index(line[1]) % len(MARKERS)])
        for line, look in looks.items()
    }


class _Palette(NamedTuple):
    known: Sequence[str]
    repeated: Sequence[str]


def _colours(values: Sequence[Value]) -> _Palette:
    """A colour for each value: along a map for many numbers or very many values."""
    known = colours()
    numbers = len(list(filter(is_number, values))) == len(values) > FEW_NUMBERS
    if numbers or len(values) > len(known) * len(DASHES):
        order: list[Value] = list(dict.fromkeys(values))
        if numbers:
            order.sort(key=float)  # type: ignore[arg-type]
        scale = mpl.colormaps[mpl.rcParams["image.cmap"]]
        # The lightest end is not seen on white paper.
        shades = [to_hex(scale(0.88 * order.index(value) / (len(order) - 1))) for value in values]
        return _Palette(shades, shades)
    return _Palette(known, [known[number % len(known)] for number in range(len(values))])


def _rest(line: Line, fields: Sequence[Sequence[Value]]) -> tuple[Any, str | None]:
    dash = DASHES[fields[1].index(line[1]) % len(DASHES)]
    marker = None
    if len(line) > 2:
        marker = MARKERS[fields[2].index(line[2]) % len(MARKERS)]
    return dash, marker


def looks_of(lines: Sequence[Line], kind: str) -> Mapping[Line, Look]:
    """The looks of a kind of picture's lines."""
    if kind in ("scatter", "scatter_heat"):
        return point_looks(lines)
    return line_looks(lines, separate=kind not in ("bar", "box"))
