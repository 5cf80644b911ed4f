"""The question before something is taken away, and what a change did, in words."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from tracker.cli.app import REFUSED, say
from tracker.cli.cells import counted, printable
from tracker.cli.describing import bytes_for_people
from tracker.cli.output import write_lines, write_record

if TYPE_CHECKING:
    from tracker.registry.keeping import Change

# So many names are shown before a question; --dry-run shows them all.
SHOWN = 20


def confirm(words: str, *, yes: bool, unasked: bool = False) -> None:
    """Goes on if the user says so, on a terminal or with --yes; no ends it with exit code 1.

    Where there is no terminal to ask on, a script may go on `unasked`, or is refused.
    """
    on_terminal = sys.stdin.isatty()
    if yes or (unasked and not on_terminal):
        return
    if not on_terminal:
        raise click.ClickException(f"{words} There is no terminal to ask on: say --yes.")
    if not click.confirm(f"{words} Go on?", err=True):
        say("Nothing was changed.")
        raise click.exceptions.Exit(REFUSED)


def change_with_question(
    change: "Callable[..., Change]", verb: str, *, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Shows what a change would do, asks, and does exactly that.

    `change` takes `dry_run` and `shown`, as `Lab.delete` and `Lab.purge` do.
    """
    shown = None
    if dry_run or not yes:
        shown = change(dry_run=True)
        if dry_run or _is_nothing(shown):
            tell(shown, verb, dry_run=dry_run, as_json=as_json)
            return
        for line in names_of(shown, SHOWN):
            say(line)
        confirm(f"This would {verb} {what(shown)}.", yes=yes)
    tell(change(shown=shown), verb, dry_run=False, as_json=as_json)


def tell(change: "Change", verb: str, *, dry_run: bool, as_json: bool) -> None:
    """What a change did, or would do, as `Deleted 2 runs (12.3 MB in 4 files)`."""
    if as_json:
        write_record(change._asdict())
        return
    done = f"Would {verb}" if dry_run else f"{verb.capitalize()}d"
    if dry_run:
        write_lines(names_of(change))
    write_lines(["Nothing matches." if _is_nothing(change) else f"{done} {what(change)}."])


def names_of(change: "Change", most: int | None = None) -> Iterator[str]:
    """A sweep, a pipeline or a run a line, and how many more there are."""
    lines = [f"sweep     {printable(name)}" for name in change.sweeps]
    lines += [f"pipeline  {printable(name)}" for name in change.pipelines]
    if change.checkpoints:
        lines += [f"checkpoint  {printable(name)}" for name in change.checkpoints]
    else:
        lines += [f"run       {printable(name)}" for name in change.runs]
    yield from lines[:most]
    if most is not None and len(lines) > most:
        yield f"... and {len(lines) - most} more"


def what(change: "Change") -> str:
    """`1 pipeline and 3 runs (12.3 MB in 4 files)`."""
    parts = [
        counted(len(names), noun)
        for names, noun in (
            (change.sweeps, "sweep"),
            (change.pipelines, "pipeline"),
            (change.runs, "run"),
        )
        if names
    ]
    if change.checkpoints:
        parts = [f"{counted(len(change.checkpoints), 'checkpoint')} of {parts[-1]}"]
    space = change.bytes + change.database_bytes
    inside = f" in {counted(change.files, 'file')}" if change.files else ""
    inside += " and the database" if change.database_bytes else ""
    together = ", ".join([*parts[:-2], " and ".join(parts[-2:])])
    return together + (f" ({bytes_for_people(space)}{inside})" if space else "")


def _is_nothing(change: "Change") -> bool:
    return not change.sweeps and not change.pipelines and not change.runs
