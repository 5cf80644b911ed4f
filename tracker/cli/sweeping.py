"""`sweep`: grids of configurations, tried by workers; what they are told, what came out."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.completion import complete_sweeps
from tracker.cli.merging import import_, merge, write_log
from tracker.cli.options import examples, form_options, record_option, watch_options
from tracker.cli.sweep_keeping import delete, purge, restore
from tracker.cli.sweep_work import resume, run

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form
    from tracker.sweeps import Sweep

POLL_S = 0.1
_STATUSES = ("queued", "running", "finished", "stopped", "failed", "lost")
_TRIAL = re.compile(r"(?P<sweep>.+)/(?P<number>\d+)")

sweep_argument = click.argument("name", shell_complete=complete_sweeps)


class _Ordered(click.Group):
    """Lists its commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's
        return list(self.commands)


@click.group(cls=_Ordered)
def sweep() -> None:
    """Try every configuration of a grid, with any number of workers.

    A trial is one point of the grid, and a run of the lab: `labkeeper show NAME/3` shows the
    fourth one's. Workers may be started in any number of shells, and may leave at any time.
    """


@examples(
    "labkeeper sweep create widths -c widths.yaml --target training:train --metric accuracy",
    "labkeeper sweep create rates -c pipeline-with-a-grid.yaml",
)
@sweep.command()
@click.argument("name", required=False)
@click.option(
    "-c", "--config", required=True, type=click.Path(path_type=Path), help="YAML, TOML or JSON."
)
@click.option(
    "-t",
    "--target",
    metavar="MODULE:FUNCTION",
    help="What is tried: f(config) or f(config, trial). Without it, the configuration's recipe.",
)
@click.option(
    "-m",
    "--metric",
    "metrics",
    multiple=True,
    help="A metric that each trial has to bring; without any, all it brings count. Repeatable.",
)
@click.option("--experiment", help="Whose runs the trials are; by default, the sweep's own.")
@click.option(
    "--fork",
    is_flag=True,
    help="Take the next free name if this one's sweep is another.",
)
@click.pass_obj
def create(
    app: "App", /, name: str | None, config: Path, metrics: tuple[str, ...], **options: Any
) -> None:
    """Register a sweep over the grid in a file, or add what is new in its grid.

    NAME is the file's, unless it is given. Keys beside the grid are the same in all trials;
    another value of one is refused.
    """
    from tracker.cli.cells import counted
    from tracker.sweeps.creating import check_first

    lab = app.lab_or_new(lambda root: check_first(root, config, options["target"]))
    if app.has_made_one:
        click.echo(f"Made a lab in {lab.root}.")
    made = lab.sweep(name or config.stem, config, metrics=metrics or None, **options)
    found = made.created
    if found is None or found.is_new:
        click.echo(f"Created {made.name}: {counted(len(made), 'trial')}.")
    else:
        click.echo(f"{made.name} had {counted(found.known, 'trial')}; {found.added} are new.")
        if found.outside:
            click.echo(f"{counted(found.outside, 'trial')} of an earlier grid stay.")
        if found.has_other_metrics:
            before = ", ".join(found.metrics_before or ()) or "whatever they brought"
            click.echo(f"From now on trials have to bring {', '.join(metrics)}; before: {before}.")
    click.echo(f"Run it: labkeeper sweep run {made.name}")


sweep.add_command(run)
sweep.add_command(resume)


@examples("labkeeper sweep list", "labkeeper sweep list --deleted")
@sweep.command("list")
@click.option("--deleted", is_flag=True, help="What is in the trash.")
@form_options
@click.pass_obj
def list_(app: "App", *, deleted: bool, form: "Form | None") -> None:
    """List the sweeps, the newest first."""
    from tracker.cli.output import Table, write_table

    last = "deleted" if deleted else "created"
    columns = ["name", "trials", *_STATUSES, "workers", "paused", last]
    rows = [
        [
            facts.name,
            facts.trials,
            *(facts.counts.get(status, 0) for status in _statuses()),
            facts.workers,
            facts.paused is not None,
            facts.deleted if deleted else facts.created,
        ]
        for facts in app.lab.sweeps(deleted=deleted)
    ]
    empty = "No sweep is in the trash." if deleted else "There are no sweeps yet."
    write_table(Table(columns, rows), form, empty=empty)


@examples(
    "labkeeper sweep status widths",
    "labkeeper sweep status widths --json",
    "labkeeper sweep status widths --watch --every 0.5",
)
@sweep.command()
@sweep_argument
@record_option
@watch_options
@click.pass_obj
def status(app: "App", name: str, *, as_json: bool, watch: bool, every: float) -> None:
    """Show how a sweep stands: its trials by status, its workers, what fails."""
    from tracker.cli.output import write_lines, write_record
    from tracker.cli.sweep_status import describe_sweep, sweep_facts

    if watch and as_json:
        raise click.UsageError("--watch draws for people; leave out --json.")
    if watch:
        from tracker.cli.watching import watch_lines

        watch_lines(lambda: describe_sweep(sweep_facts(app.lab.sweep(name))), every=every)
    elif as_json:
        write_record(sweep_facts(app.lab.sweep(name)))
    else:
        write_lines(describe_sweep(sweep_facts(app.lab.sweep(name))))


