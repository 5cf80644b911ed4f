"""Pictures as files: the same figure gives the same bytes, and no half of one is ever left."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tracker.errors import unusable
from tracker.files.durable import write_whole
from tracker.plots.drawing.style import check_dots, drawing
from tracker.plots.options import Looks
from tracker.plots.output.paths import check_picture_path

# What would differ from one drawing to the next is left out of each kind of file.
_METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}


def save_figure(figure: Figure, path: Path, looks: Looks | None = None) -> None:
    """Writes a PNG, or an SVG or PDF all in vectors, by the name's ending.

    The file appears whole or not at all, and replaces the one that was there. LabUnusableError
    where it cannot be written.
    """
    check_picture_path(path)
    content = rendered(figure, path.suffix.lower()[1:], looks)
    write_file(path, content)


def rendered(figure: Figure, form: str, looks: Looks | None = None) -> bytes:
    """The picture as the bytes of a `png`, `svg` or `pdf`."""
    content = io.BytesIO()
    with drawing(looks):
        if form == "png":
            check_dots(figure)
        # The canvas would go back to the size of dots on the screen.
        figure.savefig(
            content, format=form, metadata=_METADATA[f".{form}"], dpi=mpl.rcParams["savefig.dpi"]
        )
    return content.getvalue()


def write_file(path: Path, content: bytes) -> None:
    """Writes the whole file or nothing; LabUnusableError where that is not possible."""
    try:
        write_whole(path, lambda aside: aside.write_bytes(content))
    except OSError as error:
        raise unusable(path, error) from error
