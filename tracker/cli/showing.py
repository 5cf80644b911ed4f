"""`show`, `checkpoints`: everything about one pipeline or run."""

from typing import TYPE_CHECKING

import click

from tracker.cli.completion import complete_names
from tracker.cli.options import examples, form_options, record_option

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form


@examples("labkeeper show mlp")
@click.command()
@click.argument("name", shell_complete=complete_names)
@record_option
@click.pass_obj
def show(app: "App", name: str, *, as_json: bool) -> None:
    """Show everything about a pipeline or a run.

    Its configuration, sessions, phases, best and last metrics, checkpoints, artifacts, data
    and environment. NAME is a pipeline, else a run's name, `experiment/name`, or the beginning
    of its uuid.
    """
    from tracker.cli.describing import describe_pipeline, describe_run
    from tracker.cli.output import write_paged, write_record
    from tracker.registry.details import describe

    with app.lab.database.read() as session:
        found = describe(session, name)
    if as_json:
        write_record(found)
    elif found["pipeline"]:
        write_paged("\n".join(describe_pipeline(found["pipeline"], found["run"])))
    else:
        write_paged("\n".join(describe_run(found["run"])))


@examples("labkeeper checkpoints mlp --json")
@click.command()
@click.argument("name", shell_complete=complete_names)
@form_options
@click.pass_obj
def checkpoints(app: "App", name: str, *, form: "Form | None") -> None:
    """List what a pipeline or a run can go back to, newest first."""
    from tracker.cli.output import records_table, write_table
    from tracker.registry.details import CHECKPOINT_COLUMNS, checkpoint_details, runs_named

    with app.lab.database.read() as session:
        (run,) = runs_named(session, [name])
        rows = checkpoint_details(session, run.id)
    write_table(records_table(rows, CHECKPOINT_COLUMNS), form, empty=f"{name!r} has no checkpoint.")
