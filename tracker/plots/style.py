"""How pictures look: colours that colour-blind readers tell apart, sizes, deterministic files."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import matplotlib as mpl

# Okabe and Ito (2008), without the yellow, which white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))

PANEL_WIDTH = 5.6  # inches
PANEL_HEIGHT = 3.5
DPI = 150


class Look(NamedTuple):
    colour: str
    dash: Any


def looks(count: int) -> list[Look]:
    """A look for each of `count` lines: all colours first, then again with other dashes."""
    known = [Look(colour, dash) for dash, colour in product(DASHES, COLOURS)]
    return [known[number % len(known)] for number in range(count)]


@contextmanager
def drawing() -> Iterator[None]:
    """Our own look whatever the caller's settings are, which come back at the end."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "savefig.dpi": DPI,
    # Fixed, or every SVG would have new ids; text stays text in a PDF.
    "svg.hashsalt": "labkeeper",
    "pdf.fonttype": 42,
}
