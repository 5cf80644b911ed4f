"""Pictures of what was recorded. Tables in, a Figure out; opens no database.

Importing this package is cheap; its names bring matplotlib with them on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.plots.curves import CurveOptions, draw_curves
    from tracker.plots.saving import check_picture_path, save_figure
    from tracker.plots.sources import CurveChoice, read_curves

__all__ = [
    "CurveChoice",
    "CurveOptions",
    "check_picture_path",
    "draw_curves",
    "read_curves",
    "save_figure",
]

_HOMES = {
    "CurveChoice": "sources",
    "CurveOptions": "curves",
    "check_picture_path": "saving",
    "draw_curves": "curves",
    "read_curves": "sources",
    "save_figure": "saving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
