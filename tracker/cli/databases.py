"""`db`: the lab's database as a file."""

from typing import TYPE_CHECKING

import click

from tracker.cli.options import examples, record_option

if TYPE_CHECKING:
    from tracker.cli.app import App


@click.group()
def db() -> None:
    """Look after the database file."""


@examples("labkeeper db check")
@db.command()
@record_option
@click.pass_obj
def check(app: "App", *, as_json: bool) -> None:
    """Say which schema the database has and whether the file is sound, and change nothing.

    Ends with exit code 1 if it is not. What else can be wrong with a lab, `labkeeper doctor`
    looks for.
    """
    from tracker.cli.output import write_pairs, write_record
    from tracker.lab import Lab

    facts = Lab.check_database(app.directory)
    (write_record if as_json else write_pairs)(facts._asdict())
    if facts.integrity != "ok":
        raise click.ClickException(f"{facts.path} is damaged; restore a backup.")


@examples("labkeeper db upgrade")
@db.command()
@click.pass_obj
def upgrade(app: "App") -> None:
    """Bring an older lab's database up to date, all or nothing.

    Every command that opens a lab does so as well. A backup is left beside it.
    """
    from tracker.lab import Lab

    backup = Lab.upgrade_database(app.directory)
    click.echo("It is current." if backup is None else f"Upgraded. The backup: {backup}")
