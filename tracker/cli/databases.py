"""`db`: the lab's database as a file."""

from pathlib import Path
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
    from tracker.database.faults import driver
    from tracker.database.space import file_facts
    from tracker.database.upgrade import SCHEMA, schema_of

    path = _database_path(app)
    found = schema_of(path)
    state = "current" if found == SCHEMA else "newer" if found > SCHEMA else "old"
    facts = {"path": path, "schema": found, "known": SCHEMA, "state": state}
    facts["sqlite"] = driver().sqlite_version
    facts |= file_facts(path)._asdict()
    (write_record if as_json else write_pairs)(facts)
    if facts["integrity"] != "ok":
        raise click.ClickException(f"{path} is damaged; restore a backup.")


@examples("labkeeper db upgrade")
@db.command()
@click.pass_obj
def upgrade(app: "App") -> None:
    """Bring an older lab's database up to date, all or nothing.

    Every command that opens a lab does so as well. A backup is left beside it.
    """
    from tracker.database.upgrade import upgrade as upgrade_database

    backup = upgrade_database(_database_path(app))
    click.echo("It is current." if backup is None else f"Upgraded. The backup: {backup}")


def _database_path(app: "App") -> Path:
    """Where the database is, without opening the lab, which would upgrade it."""
    from tracker.files.home import find_lab
    from tracker.lab import Lab

    return Lab(find_lab(app.directory)).database.path
