"""`plot`: what was recorded, in one picture."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.app import say
from tracker.cli.completion import complete_metrics
from tracker.cli.options import chosen_options, examples, split_columns, where_option
from tracker.cli.plot_options import contents_options, looks_options

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tracker.cli.app import App
    from tracker.plots import Drawn

# What a filter has and the name of a metric hardly ever.
_FILTER = re.compile(r"[<>=!()]|\s")
# Options that hold several fields, as `lr,width` or said again.
_LISTS = ("x", "lines", "group_by", "average", "best_ref_lines", "annotate", "labels")


@examples(
    "labkeeper plot val_loss -o val_loss.png",
    "labkeeper plot val_loss val_accuracy \"experiment == 'digits'\" --kind curve_best -o best.svg",
    "labkeeper plot val_loss --group-by lr --log-y -o rates.pdf",
    "labkeeper plot val_loss --kind heatmap --x lr,width -o grid.png --data grid.csv",
    "labkeeper plot val_loss --lines optimizer --x lr --xscale log --terminal",
)
@click.command()
@click.argument("words", nargs=-1, metavar="METRIC... [FILTER]", shell_complete=complete_metrics)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The picture: .png; .svg or .pdf, which are all vectors; .gif or .mp4, animated.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Write the numbers of the picture as CSV."
)
@click.option("--terminal", is_flag=True, help="Draw with letters, here (needs plotext).")
@click.option("--show", is_flag=True, help="Open a window.")
@click.option("--saved", metavar="NAME", help="Draw the plot of this name in labkeeper.toml.")
@where_option("The filter, said outright.")
@chosen_options
@contents_options
@looks_options
@click.option("-q", "--quiet", is_flag=True, help="Do not print the rules of the picture.")
@click.pass_obj
def plot(
    app: "App",
    /,
    words: tuple[str, ...],
    filter_: str | None,
    output: Path | None,
    data: Path | None,
    *,
    terminal: bool,
    show: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw metrics of many runs: curves, bars, heatmaps, scatters, boxes.

    A panel per METRIC, a line per run, unless options say otherwise. The last word is the FILTER if
    it is no recorded metric and has a comparison, a call or a space in it. NaN leaves a gap, an
    infinity a triangle at the edge; no value is ever interpolated.
    """
    if not (output or data or terminal or show):
        raise click.UsageError("Where to? Say -o FILE, --data FILE, --terminal or --show.")
    metrics, last = _split(app, words)
    if last is not None and filter_ is not None:
        raise click.UsageError(f"There are two filters: {last!r} and --where {filter_!r}.")
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    given |= {name: _fields(given[name]) for name in _LISTS if name in given}
    _check_paths(output, data, given)
    drawn = app.lab.plotted(metrics, last or filter_, **given)
    if not quiet:
        say("\n".join(drawn.rules))
    _deliver(drawn, output, data, terminal=terminal, show=show)


def _split(app: "App", words: tuple[str, ...]) -> tuple[tuple[str, ...], str | None]:
    """The metrics, and the filter if the last word is one."""
    if not words or not _FILTER.search(words[-1]):
        return words, None
    with app.lab.database.read() as session:
        if _is_metric(session, words[-1]):
            return words, None
    *metrics, last = words
    return tuple(metrics), last


def _is_metric(session: "Session", word: str) -> bool:
    from tracker.registry.completing import metric_names

    return word in metric_names(session, word)


def _fields(said: tuple[str, ...]) -> list[str]:
    """The fields of an option that was given once or more; `none` is no field at all."""
    fields = [field for text in said for field in split_columns(text)]
    return [] if fields == ["none"] else fields


def _check_paths(output: Path | None, data: Path | None, given: dict[str, Any]) -> None:
    from tracker.plots import check_folder, check_picture_path

    if output is not None and "saved" not in given:
        check_picture_path(output, moving="animate" in given)
    if data is not None:
        check_folder(data)


def _deliver(
    drawn: "Drawn", output: Path | None, data: Path | None, *, terminal: bool, show: bool
) -> None:
    from tracker.plots import draw, save_animation, save_data, save_figure

    if output is not None and drawn.placing.frames:
        save_animation(drawn, output)
    elif output is not None:
        save_figure(draw(drawn).figure, output, drawn.options.looks)
    if output is not None:
        click.echo(f"The picture is in {output}.")
    if data is not None:
        save_data(drawn, data)
        click.echo(f"The numbers are in {data}.")
    if terminal:
        from tracker.plots import terminal_text

        click.echo(terminal_text(drawn, width=_width(), colour=sys.stdout.isatty()))
    if show:
        from tracker.plots import show_figure

        show_figure(draw(drawn).figure)


def _width() -> int:
    import shutil

    return max(40, shutil.get_terminal_size((100, 24)).columns)
