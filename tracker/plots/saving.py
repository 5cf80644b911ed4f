"""Pictures as files: the same figure gives the same bytes, and no half of one is ever left."""

import io
import os
import tempfile
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tracker.errors import InvalidError
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

    The file appears whole or not at all, and replaces the one that was there.
    """
    check_picture_path(path)
    kind = path.suffix.lower()
    content = io.BytesIO()
    with drawing():
        figure.savefig(content, format=kind[1:], metadata=_METADATA[kind])
    _replace(path, content.getvalue())


def _replace(path: Path, content: bytes) -> None:
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(_usual_mode())
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _usual_mode() -> int:
    """What a plainly opened file would get; temporary ones are for their owner only."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
