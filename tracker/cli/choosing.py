"""Changing several pipelines or runs at once: which are meant, what would happen, and yes or no."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from tracker.cli.app import say

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tracker.cli.app import App
    from tracker.registry.choosing import Owner

Command = TypeVar("Command", bound=Callable[..., Any])

_FILTERS = (
    click.option("--pipelines", metavar="FILTER", help="Every pipeline that it describes."),
    click.option("--runs", metavar="FILTER", help="Every run that it describes."),
)
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
_YES = click.option("--yes", is_flag=True, help="Do not ask, where several are meant.")


def filter_options(command: Command) -> Command:
    """--pipelines and --runs."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def choice_options(command: Command) -> Command:
    """--pipelines, --runs and --dry-run."""
    return filter_options(_DRY_RUN(command))


def several_options(command: Command) -> Command:
    """--pipelines, --runs, --dry-run and --yes."""
    return choice_options(_YES(command))


class Meant(NamedTuple):
    """Which are meant, and how careful to be."""

    names: Sequence[str]
    pipelines: str | None
    runs: str | None
    dry_run: bool
    yes: bool


class Change(NamedTuple):
    """What is to be done to them: `column` is what changes, `plan` what it will be for each."""

    verb: str  # "Tag"
    column: str
    plan: "Callable[[Session, Sequence[Owner]], Sequence[Any]]"
    apply: "Callable[[Session, Sequence[Owner]], object]"


def carry_out(app: "App", meant: Meant, change: Change) -> None:
    """Shows the change, or asks about it, or does it: all of it, or nothing."""
    from tracker.cli.output import Table, write_table
    from tracker.registry.choosing import again, called, choose, kind_of

    with app.lab.database.read() as session:
        owners = choose(session, meant.names, pipelines=meant.pipelines, runs=meant.runs)
        names = called(session, owners)
        planned = change.plan(session, owners)
    if not owners:
        say("Nothing matches.")
        return
    if meant.dry_run:
        kinds = map(kind_of, owners)
        rows = list(zip(names, kinds, planned, strict=True))
        write_table(Table(["name", "kind", change.column], rows))
        say("Nothing was changed.")
        return
    if len(owners) > 1:
        from tracker.cli.asking import confirm

        verb = f"{change.verb[0].lower()}{change.verb[1:]}"
        confirm(f"This would {verb} {summary(names)}.", yes=meant.yes, unasked=True)
    with app.lab.database.write() as session:
        change.apply(session, again(session, owners))


def summary(names: Sequence[str]) -> str:
    """`3 (mlp, mlp-2, mlp-3)`, or the first few of them."""
    from tracker.cli.cells import printable

    first = ", ".join(map(printable, names[:5]))
    return f"{len(names)} ({first}{', ...' if len(names) > 5 else ''})"
