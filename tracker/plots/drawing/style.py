"""How pictures look: colours that colour-blind readers tell apart, sizes, deterministic files."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from cycler import cycler
from matplotlib import style as styles
from matplotlib.figure import Figure

from tracker.errors import InvalidError, did_you_mean, unusable
from tracker.plots.options import Looks

# Okabe and Ito (2008), without the yellow, which white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

PANEL_WIDTH = 5.6  # inches
PANEL_HEIGHT = 3.5
# Panels of a grid of more than two columns.
SMALL_WIDTH = 3.2
SMALL_HEIGHT = 2.6

# Width and height in inches, and the size of letters in points, as journals print them.
SIZES: dict[str, tuple[float, float, float]] = {
    "column": (3.35, 2.4, 8.0),
    "text": (5.5, 3.4, 9.0),
    "page": (6.9, 4.2, 9.0),
    "slide": (10.0, 5.6, 16.0),
}
MOST_DOTS = 30_000  # along a side
MOST_DOTS_IN_ALL = 100_000_000
_UNITS = {"": 1.0, "in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4}
_SIZE = re.compile(r"([\d.]+)\s*x\s*([\d.]+)\s*(in|cm|mm|)")


class Size(NamedTuple):
    """Of a whole picture, in inches; letters in points, or None for the usual."""

    width: float
    height: float
    font: float | None


def size_of(text: str) -> Size:
    """One of `SIZES`, or width and height: `6x4`, `8x5cm`."""
    if text in SIZES:
        return Size(*SIZES[text])
    found = _SIZE.fullmatch(text.strip())
    try:
        width, height = (float(found[place]) * _UNITS[found[3]] for place in (1, 2))  # type: ignore[index]
    except (TypeError, ValueError):
        width = height = 0.0
    if not 0.5 <= min(width, height) <= max(width, height) <= 100:
        raise InvalidError(
            f"{text!r} is no size.{did_you_mean(text, SIZES)} Say {', '.join(SIZES)}, or width and "
            "height such as 6x4 (inches) or 8x5cm, from 0.5 to 100 inches."
        )
    return Size(width, height, None)


def check_dots(figure: Figure) -> None:
    """Refuses a picture of so many dots that no memory holds them."""
    (width, height), dpi = figure.get_size_inches(), float(mpl.rcParams["savefig.dpi"])
    if max(width, height) * dpi > MOST_DOTS or width * height * dpi**2 > MOST_DOTS_IN_ALL:
        raise InvalidError(
            f"{width:.3g} x {height:.3g} inches at {dpi:g} dots per inch are too many dots. "
            "Ask for fewer, or write an .svg or a .pdf."
        )


@contextmanager
def drawing(looks: Looks | None = None) -> Iterator[None]:
    """Our own look, and the styles asked for, whatever the caller's settings are.

    Those come back at the end. InvalidError for a style that is not known.
    """
    looks = looks or Looks()
    settings = [_style(name) for name in looks.style]
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        if looks.size is not None and (font := size_of(looks.size).font):
            mpl.rcParams["font.size"] = font
        for each in settings:
            mpl.rcParams.update(each)
        if looks.font_size is not None:
            mpl.rcParams["font.size"] = looks.font_size
        if looks.marker_size is not None:
            mpl.rcParams["lines.markersize"] = looks.marker_size
        if looks.dpi is not None:
            mpl.rcParams["savefig.dpi"] = looks.dpi
        yield


def colours() -> Sequence[str]:
    """The colours of lines, in order: those of the style."""
    return list(mpl.rcParams["axes.prop_cycle"].by_key().get("color", COLOURS))


def _style(name: str) -> Any:
    """The settings of a matplotlib style, or of a file of them."""
    if name in styles.library:
        return styles.library[name]
    path = Path(name).expanduser()
    if not path.is_file():
        raise InvalidError(
            f"There is no style {name!r}, nor a file of that name."
            f"{did_you_mean(name, styles.available)}"
        )
    try:
        settings = mpl.rc_params_from_file(path, use_default_template=False)
    except OSError as error:
        raise unusable(path, error) from error
    except Exception as error:
        raise InvalidError(f"{path} is no matplotlib style: {error}.") from error
    if not settings:
        raise InvalidError(f"{path} is no matplotlib style: it has no setting that is known.")
    # Where windows come from is no matter of style.
    return {key: value for key, value in settings.items() if not key.startswith("backend")}


_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.titlesize": "medium",
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.handlelength": 4.0,
    "savefig.dpi": 150,
    # Fixed, or every SVG would have new ids; text stays text, and letters whole, in a PDF.
    "svg.hashsalt": "labkeeper",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}
