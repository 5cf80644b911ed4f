"""`init`, `doctor`, `backup`, `goal`: the lab itself."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracker.cli.app import say
from tracker.cli.cells import counted
from tracker.cli.completion import complete_metrics
from tracker.cli.options import examples, form_options

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form
    from tracker.registry.backups import Backup

_PLACE = click.Path(path_type=Path)


@examples("labkeeper init my-lab")
@click.command()
@click.argument("directory", type=_PLACE, required=False)
@click.pass_obj
def init(app: "App", directory: Path | None) -> None:
    """Make a lab, here or in DIRECTORY.

    Where there is one already, it stays as it is.
    """
    from tracker.lab import Lab

    with Lab.init(directory or app.directory or ".") as lab:
        click.echo(f"The lab is in {lab.root}.")


@examples("labkeeper doctor", "labkeeper doctor --repair")
@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be put right without a loss.")
@form_options
@click.pass_obj
def doctor(app: "App", *, repair: bool, form: "Form | None") -> None:
    """Check that the lab's database and files agree.

    Every registered file is read and compared with its hash. Ends with exit code 1 if something
    is wrong that was not put right.
    """
    from tracker.cli.checkup import summary_of, table_of
    from tracker.cli.output import write_table

    findings = app.lab.doctor(repair=repair)
    summary = summary_of(findings, repaired=repair)
    if findings or form is not None:
        write_table(table_of(findings, repaired=repair), form)
    if summary.is_well:
        say(summary.words)
    else:
        raise click.ClickException(summary.words)


@examples(
    "labkeeper backup /mnt/backups", "labkeeper backup --restore /mnt/backups/lab-20260131-093000"
)
@click.command()
@click.argument("target", type=_PLACE)
@click.option("--restore", is_flag=True, help="Put the backup in TARGET back where the lab is.")
@click.pass_obj
def backup(app: "App", target: Path, *, restore: bool) -> None:
    """Copy the whole lab while it is in use.

    TARGET becomes a lab itself; in a directory that is there already, one is made that is named
    after the lab and the moment. With --restore, TARGET is put back where the lab is, or into the
    directory that --lab names; what was there is kept beside it. Ends with exit code 1 if a file
    is damaged in what is copied, and so is not in the copy.
    """
    if restore:
        copied = _restore(app, target)
    else:
        copied = app.lab.backup(target)
        click.echo(f"Copied the lab with {counted(copied.files, 'file')} to {copied.path}.")
    if copied.faults:
        raise click.ClickException("Not whole: " + " ".join(copied.faults))


def _restore(app: "App", source: Path) -> "Backup":
    from tracker.errors import NoLabError
    from tracker.files.home import find_lab
    from tracker.lab import Lab

    try:
        root = find_lab(app.directory)
    except NoLabError:
        # It may be gone: then it is made anew.
        root = Path(app.directory or ".")
    restored = Lab.restore_backup(source, root)
    copied = restored.backup
    click.echo(f"Restored the lab with {counted(copied.files, 'file')} to {copied.path}.")
    if restored.before is not None:
        click.echo(f"What was there is in {restored.before}; delete it when you need it no more.")
    return copied


@examples("labkeeper goal", "labkeeper goal dice max", "labkeeper goal dice --remove")
@click.command()
@click.argument("metric", required=False, shell_complete=complete_metrics)
@click.argument("direction", required=False, type=click.Choice(["min", "max"]))
@click.option("--remove", is_flag=True, help="Forget what was said; the name decides again.")
@form_options
@click.pass_obj
def goal(
    app: "App", metric: str | None, direction: str | None, *, remove: bool, form: "Form | None"
) -> None:
    """Say whether a metric is better low (min) or high (max).

    Without arguments, list what is known. Names that end in loss, error, mse, rmse, mae or
    perplexity are known to be better low; in accuracy, acc, f1, auc, r2, precision or recall,
    high.
    """
    from tracker.cli.output import records_table, write_table
    from tracker.registry.details import metric_goals

    if remove and (metric is None or direction is not None):
        raise click.UsageError("Say whose goal is to be removed: labkeeper goal METRIC --remove.")
    if metric is not None:
        if direction is None and not remove:
            raise click.UsageError("Say which is better: labkeeper goal METRIC min, or max.")
        _change_goal(app, metric, direction)
        return
    with app.lab.database.read() as session:
        table = records_table(metric_goals(session), ("metric", "goal", "known_by"))
    write_table(table, form, empty="No metric was logged yet.")


def _change_goal(app: "App", metric: str, direction: str | None) -> None:
    """Says so of a metric that nobody has logged: it may be to come, or a slip."""
    from tracker.registry.details import unlogged

    if direction is None:
        app.lab.forget_goal(metric)
        return
    app.lab.goal(metric, direction)
    with app.lab.database.read() as session:
        words = unlogged(session, metric)
    if words is not None:
        say(words)
