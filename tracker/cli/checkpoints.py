"""`pin`, `unpin`, `prune`, `verify`: what pipelines and runs can go back to."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.app import say
from tracker.cli.cells import counted
from tracker.cli.choosing import choice_options, filter_options
from tracker.cli.completion import complete_names
from tracker.cli.options import examples, form_options, record_option

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form

_NAMES = click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)


@examples("labkeeper pin mlp best", "labkeeper pin mlp 3 7")
@click.command()
@click.argument("name", shell_complete=complete_names)
@click.argument("which", nargs=-1, required=True, metavar="CHECKPOINT...")
@click.pass_obj
def pin(app: "App", name: str, which: tuple[str, ...]) -> None:
    """Pin checkpoints, so that they stay whatever else goes.

    CHECKPOINT is an epoch, a name that `labkeeper checkpoints` shows, `best` or `last`.
    """
    for pinned in app.lab.pin(name, *map(_epoch_or_name, which)):
        click.echo(f"Pinned {pinned}.")


@examples("labkeeper unpin mlp 3", "labkeeper unpin mlp")
@click.command()
@click.argument("name", shell_complete=complete_names)
@click.argument("which", nargs=-1, metavar="[CHECKPOINT]...")
@click.pass_obj
def unpin(app: "App", name: str, which: tuple[str, ...]) -> None:
    """Take the pins off checkpoints, or off all of a pipeline or a run."""
    names = app.lab.unpin(name, *map(_epoch_or_name, which))
    for unpinned in names:
        click.echo(f"Unpinned {unpinned}.")
    if not names:
        click.echo(f"{name!r} has no pinned checkpoint.")


@examples(
    "labkeeper prune mlp --best val_loss",
    "labkeeper prune --pipelines \"status == 'finished'\" --best val_loss --top 3 --every 10",
)
@click.command()
@_NAMES
@choice_options
@record_option
@click.option(
    "--last", type=click.IntRange(min=0), default=1, show_default=True, help="Keep the newest."
)
@click.option("--best", multiple=True, metavar="METRIC", help="Keep the best one. Repeatable.")
@click.option(
    "--top", type=click.IntRange(min=1), default=1, show_default=True, help="Keep so many best."
)
@click.option("--every", type=click.IntRange(min=1), metavar="N", help="Keep every n-th epoch's.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def prune(
    app: "App",
    /,
    names: tuple[str, ...],
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Remove the checkpoints that no rule keeps, and give their space back.

    What one of --last, --best and --every keeps, stays; so do pinned ones, models and the newest
    best weights. The one that training goes on from stays unless --last is 0. A pipeline stands
    for all its runs. Refused while one is running.
    """
    from tracker.cli.asking import change_with_question

    change = partial(app.lab.prune, names, **options)
    change_with_question(change, "prune", yes=yes, dry_run=dry_run, as_json=as_json)


@examples("labkeeper verify", "labkeeper verify mlp")
@click.command()
@_NAMES
@filter_options
@form_options
@click.pass_obj
def verify(app: "App", /, names: tuple[str, ...], *, form: "Form | None", **options: Any) -> None:
    """Compare files with their hashes, and name those that are damaged or missing.

    Of pipelines or runs, or of the whole lab. Ends with exit code 1 if there are any.
    """
    from tracker.cli.describing import bytes_for_people
    from tracker.cli.output import Table, write_table

    found = app.lab.verify(names, **options)
    if found.faults or form is not None:
        columns = ["whose", "path", "problem"]
        write_table(Table(columns, [tuple(fault) for fault in found.faults]), form)
    if found.faults:
        raise click.ClickException(
            f"{counted(len(found.faults), 'file')} of {found.files} damaged or missing."
        )
    say(f"{counted(found.files, 'file')} ({bytes_for_people(found.bytes)}): all whole.")


def _epoch_or_name(text: str) -> str | int:
    return int(text) if text.isdecimal() else text
