"""`diff`: what differs between runs and pipelines."""

from typing import TYPE_CHECKING, Any

import click

from tracker.cli.app import say
from tracker.cli.completion import complete_names
from tracker.cli.options import examples, form_options, where_option

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form
    from tracker.registry.matching import Match, SharedValue

# So many names or values are shown to people; programs get all of them.
SHOWN = 8


@examples("labkeeper diff mlp cnn", "labkeeper diff mlp mlp-2 mlp-3 --csv")
@click.command()
@click.argument(
    "names", nargs=-1, required=True, metavar="NAME NAME...", shell_complete=complete_names
)
@form_options
@click.pass_obj
def diff(app: "App", names: tuple[str, ...], *, form: "Form | None") -> None:
    """Show only what differs between pipelines or runs.

    Parameters, code (the commit, and uncommitted changes as a patch), environment, data, and
    metrics with who is better. A pipeline stands for its configuration and its current run.
    """
    from tracker.cli.differing import differences_table, differences_text
    from tracker.cli.output import Form as Forms
    from tracker.cli.output import write_paged, write_record, write_table
    from tracker.registry.differences import differences

    if len(names) < 2:
        raise click.UsageError("Name two or more, to be compared.")
    with app.lab.database.read() as session:
        found = differences(session, names)
    if form is Forms.JSON:
        write_record(found.as_dict())
    elif form is not None:
        write_table(differences_table(found), form)
    elif found:
        write_paged("\n".join(differences_text(found)))
    else:
        say("Nothing differs.")


@examples(
    "labkeeper matching mlp",
    'labkeeper matching mlp --on model.args.depth --where "val_loss < 0.3"',
    "labkeeper matching mlp --by value --json",
)
@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("--on", multiple=True, metavar="KEY", help="Sharing this parameter. Repeatable.")
@where_option("Only those that a filter describes.")
@click.option(
    "--by",
    type=click.Choice(["name", "value"]),
    default="name",
    show_default=True,
    help="A row for each other, or a row for each value.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many others.")
@form_options
@click.pass_obj
def matching(
    app: "App",
    name: str,
    *,
    on: tuple[str, ...],
    filter_: str | None,
    by: str,
    limit: int | None,
    form: "Form | None",
) -> None:
    """Show what shares which values with a pipeline or a run.

    Pipelines are compared by their configurations, runs by their parameters. Those that share
    the most come first; what is archived is left out. People are shown the first few names and
    values, programs all (--json).
    """
    from tracker.cli.output import Table, rows_shown, write_table
    from tracker.registry.matching import Match, Matches, SharedValue

    with app.lab.database.read() as session:
        found = Matches(session, name, on=on, filter=filter_)
        most = limit or rows_shown(form)
        rows = found.by_name(most) if by == "name" else found.by_value(most)
    columns = Match._fields if by == "name" else SharedValue._fields
    cells = rows if form is not None else [_shortened(row, limit or SHOWN) for row in rows]
    write_table(Table(columns, cells), form, empty=f"Nothing shares a value with {name!r}.")


def _shortened(row: "Match | SharedValue", most: int) -> tuple[Any, ...]:
    """The row for people: the first few of what is many, and how many more there are."""
    from tracker.cli.cells import for_people
    from tracker.registry.matching import SharedValue

    if isinstance(row, SharedValue):
        shown: Any = row.names[:most]
        more = row.others - len(shown)
    else:
        shown = dict(list(row.values.items())[:SHOWN])
        more = len(row.values) - len(shown)
    words = for_people(shown) + (f", and {more} more" if more else "")
    return *row[:-1], words
