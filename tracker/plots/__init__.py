"""Pictures of what was recorded. Tables in, a Figure out; opens no database.

Importing this package is cheap; its names bring matplotlib with them on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.plots.curves import CurveOptions, draw_curves
    from tracker.plots.saving import check_picture_path, save_figure

__all__ = ["CurveOptions", "check_picture_path", "draw_curves", "save_figure"]

_HOMES = {
    "CurveOptions": "tracker.plots.curves",
    "check_picture_path": "tracker.plots.saving",
    "draw_curves": "tracker.plots.curves",
    "save_figure": "tracker.plots.saving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as lazy as what it is for

    return getattr(import_module(_HOMES[name]), name)
