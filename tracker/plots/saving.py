"""Pictures as files: the same figure gives the same bytes, and no half of one is ever left."""

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tracker.errors import InvalidError, unusable
from tracker.files.durable import write_whole
from tracker.plots.style import drawing

# What would differ from one drawing to the next is left out of each kind of file.
_METADATA: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
}
SUFFIXES = tuple(_METADATA)


def check_picture_path(path: Path) -> None:
    """Refuses a kind of picture nobody can draw and a folder that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidError(
            f"Cannot draw into {str(path)!r}: the name must end in {', '.join(SUFFIXES)}."
        )
    if not path.parent.is_dir():
        raise InvalidError(f"There is no folder {str(path.parent)!r} to put {path.name!r} in.")


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG, or an SVG or PDF all in vectors, by the name's ending.

    The file appears whole or not at all, and replaces the one that was there. LabUnusableError
    where it cannot be written.
    """
    check_picture_path(path)
    kind = path.suffix.lower()
    content = io.BytesIO()
    with drawing():
        figure.savefig(content, format=kind[1:], metadata=_METADATA[kind])
    try:
        write_whole(path, lambda aside: aside.write_bytes(content.getvalue()))
    except OSError as error:
        raise unusable(path, error) from error
