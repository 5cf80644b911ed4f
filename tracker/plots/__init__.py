"""Pictures of what was recorded. Tables in, a Figure out; writes to no database.

`read_records` reads what a picture is made from, `make_table` makes the table that it draws, `draw`
draws that table and nothing else.

Importing this package is cheap; its names bring matplotlib with them on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.plots.composing.figure import Picture, draw
    from tracker.plots.making import make_table
    from tracker.plots.options import Contents, Looks, Options, options_from
    from tracker.plots.output.animation import save_animation
    from tracker.plots.output.data import save_data
    from tracker.plots.output.files import save_figure
    from tracker.plots.output.paths import check_folder, check_picture_path
    from tracker.plots.output.terminal import terminal_text
    from tracker.plots.output.window import show_figure
    from tracker.plots.records.records import Records, records_from
    from tracker.plots.saved import saved_plot
    from tracker.plots.sources import Choice, chosen_runs, read_records
    from tracker.plots.tables.drawn import Drawn

__all__ = [
    "Choice", "Contents", "Drawn", "Looks", "Options", "Picture", "Records", "check_folder",
    "check_picture_path", "chosen_runs", "draw", "make_table", "options_from", "read_records",
    "records_from", "save_animation", "save_data", "save_figure", "saved_plot", "show_figure",
    "terminal_text",
]  # fmt: skip

_HOMES = {
    "Choice": "sources",
    "Contents": "options",
    "Drawn": "tables.drawn",
    "Looks": "options",
    "Options": "options",
    "Picture": "composing.figure",
    "Records": "records.records",
    "check_folder": "output.paths",
    "check_picture_path": "output.paths",
    "chosen_runs": "sources",
    "draw": "composing.figure",
    "make_table": "making",
    "options_from": "options",
    "read_records": "sources",
    "records_from": "records.records",
    "save_animation": "output.animation",
    "save_data": "output.data",
    "save_figure": "output.files",
    "saved_plot": "saved",
    "show_figure": "output.window",
    "terminal_text": "output.terminal",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
