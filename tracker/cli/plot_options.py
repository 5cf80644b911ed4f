"""The options of `plot`: what a picture shows, and how it looks."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeVar

import click

from tracker.plots.options import ALIGNS, BANDS, CENTRES, KINDS, SCALES, TOGETHER

Command = TypeVar("Command", bound=Callable[..., Any])


def contents_options(command: Command) -> Command:
    """Which numbers are drawn; each by the name it has in `tracker.plots.Contents`."""
    return reduce(lambda made, option: option(made), reversed(_CONTENTS), command)


def looks_options(command: Command) -> Command:
    """How they look; each by the name it has in `tracker.plots.Looks`."""
    return reduce(lambda made, option: option(made), reversed(_LOOKS), command)


def _option(*names: str, **how: Any) -> Any:
    return click.option(*names, **how)


def _choice(name: str, known: Sequence[str], words: str) -> Any:
    return click.option(name, type=click.Choice(known), help=words)


def _fields(name: str, words: str) -> Any:
    """Several: `lr,width`, or the option twice."""
    return click.option(name, metavar="FIELDS", multiple=True, help=words)


def _texts(*names: str, metavar: str, words: str) -> Any:
    return click.option(*names, metavar=metavar, multiple=True, help=words)


def _number(name: str, words: str) -> Any:
    return click.option(name, type=float, help=words)


_CONTENTS = (
    _choice("--kind", KINDS, "Default: curve."),
    _fields("--x", "epoch, step, time (since the start), wall, parameters, a metric."),
    _fields("--lines", "A line for each value: told by colour, dashes, marker."),
    _option("--rows", metavar="FIELD", help="A row of panels for each value; also of metric."),
    _option("--columns", metavar="FIELD", help="As --rows, a column of panels."),
    _option("--animate", metavar="FIELD", help="A frame for each value, in a .gif or .mp4."),
    _choice("--together", TOGETHER, "Where several metrics stand; default: panels."),
    _fields("--group-by", "A line for each value: the mean of all runs that share it."),
    _fields("--average", "Average over these; rest: all others; none. Default: seed."),
    _choice("--centre", CENTRES, "What an average is; default: mean."),
    _choice(
        "--band",
        BANDS,
        "Around it: standard deviation (n - 1; the default), standard error, 95 % confidence "
        "interval, quartiles, lowest to highest, nothing.",
    ),
    _choice(
        "--align", ALIGNS, "Average where all runs have a point (the default), or where any has."
    ),
    _option(
        "--at", metavar="WHEN", help="A run's value without a history: last (default), best, 20."
    ),
    _choice("--best", ("min", "max"), "Which is better; default: the metric's goal."),
    _texts(
        "--best-ref-x",
        metavar="VALUE",
        words="Choose the best of the fields left over at this x: last, best, a value.",
    ),
    _option("--best-ref-metric", metavar="METRIC", help="Choose the best by this metric."),
    _texts("--best-ref-lines", metavar="VALUES", words="Choose the best at this line, for all."),
    _texts("--only", metavar="TEXT", words="Keep 'lr 0.1 0.01', 'optimizer! sgd', 'epoch 2:6'."),
    _texts("--order", metavar="TEXT", words="The order of values: 'optimizer sgd adam'."),
    _option("--smooth", metavar="HOW", help="ema:WEIGHT or rolling:POINTS; raw stays, faint."),
    _option("--best-so-far", is_flag=True, help="Draw the best value up to each point."),
    _texts("--label", "labels", metavar="VALUE", words="Name it in the legend of runs."),
)

_LOOKS = (
    _choice("--xscale", SCALES, "equal: the values there are, at equal distances."),
    _choice("--yscale", SCALES, "As --xscale."),
    _choice("--zscale", SCALES[:3], "The scale of colours."),
    _option("--log-x", is_flag=True, help="A logarithmic x axis."),
    _option("--log-y", is_flag=True, help="A logarithmic y axis."),
    _option("--title", help="A line above the picture."),
    _option("--xlabel", help="The name of the x axis."),
    _option("--ylabel", help="The name of the y axis."),
    _option("--zlabel", help="The name of the colours."),
    _fields("--annotate", "Write it at points: value, runs, a field that is optimized."),
    _texts("--style", metavar="STYLE", words="A matplotlib style, or a file of one."),
    _option("--size", help="column, text, page, slide, or 6x4 (inches), 8x5cm."),
    _number("--font-size", "In points."),
    _number("--marker-size", "In points."),
    _number("--dpi", "Dots per inch of a .png or an animation; default: 150."),
    _number("--seconds-per-frame", "Of an animation; default: 0.5."),
)
