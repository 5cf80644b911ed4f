"""`list` and `runs`: pipelines and runs as tables."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracker.cli.options import (
    examples,
    filter_argument,
    form_options,
    split_columns,
    watch_options,
)

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form
    from tracker.registry.listing import Listing

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    filter_argument,
    click.option(
        "--sort",
        multiple=True,
        metavar="VALUE",
        help="Sort by a column, parameter, metric or expression, as best(val_loss). Repeatable.",
    ),
    click.option(
        "--desc/--asc",
        "descending",
        default=None,
        help="Largest first, or smallest. Without either, best(...) puts the best first.",
    ),
    click.option(
        "--columns",
        multiple=True,
        metavar="VALUES",
        help="Show these, by commas: name,status,lr,best(val_loss). Repeatable.",
    ),
    click.option("--limit", type=click.IntRange(min=1), help="At most so many rows."),
    click.option("--archived", is_flag=True, help="What is archived, and only that."),
    click.option("--deleted", is_flag=True, help="What is in the trash, and only that."),
    watch_options,
    form_options,
)


def listing_options(command: Command) -> Command:
    """What can be said of any table of pipelines or runs."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@examples(
    'labkeeper list "lr < 0.01 and best(val_loss) < 0.3"',
    'labkeeper list --sort "best(val_accuracy)" --columns "name,lr,best(val_accuracy)"',
)
@click.command("list")
@listing_options
@click.pass_obj
def list_(app: "App", /, **options: Any) -> None:
    """List the pipelines: status, progress, best and last metrics.

    FILTER is an expression over columns, parameters and metrics. The newest come first.
    """
    from tracker.registry.listing import list_pipelines

    _show(app, list_pipelines, noun="pipelines", **options)


@examples("labkeeper runs \"experiment == 'digits' and status == 'finished'\" --csv")
@click.command()
@listing_options
@click.pass_obj
def runs(app: "App", /, **options: Any) -> None:
    """List the runs: of pipelines, and of any code that logs.

    FILTER is an expression over columns, parameters and metrics. The newest come first.
    """
    from tracker.registry.listing import list_runs

    _show(app, list_runs, noun="runs", **options)


def _nothing(noun: str, choice: Mapping[str, Any]) -> str:
    """What is said instead of a list without rows."""
    if choice["filter"]:
        return f"No {noun} match."
    if choice["deleted"]:
        return f"No {noun} are in the trash."
    if choice["archived"]:
        return f"No {noun} are archived."
    return f"There are no {noun} yet."


def _show(
    app: "App",
    listing: "Callable[..., Listing]",
    *,
    noun: str,
    form: "Form | None",
    watch: bool,
    every: float,
    limit: int | None,
    columns: Sequence[str],
    **choice: Any,
) -> None:
    from tracker.cli.output import Table, rows_shown, write_table

    limit = limit or rows_shown(form)
    choice["sort"] = choice["sort"] or None
    wanted = [column for text in columns for column in split_columns(text)]
    if columns and not wanted:
        raise click.UsageError("--columns names no column; leave it out to see the usual ones.")

    def read() -> Table:
        with app.lab.database.read() as session:
            found = listing(session, limit=limit, columns=wanted or None, **choice)
        hidden = found.total - len(found.rows)
        return Table(found.columns, found.rows, f"{hidden} more: --limit" if hidden else None)

    empty = _nothing(noun, choice)
    if watch:
        from tracker.cli.watching import watch as redraw

        redraw(read, every=every, empty=empty)
    else:
        write_table(read(), form, empty=empty)