@examples(
    "labkeeper sweep results widths --sort accuracy --desc --limit 10",
    "labkeeper sweep results widths --csv",
    "labkeeper sweep results widths --tsv widths.tsv",
)
@sweep.command()
@sweep_argument
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(_STATUSES),
    help="Only trials that stand so. Repeatable.",
)
@click.option("--sort", metavar="COLUMN", help="Sort by a field or a metric; missing ones last.")
@click.option("--desc", is_flag=True, help="Largest first.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many rows.")
@click.option(
    "--tsv",
    "log_file",
    type=click.Path(path_type=Path),
    help="Write the log of these trials, curves too, to this file.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@form_options
@click.pass_obj
def results(
    app: "App",
    name: str,
    statuses: tuple[str, ...],
    sort: str | None,
    *,
    desc: bool,
    limit: int | None,
    log_file: Path | None,
    force: bool,
    form: "Form | None",
) -> None:
    """List what the trials brought: the grid's fields, metrics, status, seconds."""
    from tracker.cli.output import Table, write_table
    from tracker.sweeps.tables import results_table, sorted_rows

    if log_file is not None and form is not None:
        raise click.UsageError(f"--tsv writes a file of its own form; leave out --{form}.")
    found = app.lab.sweep(name)
    columns, rows = results_table(found.trials(*statuses), found.fields)
    if sort is not None:
        rows = sorted_rows(columns, rows, sort, descending=desc)
    if log_file is not None:
        numbers = [row[0] for row in rows[:limit]]
        write_log(app, name, log_file, numbers=numbers, force=force)
        return
    hidden = 0 if limit is None else max(0, len(rows) - limit)
    note = f"{hidden} more: --limit" if hidden else None
    write_table(Table(columns, rows[:limit], note), form, empty="No trials match.")


@examples("labkeeper sweep log widths/3")
@sweep.command()
@click.argument("trial", metavar="NAME/NUMBER", shell_complete=complete_sweeps)
@click.pass_obj
def log(app: "App", trial: str) -> None:
    """Print what a trial printed, in all its attempts, and the tracebacks of its failures."""
    found = _TRIAL.fullmatch(trial)
    if found is None:
        raise click.UsageError(f"{trial!r} is no trial; write its sweep and number, as widths/3.")
    text = app.lab.sweep(found["sweep"]).log(int(found["number"]))
    click.echo(text, nl=False)


@examples("labkeeper sweep retry widths", "labkeeper sweep retry widths 3 17 --fresh")
@sweep.command()
@sweep_argument
@click.argument("trials", nargs=-1, type=click.IntRange(min=0))
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(("failed", "lost", "stopped")),
    help="Those that stand so; by default, failed. Repeatable.",
)
@click.option("--fresh", is_flag=True, help="From the beginning, not from their checkpoints.")
@click.pass_obj
def retry(
    app: "App", name: str, trials: tuple[int, ...], statuses: tuple[str, ...], *, fresh: bool
) -> None:
    """Queue failed trials again, all of them or those with these numbers.

    They go on from their last checkpoints when workers next take them.
    """
    found = app.lab.sweep(name)
    moved = found.retry(trials or None, statuses=statuses or ("failed",), fresh=fresh)
    _tell_moved(found, len(moved), "queued again", trials)


@examples("labkeeper sweep cancel widths", "labkeeper sweep cancel widths 3 17")
@sweep.command()
@sweep_argument
@click.argument("trials", nargs=-1, type=click.IntRange(min=0))
@click.pass_obj
def cancel(app: "App", name: str, trials: tuple[int, ...]) -> None:
    """Take trials out of the queue, all or these, and stop those that run.

    `sweep retry` and `sweep resume` bring them back.
    """
    found = app.lab.sweep(name)
    _tell_moved(found, found.cancel(trials or None), "cancelled", trials)


@examples("labkeeper sweep pause widths")
@sweep.command()
@sweep_argument
@click.pass_obj
def pause(app: "App", name: str) -> None:
    """Have workers finish the trials at hand and wait, until `sweep resume`."""
    app.lab.sweep(name).pause()
    click.echo(f"{name} is paused.")


@examples("labkeeper sweep drain widths")
@sweep.command()
@sweep_argument
@click.option("--wait/--no-wait", default=True, help="Until they have left, or not.")
@click.pass_obj
def drain(app: "App", name: str, *, wait: bool) -> None:
    """Have the workers finish the trials at hand and leave."""
    found = app.lab.sweep(name)
    found.drain()
    _tell_left(found, wait=wait)


@examples("labkeeper sweep stop widths")
@sweep.command()
@sweep_argument
@click.option("--wait/--no-wait", default=True, help="Until they have left, or not.")
@click.pass_obj
def stop(app: "App", name: str, *, wait: bool) -> None:
    """Have the workers stop their trials at the next checkpoint, and leave."""
    found = app.lab.sweep(name)
    found.stop()
    _tell_left(found, wait=wait)


sweep.add_command(merge)
sweep.add_command(import_)
for _command in (delete, restore, purge):
    sweep.add_command(_command)


def _tell_moved(found: "Sweep", number: int, done: str, meant: tuple[int, ...]) -> None:
    """How many it were; of none, how those that were meant stand."""
    from tracker.cli.cells import counted
    from tracker.cli.sweep_status import how_they_stand

    why = ""
    if not number:
        trials = [trial for trial in found.trials() if not meant or trial.number in meant]
        why = f" ({how_they_stand(trials)})"
    click.echo(f"{counted(number, 'trial')} of {found.name} {done}{why}.")


def _tell_left(found: "Sweep", *, wait: bool) -> None:
    while wait and found.workers:
        time.sleep(POLL_S)
    click.echo(f"The workers of {found.name} {'have left' if wait else 'are told to leave'}.")


def _statuses() -> list[Any]:
    from tracker.database.kinds import RunStatus

    return [RunStatus(word) for word in _STATUSES]
