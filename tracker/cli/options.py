"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tracker.cli.completion import complete_names
from tracker.cli.output import Form

Command = TypeVar("Command", bound=Callable[..., Any])

_FORMS = {
    Form.CSV: "Write CSV: floats in full, nan, inf, -inf; a missing value is an empty field.",
    Form.JSON: 'Write JSON: floats in full, "NaN", "Infinity", "-Infinity"; missing is null.',
    Form.NDJSON: "Write one JSON object a line.",
}


filter_argument = click.argument("filter", required=False, metavar="[FILTER]")


def examples(*lines: str) -> Callable[[click.Command], click.Command]:
    """Ends the command's help with lines that could be typed."""

    def decorate(command: click.Command) -> click.Command:
        # Click wraps a paragraph unless it begins with this mark.
        command.epilog = "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
        return command

    return decorate


def form_options(command: Command) -> Command:
    """--csv, --json and --ndjson, one at most, as the argument `form`."""
    return one_of("form", _FORMS)(command)


def one_of(argument: str, flags: dict[Any, str]) -> Callable[[Command], Command]:
    """Flags of which one is given at most: the argument is that one's key, or None."""

    def choose(context: click.Context, option: click.Parameter, given: bool) -> None:  # noqa: FBT001 - click calls it
        before = context.params.setdefault(argument, None)
        if given and before is not None:
            raise click.UsageError(
                f"There is one {argument} at a time: --{before}, or {option.opts[0]}."
            )
        if given:
            context.params[argument] = next(key for key in flags if f"--{key}" in option.opts)

    def decorate(command: Command) -> Command:
        for key, words in reversed(flags.items()):
            command = click.option(
                f"--{key}", is_flag=True, expose_value=False, callback=choose, help=words
            )(command)
        return command

    return decorate


def record_option(command: Command) -> Command:
    """--json alone, for what is no list, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=_FORMS[Form.JSON])(command)


def where_option(words: str, *also: str) -> Callable[[Command], Command]:
    """--where FILTER, for commands that look and whose arguments are names, keys or metrics."""
    return click.option("--where", *also, "filter_", metavar="FILTER", help=words)


def chosen_options(command: Command) -> Command:
    """--pipelines and --run, beside a filter, as the arguments `pipelines` and `names`."""
    command = click.option(
        "--run",
        "names",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_names,
        help="This pipeline or run. Repeatable.",
    )(command)
    return click.option(
        "--pipelines", is_flag=True, help="FILTER is about pipelines: their current runs."
    )(command)


def watch_options(command: Command) -> Command:
    """--watch and --every, as the arguments `watch` and `every`."""
    command = click.option(
        "--every",
        type=click.FloatRange(min=0.1),
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="How often --watch draws.",
    )(command)
    return click.option("--watch", is_flag=True, help="Draw it again and again, until Ctrl-C.")(
        command
    )


def split_columns(text: str) -> list[str]:
    """The expressions of `--columns`: at commas, but not inside brackets or quotes."""
    pieces, depth, quote = [""], 0, ""
    for mark in text:
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        elif mark in "([":
            depth += 1
        elif mark in ")]":
            depth -= 1
        if mark == "," and not depth and not quote:
            pieces.append("")
        else:
            pieces[-1] += mark
    return [piece.strip() for piece in pieces if piece.strip()]
