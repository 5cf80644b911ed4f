"""`sweep run` and `sweep resume`: workers, from the command line."""

from typing import TYPE_CHECKING, Any

import click

from tracker.cli.completion import complete_sweeps
from tracker.cli.options import Command, examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracker.cli.app import App
    from tracker.registry.sweeps.trials import TrialFacts
    from tracker.sweeps import Sweep
    from tracker.sweeps.crew import Death
    from tracker.sweeps.sweep import Outcome

# On a line: more would push the rest off it.
MOST_METRICS = 4

_OPTIONS = (
    click.argument("name", shell_complete=complete_sweeps),
    click.option(
        "-w",
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="How many processes work here; others may join from other shells.",
    ),
    click.option(
        "--split",
        metavar="PART",
        help="Only a part: 2/5 is every fifth trial; 'optimizer=sgd,adam seed=1' is by values.",
    ),
    click.option(
        "--devices",
        metavar="LIST",
        help="One for each worker, by commas: cuda:0,cuda:1. Nobody else's are given out.",
    ),
    click.option("--threads", type=click.IntRange(min=1), help="For each worker."),
    click.option(
        "--max-attempts",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Try a trial that fails so often: in all, from its last checkpoint.",
    ),
    click.option(
        "--retry-on",
        multiple=True,
        metavar="CLASS",
        help="Only after failures of this class: an exception's, timeout, stuck. Repeatable.",
    ),
    click.option("--retry-delay", metavar="TIME", help="Wait so long before the next attempt."),
    click.option(
        "--time-limit",
        metavar="TIME",
        help="Leave before this is over, with checkpoints: 90s, 10m, 1h30m.",
    ),
    click.option("--trial-time-limit", metavar="TIME", help="Stop a trial that takes longer."),
    click.option(
        "--no-progress",
        metavar="TIME",
        help="Stop a trial that logs and saves nothing for so long.",
    ),
    click.option(
        "--grace",
        metavar="TIME",
        default="30s",
        show_default=True,
        help="Kill what does not stop within this time.",
    ),
    click.option(
        "--max-failures",
        type=click.IntRange(min=1),
        default=10,
        show_default=True,
        help="A worker leaves when so many of its trials fail in a row.",
    ),
    click.option(
        "--max-losses",
        type=click.IntRange(min=1),
        default=5,
        show_default=True,
        help="Leave a trial alone whose workers have died so often.",
    ),
    click.option(
        "--wait/--no-wait",
        default=True,
        help="Stay while others' trials run, which may be lost or fail; or leave.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Do not tell of each trial."),
)


def _work_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@examples(
    "labkeeper sweep run widths --workers 4 --max-attempts 3",
    "labkeeper sweep run widths --split 1/2 --devices cuda:0,cuda:1 --workers 2",
)
@click.command()
@_work_options
@click.pass_obj
def run(app: "App", /, name: str, **options: Any) -> None:
    """Try what is left of a sweep: what waits, was stopped, or was lost.

    The first Ctrl-C has trials stop at their next checkpoint, the second interrupts them.
    Whoever runs the command again, here or elsewhere, goes on.
    """
    found = app.lab.sweep(name)
    _work(found, **options)


@examples("labkeeper sweep resume widths --workers 2")
@click.command()
@_work_options
@click.pass_obj
def resume(app: "App", /, name: str, **options: Any) -> None:
    """Take up a paused, stopped or cancelled sweep again, and work at it.

    If workers wait for it, they go on, and none is started here.
    """
    found = app.lab.sweep(name)
    found.resume()
    waiting = found.workers
    if waiting:
        from tracker.cli.cells import counted

        click.echo(f"{name} goes on, with {counted(waiting, 'worker')}.")
        return
    _work(found, **options)


def _work(
    found: "Sweep", *, workers: int, devices: str | None, quiet: bool, **options: Any
) -> None:
    from tracker.cli.app import INTERRUPTED, say
    from tracker.recording.slots import split_devices

    if found.facts().paused is not None:
        say(f"{found.name} is paused: workers wait until `labkeeper sweep resume {found.name}`.")
    try:
        outcome = found.run(
            workers,
            isolated=True,
            ended=None if quiet else _teller(found),
            died=_death_teller(found.name),
            devices=split_devices(devices or ""),
            **options,
        )
    except KeyboardInterrupt:
        click.get_current_context().exit(INTERRUPTED)
    _tell(found, outcome)
    click.get_current_context().exit(_exit_code(outcome))


def _teller(found: "Sweep") -> "Callable[[TrialFacts], object]":
    """Says of each trial that ended how it did, and how many are finished."""
    from tracker.cli.app import say
    from tracker.cli.cells import for_people, printable
    from tracker.cli.sweep_status import point_for_people

    fields = found.fields

    def tell(trial: "TrialFacts") -> None:
        counts = found.counts
        done = f"{counts.get(trial.status.FINISHED, 0)} of {sum(counts.values())} finished"
        point = point_for_people(trial.config, fields, "  ")
        metrics = [f"{key} {for_people(value)}" for key, value in (trial.result or {}).items()]
        why = [f"({printable(trial.reason)})"] if trial.reason else []
        words = [f"{found.name}/{trial.number}", str(trial.status), point]
        say("  ".join([*words, *metrics[:MOST_METRICS], *why, f"[{done}]"]))

    return tell


def _death_teller(sweep: str) -> "Callable[[Death], object]":
    """Says which worker died, and what becomes of its trial."""
    from tracker.cli.app import say
    from tracker.cli.cells import printable

    def tell(death: "Death") -> None:
        words = f"A worker, process {death.pid}, died: {death.ending}."
        if death.trial is not None:
            trial = f"{sweep}/{death.trial.number}"
            words += (
                f" {trial} is left alone: {printable(death.trial.reason or '')}."
                if death.trial.status == "lost" and not death.trial.waiting
                else f" {trial} is tried again, from its last checkpoint."
            )
        say(words)

    return tell


def _tell(found: "Sweep", outcome: "Outcome") -> None:
    from tracker.cli.app import say
    from tracker.cli.cells import printable

    for left in outcome.left:
        if left.gave_up:
            say(f"Error: a worker left: {printable(left.why)}. The queue is as it was.")
    counts = ", ".join(f"{count} {status}" for status, count in outcome.counts.items())
    click.echo(f"{found.name}: {counts or 'no trials'}.")
    failed = [*found.trials("failed"), *found.trials("lost")]
    if failed:
        say(f"`labkeeper sweep log {found.name}/{failed[0].number}` says why the first one failed.")


def _exit_code(outcome: "Outcome") -> int:
    """130 if Ctrl-C ended it, 1 if a trial failed, was lost, or a worker gave up, else 0."""
    from tracker.cli.app import DONE, INTERRUPTED, REFUSED

    if any(left.interrupted for left in outcome.left):
        return INTERRUPTED
    gave_up = any(left.gave_up for left in outcome.left)
    bad = {"failed", "lost"} & {str(status) for status in outcome.counts}
    return REFUSED if gave_up or bad else DONE
