"""`history`: the recorded points of metrics."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracker.cli.app import say
from tracker.cli.completion import complete_metrics, complete_names
from tracker.cli.options import examples, form_options, where_option

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form


@examples(
    "labkeeper history mlp --metric val_loss --metric val_accuracy",
    "labkeeper history --where \"experiment == 'digits'\" --metric val_loss -o val_loss.parquet",
)
@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    shell_complete=complete_metrics,
    help="Only this metric. Repeatable.",
)
@where_option("The runs that a filter describes.", "--runs")
@click.option(
    "--wide/--long",
    default=None,
    help="A column per metric, or a row per point. Tables are wide, all else is long.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write a file: .csv, .json, .ndjson or .parquet.",
)
@form_options
@click.pass_obj
def history(
    app: "App",
    names: tuple[str, ...],
    metrics: tuple[str, ...],
    filter_: str | None,
    *,
    wide: bool | None,
    output: Path | None,
    form: "Form | None",
) -> None:
    """Show the metric histories of pipelines and runs.

    A pipeline stands for its current run. Of a metric logged per epoch and per batch, the
    points per epoch are shown.
    """
    from tracker.cli.output import write_table
    from tracker.cli.points import check_output, long_table, read_points, save_table, wide_table

    if not names and filter_ is None:
        raise click.UsageError("Name a pipeline or a run, or describe them by --where FILTER.")
    if output is not None:
        check_output(output)
    with app.lab.database.read() as session:
        points = read_points(session, names, filter_, metrics)
    is_wide = wide if wide is not None else form is None and output is None
    table = wide_table(points) if is_wide else long_table(points)
    if output is None:
        write_table(table, form, empty="Nothing was logged.")
    else:
        save_table(table, output)
        say(f"The points are in {output}.")
