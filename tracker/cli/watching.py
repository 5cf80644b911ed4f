"""`--watch`: the same again and again, in place, until Ctrl-C."""

import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from tracker.cli.output import Table

if TYPE_CHECKING:
    from rich.console import RenderableType


def watch(read: Callable[[], Table], *, every: float, empty: str) -> None:
    """Redraws the table that `read` returns each `every` seconds; Ctrl-C is its usual end."""
    _refuse_elsewhere()
    from rich.text import Text

    from tracker.cli.terminal import drawn

    def picture(width: int) -> "RenderableType":
        table = read()
        return drawn(table, width) if table.rows else Text(empty)

    _redraw(picture, every)


def watch_lines(read: Callable[[], Iterable[str]], *, every: float) -> None:
    """As `watch`, for lines; one that is too long is cut off."""
    _refuse_elsewhere()
    from rich.text import Text

    _redraw(lambda _: Text("\n".join(read()), no_wrap=True, overflow="ellipsis"), every)


def _refuse_elsewhere() -> None:
    if not sys.stdout.isatty():
        raise click.UsageError("--watch redraws a terminal, and stdout is none.")


def _redraw(picture: "Callable[[int], RenderableType]", every: float) -> None:
    """Draws what `picture` makes for so many columns."""
    from rich.live import Live

    try:
        with Live(auto_refresh=False, screen=True, vertical_overflow="ellipsis") as live:
            while True:
                live.update(picture(live.console.width), refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return
