"""`archive`, `unarchive`, `delete`, `restore`, `purge`: out of the way, back, and gone."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracker.cli.choosing import choice_options
from tracker.cli.completion import complete_archived, complete_deleted, complete_names
from tracker.cli.options import examples, record_option

if TYPE_CHECKING:
    from tracker.cli.app import App

Command = TypeVar("Command", bound=Callable[..., Any])

_YES = click.option("--yes", is_flag=True, help="Do not ask.")


def _names(complete: Callable[..., list[str]]) -> Callable[[Command], Command]:
    return click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete)


@examples("labkeeper archive mlp cnn", "labkeeper archive --pipelines \"created < '90 days ago'\"")
@click.command()
@_names(complete_names)
@choice_options
@record_option
@click.pass_obj
def archive(
    app: "App", /, names: tuple[str, ...], *, dry_run: bool, as_json: bool, **options: Any
) -> None:
    """Take pipelines or runs out of lists, pictures and completion.

    A pipeline takes its runs along. Their names stay taken, and nothing is lost: `unarchive`
    brings them back, `list --archived` shows them. Refused while one is running.
    """
    from tracker.cli.asking import tell

    change = app.lab.archive(names, dry_run=dry_run, **options)
    tell(change, "archive", dry_run=dry_run, as_json=as_json)


@examples("labkeeper unarchive mlp")
@click.command()
@_names(complete_archived)
@choice_options
@record_option
@click.pass_obj
def unarchive(
    app: "App", /, names: tuple[str, ...], *, dry_run: bool, as_json: bool, **options: Any
) -> None:
    """Bring archived pipelines or runs back.

    The filters describe what is archived.
    """
    from tracker.cli.asking import tell

    change = app.lab.unarchive(names, dry_run=dry_run, **options)
    tell(change, "unarchive", dry_run=dry_run, as_json=as_json)


@examples(
    "labkeeper delete mlp",
    "labkeeper delete --runs \"status == 'failed' and created < '7 days ago'\" --dry-run",
)
@click.command()
@_names(complete_names)
@choice_options
@record_option
@click.option("--archived", is_flag=True, help="The filters describe what is archived.")
@_YES
@click.pass_obj
def delete(
    app: "App",
    /,
    names: tuple[str, ...],
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Put pipelines or runs into the trash.

    A pipeline takes its runs along. Their names are free at once; `restore` brings them back,
    `list --deleted` and `runs --deleted` show them, `purge` frees the space. Refused while one
    is running.
    """
    from tracker.cli.asking import change_with_question

    change = partial(app.lab.delete, names, **options)
    change_with_question(change, "delete", yes=yes, dry_run=dry_run, as_json=as_json)


@examples("labkeeper restore mlp", "labkeeper restore mlp --as mlp-old")
@click.command()
@_names(complete_deleted)
@choice_options
@record_option
@click.option("--as", "as_", metavar="NAME", help="Under this name, if its own is taken by now.")
@click.option("--force", is_flag=True, help="Even if the same configuration is there again.")
@click.pass_obj
def restore(
    app: "App", /, names: tuple[str, ...], *, dry_run: bool, as_json: bool, **options: Any
) -> None:
    """Take pipelines or runs out of the trash.

    A pipeline comes back with the runs that went with it. Of several that had one name, NAME is
    the last that was deleted.
    """
    from tracker.cli.asking import tell

    change = app.lab.restore(names, dry_run=dry_run, **options)
    tell(change, "restore", dry_run=dry_run, as_json=as_json)


@examples("labkeeper purge --older-than 30d", "labkeeper purge mlp --dry-run")
@click.command()
@_names(complete_deleted)
@choice_options
@record_option
@click.option("--older-than", metavar="AGE", help="Only what was deleted before: 30d, 12 hours.")
@click.option("--everything", is_flag=True, help="Empty the trash.")
@click.option("--pinned", is_flag=True, help="Even what has a pinned checkpoint.")
@_YES
@click.pass_obj
def purge(
    app: "App",
    /,
    names: tuple[str, ...],
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Delete what is in the trash for good, and give its space back.

    Rows, checkpoints, artifacts and logs go; nothing of any other run. Killed at any moment, the
    next purge ends what this one began.
    """
    from tracker.cli.asking import change_with_question

    change = partial(app.lab.purge, names, **options)
    change_with_question(change, "purge", yes=yes, dry_run=dry_run, as_json=as_json)
