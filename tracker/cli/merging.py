"""Logs of sweeps: merged, taken into a lab, written from one.

What the rules of a merge leave open is asked on a terminal only.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.cells import counted
from tracker.cli.options import Command, examples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracker.cli.app import App
    from tracker.sweeps import ExperimentLog, MergeRules

_FILE = click.Path(path_type=Path)


def _each(name: str, metavar: str, words: str) -> "Callable[[Command], Command]":
    return click.option(name, multiple=True, metavar=metavar, help=f"{words} Repeatable.")


@examples(
    "labkeeper sweep merge split_0.tsv split_1.tsv -o log.tsv",
    "labkeeper sweep merge logs/ -o log.tsv --keep last",
    "labkeeper sweep merge old.tsv new.tsv -o log.tsv --fill weight_decay=0 --rename eta=lr",
)
@click.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("-o", "--output", required=True, type=_FILE, help="The file to write.")
@_each("--fill", "FIELD=VALUE", "What a field was in the logs that do not have it.")
@_each("--rename", "OLD=NEW", "A field that some log calls otherwise.")
@_each("--drop", "FIELD", "A field to leave out.")
@_each("--absent", "FIELD", "A field that rows may lack.")
@click.option("--any", "different", is_flag=True, help="Rows may lack whatever their log lacks.")
@click.option(
    "--keep",
    type=click.Choice(["first", "last", "all"]),
    help="Which of a configuration's rows to keep, where they differ.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def merge(
    files: "Sequence[Path]",
    output: Path,
    fill: "Sequence[str]",
    rename: "Sequence[str]",
    drop: "Sequence[str]",
    absent: "Sequence[str]",
    *,
    different: bool,
    keep: str | None,
    force: bool,
) -> None:
    """Merge the logs in FILES, or in the .tsv files of folders, into one.

    Rows that say the same stand once; a static value that differs becomes a field of the grid.
    What the options leave open is asked on a terminal, and refused elsewhere.
    """
    from tracker.sweeps import MergeRules

    _refuse_taken(output, force=force)
    first, *others = _read(files, output)
    rules = MergeRules(_values(fill, "--fill"), _pairs(rename, "--rename"), drop, absent)
    rules = rules if different else _completed(first, others, rules)
    before = len(first) + sum(map(len, others))
    first.merge(*others, same=not different, rules=rules)
    _settle(first, keep)
    first.to_tsv(output)
    gone = before - len(first)
    left_out = f", leaving out {gone}" if gone else ""
    logs = counted(1 + len(others), "log")
    click.echo(f"Wrote {counted(len(first), 'row')} of {logs} to {output}{left_out}.")


@examples(
    "labkeeper sweep import log.tsv",
    "labkeeper sweep import log.tsv old --experiment digits --target training:train",
)
@click.command("import")
@click.argument("file", type=_FILE)
@click.argument("name", required=False)
@click.option("--experiment", help="Whose runs the trials are; by default, the sweep's own.")
@click.option(
    "-t",
    "--target",
    metavar="MODULE:FUNCTION",
    help="What workers try of it: what is queued, and what `sweep retry` queues.",
)
@click.pass_obj
def import_(
    app: "App", file: Path, name: str | None, experiment: str | None, target: str | None
) -> None:
    """Take the log in FILE into the lab: a sweep called NAME, with a run for each row.

    Logs that malet wrote come in as well. NAME is the file's, unless it is given.
    """
    from tracker.sweeps import ExperimentLog

    log = ExperimentLog.from_tsv(file)
    made = log.to_lab(app.lab, name or file.stem, experiment=experiment, target=target)
    click.echo(f"Created {made.name}: {counted(len(made), 'trial')}.")


def write_log(app: "App", name: str, path: Path, *, numbers: "Sequence[int]", force: bool) -> None:
    """Writes the log of these trials of a sweep into a file."""
    from tracker.sweeps import ExperimentLog

    _refuse_taken(path, force=force)
    log = ExperimentLog.from_sweep(app.lab, name, numbers=numbers)
    log.to_tsv(path)
    click.echo(f"Wrote {counted(len(log), 'trial')} of {name} to {path}.")


def _refuse_taken(path: Path, *, force: bool) -> None:
    from tracker.errors import TakenError

    if path.exists() and not force:
        raise TakenError(f"{path} is there already; --force writes over it.")


def _read(files: "Sequence[Path]", output: Path) -> "list[ExperimentLog]":
    from tracker.sweeps import ExperimentLog
    from tracker.sweeps.log.tsv import tsv_files

    paths: list[Path] = []
    for file in files:
        paths += tsv_files(file, besides=output) if file.is_dir() else [file]
    return [ExperimentLog.from_tsv(path) for path in dict.fromkeys(paths)]


def _completed(
    first: "ExperimentLog", others: "Sequence[ExperimentLog]", rules: "MergeRules"
) -> "MergeRules":
    """The rules with what is still open asked for; refused where nobody can be asked."""
    from dataclasses import replace

    from tracker.errors import InvalidError

    missing = first.missing_fields(*others, rules=rules)
    if missing and not sys.stdin.isatty():
        shown = "; ".join(f"{name!r} is not in {', '.join(who)}" for name, who in missing.items())
        raise InvalidError(
            f"The logs are not of the same experiment: {shown}. Say what holds with --fill,"
            " --rename, --drop or --absent, or merge them all the same with --any."
        )
    fill: dict[str, Any] = dict(rules.fill)
    drop, absent = list(rules.drop), list(rules.absent)
    for name, who in missing.items():
        click.echo(f"{name!r} is not in {', '.join(who)}.", err=True)
        choice = click.prompt(
            "  fill in a value, drop the field, or let rows lack it?",
            type=click.Choice(["fill", "drop", "lack"]),
            err=True,
        )
        if choice == "fill":
            fill |= _values([f"{name}={click.prompt('  value', err=True)}"], "the value")
        else:
            (drop if choice == "drop" else absent).append(name)
    return replace(rules, fill=fill, drop=drop, absent=absent)


def _settle(log: "ExperimentLog", keep: str | None) -> None:
    """Leaves one row a configuration, the one that was said or asked for."""
    from tracker.errors import InvalidError

    if keep == "all" or (keep is None and not (conflicts := log.conflicts())):
        return
    if keep is None:
        many, one = counted(len(conflicts), "configuration"), conflicts[0].to_dict()
        words = f"Rows differ for {many}, such as {one}."
        if not sys.stdin.isatty():
            raise InvalidError(f"{words} Say which to keep with --keep.")
        click.echo(words, err=True)
        choices = click.Choice(["first", "last", "all"])
        keep = click.prompt("  keep which?", type=choices, err=True)
    if keep != "all":
        log.drop_duplicates(keep)


def _values(texts: "Sequence[str]", option: str) -> "dict[str, Any]":
    """Typed as in YAML: `0.1` is a number, `'0.1'` in quotes is text."""
    from tracker.pipelines.yaml_values import parse_scalar

    pairs = _pairs(texts, option)
    return {name: parse_scalar(value, source=f"{option} {name}") for name, value in pairs.items()}


def _pairs(texts: "Sequence[str]", option: str) -> "Mapping[str, str]":
    pairs = [text.partition("=") for text in texts]
    for text, (name, equals, _) in zip(texts, pairs, strict=True):
        if not name or not equals:
            raise click.UsageError(f"{option} is written FIELD=VALUE, not {text!r}.")
    return {name: value for name, _, value in pairs}
