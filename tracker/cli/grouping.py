"""`group`: what metrics came to in runs that share values."""

from typing import TYPE_CHECKING

import click

from tracker.cli.options import examples, form_options, split_columns, where_option

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form


@examples(
    'labkeeper group lr model.args.depth --metric "best(val_loss)"',
    "labkeeper group optimizer.loc --where \"status == 'finished'\" --sort mean",
)
@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    metavar="VALUES",
    help="Of this number, as best(val_loss) or duration. By commas, or repeatable.",
)
@where_option("Only what a filter describes.")
@click.option("--pipelines", is_flag=True, help="Pipelines, by their current runs, not runs.")
@click.option("--sort", metavar="COLUMN", help="By a column of the result: mean, for one.")
@click.option("--desc", "descending", is_flag=True, help="Largest first.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows.")
@form_options
@click.pass_obj
def group(
    app: "App",
    keys: tuple[str, ...],
    *,
    metrics: tuple[str, ...],
    filter_: str | None,
    pipelines: bool,
    sort: str | None,
    descending: bool,
    limit: int | None,
    form: "Form | None",
) -> None:
    """Group the runs by values: mean, std, min, max of metrics.

    KEY is a parameter, a column or any expression; without one, all are one group. `count` says
    how many of the runs have a number; NaN and what is missing takes no part in the rest. The
    standard deviation is that of a sample (n - 1).
    """
    from tracker.cli.output import Table, write_table
    from tracker.registry.grouping import group as grouped

    names = [name for text in metrics for name in split_columns(text)]
    with app.lab.database.read() as session:
        found = grouped(
            session,
            keys,
            names,
            of="pipelines" if pipelines else "runs",
            filter=filter_,
            sort=sort,
            descending=descending,
            limit=limit,
        )
    write_table(Table(found.columns, found.rows), form, empty="Nothing is there to be grouped.")
