"""`plot`: metric curves of many runs in one picture."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.completion import complete_metrics, complete_names
from tracker.cli.options import examples

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tracker.cli.app import App

# What a filter has and the name of a metric hardly ever.
_FILTER = re.compile(r"[<>=!()]|\s")


@examples(
    "labkeeper plot val_loss -o val_loss.png",
    "labkeeper plot val_loss val_accuracy \"experiment == 'digits'\" --kind curve_best -o best.svg",
    "labkeeper plot val_loss --group-by lr --log-y -o rates.pdf",
)
@click.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="METRIC... [FILTER]", shell_complete=complete_metrics
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The picture: .png, or .svg and .pdf, which are all vectors.",
)
@click.option("--where", "filter_", metavar="FILTER", help="The filter, said outright.")
@click.option("--pipelines", is_flag=True, help="FILTER is about pipelines: their current runs.")
@click.option(
    "--run",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_names,
    help="This pipeline or run. Repeatable.",
)
@click.option(
    "--x",
    type=click.Choice(["epoch", "step", "time"]),
    default="epoch",
    show_default=True,
    help="Time is since each run's start.",
)
@click.option(
    "--kind",
    type=click.Choice(["curve", "curve_best"]),
    default="curve",
    show_default=True,
    help="curve_best marks the best point of each line.",
)
@click.option("--group-by", metavar="VALUE", help="Draw the mean of the runs that share it.")
@click.option(
    "--band",
    type=click.Choice(["std", "sem", "range", "none"]),
    default="std",
    show_default=True,
    help="Around a mean: standard deviation (n - 1), standard error, lowest to highest, nothing.",
)
@click.option(
    "--align",
    type=click.Choice(["all", "any"]),
    default="all",
    show_default=True,
    help="Draw a mean where all runs of the group have a point, or where any has.",
)
@click.option("--label", "labels", multiple=True, metavar="VALUE", help="Name it in the legend.")
@click.option("--log-x", is_flag=True, help="A logarithmic x axis.")
@click.option("--log-y", is_flag=True, help="A logarithmic y axis.")
@click.option("--title", help="A line above the picture.")
@click.pass_obj
def plot(
    app: "App",
    /,
    words: tuple[str, ...],
    filter_: str | None,
    output: Path,
    **options: Any,
) -> None:
    """Draw metric curves of many runs into one picture.

    A panel per METRIC, a line per run. The last word is the FILTER if it is no recorded metric
    and has a comparison, a call or a space in it. NaN leaves a gap, an infinity a triangle at the
    edge; no value is ever interpolated.
    """
    with app.lab.database.read() as session:
        metrics, last = _split(session, words)
    if last is not None and filter_ is not None:
        raise click.UsageError(f"There are two filters: {last!r} and --where {filter_!r}.")
    app.lab.plot(metrics, last or filter_, path=output, **options)
    click.echo(f"The picture is in {output}.")


def _split(session: "Session", words: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The metrics, and the filter if the last word is one."""
    from tracker.registry.completing import metric_names

    *metrics, last = words
    if not _FILTER.search(last) or last in metric_names(session, last):
        return words, None
    if not metrics:
        raise click.UsageError(f"Which metric? {last!r} is a filter.")
    return tuple(metrics), last
