"""A group of commands that are imported when they are used, so that `--help` stays instant."""

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from tracker.cli.app import ReaderHasGoneError, run_guarded

# New objects before the first collection; Python's own number is 700.
COLLECT_AFTER = 200_000


class Place(NamedTuple):
    """Where a command lives, and what the help says of it without importing it."""

    name: str
    module: str
    attribute: str
    short_help: str
    section: str


class LazyGroup(click.Group):
    """Knows its commands by a table; shows errors the way `run_guarded` does."""

    def __init__(self, *args: Any, places: Sequence[Place] = (), **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.places = {place.name: place for place in places}
        # Stand-ins: enough for Click to list the names and to suggest the nearest one.
        self.commands.update({place.name: click.Command(place.name) for place in places})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's
        place = self.places.get(cmd_name)
        if place is None:
            return None
        command: click.Command = getattr(import_module(place.module), place.attribute)
        return command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's
        return list(self.places)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - Click's
        """The table's own words, section by section; the default would import every command."""
        width = max(len(name) for name in self.places)
        for section in dict.fromkeys(place.section for place in self.places.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (place.name.ljust(width), place.short_help)
                        for place in self.places.values()
                        if place.section == section
                    ]
                )

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # As it is, Click would take it for a failure.
            raise ReaderHasGoneError from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - Click's
        **extra: Any,
    ) -> Any:
        def run() -> Any:
            return super(LazyGroup, self).main(
                args, prog_name, complete_var, standalone_mode=False, **extra
            )

        if not standalone_mode:
            return run()
        # What is imported stays: looking through it for garbage again and again would take a
        # tenth of the time of a short command.
        gc.set_threshold(COLLECT_AFTER)
        code = run_guarded(run)
        # Nor is there anything to be had from the collection with which Python ends: a quarter
        # of the time of such a command.
        gc.freeze()
        sys.exit(code)
