"""`report`: one page about many runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracker.cli.completion import complete_metrics
from tracker.cli.options import chosen_options, examples, filter_argument

if TYPE_CHECKING:
    from tracker.cli.app import App


@examples(
    "labkeeper report \"experiment == 'digits'\" -o digits.html",
    "labkeeper report --run mlp --run cnn --metric val_loss -o two.html",
)
@click.command()
@filter_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The page: .html."
)
@chosen_options
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="METRIC",
    shell_complete=complete_metrics,
    help="Show this metric. Repeatable; default: all that have a history.",
)
@click.option("--title", help="What the page is called.")
@click.pass_obj
def report(
    app: "App",
    /,
    filter: str | None,  # noqa: A002 - the word everywhere else
    output: Path,
    *,
    pipelines: bool,
    names: tuple[str, ...],
    metrics: tuple[str, ...],
    title: str | None,
) -> None:
    """Write one HTML page about runs: a table, what differs, curves.

    It needs no network and no other file, and nothing in it runs.
    """
    app.lab.report(
        filter,
        path=output,
        names=names,
        pipelines=pipelines,
        metrics=metrics or None,
        title=title,
    )
    click.echo(f"The report is in {output}.")
