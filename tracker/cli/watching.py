"""`--watch`: the same table again and again, in place, until Ctrl-C."""

import sys
import time
from collections.abc import Callable

import click

from tracker.cli.output import Table


def watch(read: Callable[[], Table], *, every: float, empty: str) -> None:
    """Redraws what `read` returns each `every` seconds; Ctrl-C is its usual end."""
    if not sys.stdout.isatty():
        raise click.UsageError("--watch redraws a terminal, and stdout is none.")
    from rich.live import Live
    from rich.text import Text

    from tracker.cli.terminal import drawn

    try:
        with Live(auto_refresh=False, screen=True, vertical_overflow="ellipsis") as live:
            while True:
                table = read()
                picture = drawn(table, live.console.width) if table.rows else Text(empty)
                live.update(picture, refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        return
