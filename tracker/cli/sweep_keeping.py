"""`sweep delete`, `restore`, `purge`: into the trash, back, and gone."""

from functools import partial
from typing import TYPE_CHECKING

import click

from tracker.cli.completion import complete_deleted_sweeps, complete_sweeps
from tracker.cli.options import examples, record_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracker.cli.app import App
    from tracker.cli.options import Command

_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


def _names(complete: "Callable[..., list[str]]") -> "Callable[[Command], Command]":
    return click.argument(
        "names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete
    )


@examples("labkeeper sweep delete widths", "labkeeper sweep delete widths --dry-run")
@click.command()
@_names(complete_sweeps)
@_DRY_RUN
@record_option
@_YES
@click.pass_obj
def delete(app: "App", names: tuple[str, ...], *, dry_run: bool, as_json: bool, yes: bool) -> None:
    """Put sweeps into the trash, with the runs of their trials.

    Their names are free at once; `sweep restore` brings them back, `sweep list --deleted` shows
    them, `sweep purge` frees the space. Refused while one has workers.
    """
    from tracker.cli.asking import change_with_question

    change = partial(app.lab.delete_sweeps, names)
    change_with_question(change, "delete", yes=yes, dry_run=dry_run, as_json=as_json)


@examples("labkeeper sweep restore widths", "labkeeper sweep restore widths --as widths-old")
@click.command()
@_names(complete_deleted_sweeps)
@click.option("--as", "as_", metavar="NAME", help="Under this name, if its own is taken by now.")
@_DRY_RUN
@record_option
@click.pass_obj
def restore(
    app: "App", names: tuple[str, ...], *, as_: str | None, dry_run: bool, as_json: bool
) -> None:
    """Take sweeps out of the trash, with the runs that went there with them.

    Of several that had one name, NAME is the last that was deleted.
    """
    from tracker.cli.asking import tell

    change = app.lab.restore_sweeps(names, as_=as_, dry_run=dry_run)
    tell(change, "restore", dry_run=dry_run, as_json=as_json)


@examples("labkeeper sweep purge widths", "labkeeper purge --older-than 30d")
@click.command()
@_names(complete_deleted_sweeps)
@click.option("--pinned", is_flag=True, help="Even what has a pinned checkpoint.")
@_DRY_RUN
@record_option
@_YES
@click.pass_obj
def purge(
    app: "App", names: tuple[str, ...], *, pinned: bool, dry_run: bool, as_json: bool, yes: bool
) -> None:
    """Delete sweeps in the trash for good, with the runs that are there too.

    `labkeeper purge --everything`, or with an age, takes the sweeps in the trash along.
    """
    from tracker.cli.asking import change_with_question

    change = partial(app.lab.purge_sweeps, names, pinned=pinned)
    change_with_question(change, "purge", yes=yes, dry_run=dry_run, as_json=as_json)
