"""`create`, `train`, `stop`, `resume`: pipelines at work."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracker.cli.completion import complete_metrics, complete_names, complete_pipelines
from tracker.cli.options import examples, form_options

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("names", nargs=-1, required=True, shell_complete=complete_pipelines),
    click.option("--epochs", type=click.IntRange(min=1), help="Train to so many epochs in all."),
    click.option(
        "--patience",
        type=click.IntRange(min=0),
        help="Stop early after so many epochs without a better value.",
    ),
    click.option("--device", metavar="DEVICE", help="auto, cpu or cuda."),
    click.option(
        "--time-limit",
        metavar="TIME",
        help="Stop with a checkpoint before this is over: 90s, 10m, 1h30m. For all together.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        metavar="N",
        help="Train so many at a time, each in a process of its own.",
    ),
    click.option("--threads", type=click.IntRange(min=1), help="For each of several workers."),
    click.option(
        "-m",
        "--metric",
        "metrics",
        multiple=True,
        shell_complete=complete_metrics,
        help="Show this metric while training; without it, all. Repeatable.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
    click.option("--detach", is_flag=True, help="Train in the background; return when it runs."),
)


def _training_options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@examples(
    "labkeeper create mlp -c mlp.yaml",
    "labkeeper create mlp-fast --from mlp -s optimizer.args.lr=0.01",
)
@click.command()
@click.argument("name")
@click.option("-c", "--config", type=click.Path(path_type=Path), help="YAML, TOML or JSON.")
@click.option(
    "-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set this. Repeatable."
)
@click.option(
    "--from",
    "from_",
    metavar="PIPELINE",
    shell_complete=complete_pipelines,
    help="Derive it from this pipeline's configuration.",
)
@click.option("--force", is_flag=True, help="Although another has the same configuration.")
@click.option("--tag", "tags", multiple=True, help="Put this tag on it. Repeatable.")
@click.option("--note", help="A line to remember it by.")
@click.pass_obj
def create(
    app: "App",
    /,
    name: str,
    config: Path | None,
    overrides: tuple[str, ...],
    from_: str | None,
    **options: Any,
) -> None:
    """Register a pipeline: a configuration that never changes and can be trained.

    Its components are imported and their arguments checked. The same configuration twice is
    refused. Where there is no lab, one is made here.
    """
    from tracker.pipelines.creating import check_first_pipeline

    def check(root: Path) -> None:
        check_first_pipeline(root, name, config, overrides=overrides, from_=from_)

    lab = app.lab_or_new(check)
    lab.create(name, config, overrides=overrides, from_=from_, **options)
    if app.has_made_one:
        click.echo(f"Made a lab in {lab.root}.")
    click.echo(f"Created {name}. Train it: labkeeper train {name}")


@examples(
    "labkeeper train mlp cnn --epochs 20 --patience 5",
    "labkeeper train mlp cnn vit --workers 2",
    "labkeeper train mlp --detach",
)
@click.command()
@_training_options
@click.option("--fresh", is_flag=True, help="Start another run instead of going on.")
@click.pass_obj
def train(app: "App", /, names: tuple[str, ...], **options: Any) -> None:
    """Train pipelines to a total of epochs, each from where it stands.

    One after the other, or so many at a time. The first Ctrl-C stops after the batch at hand, with
    a checkpoint to go on from; the second stops at once. One that fails does not keep the next from
    being trained.
    """
    from tracker.registry.pipelines import find_pipeline

    # Before torch is imported, which takes its time.
    with app.lab.database.read() as session:
        for name in names:
            find_pipeline(session, name)
    _train(app, names, **options)


@examples("labkeeper resume mlp", "labkeeper resume mlp --dry-run")
@click.command()
@_training_options
@click.option("--dry-run", is_flag=True, help="Only say what would be done; change nothing.")
@form_options
@click.pass_obj
def resume(
    app: "App", /, names: tuple[str, ...], *, dry_run: bool, form: "Form | None", **options: Any
) -> None:
    """Go on with stopped, failed or lost pipelines from their last good checkpoint.

    With --dry-run: the checkpoint, and of each phase whether it has finished, goes on, or is
    still to run. Epochs and batches are counted from 0.
    """
    from tracker.registry.details import runs_named

    if form is not None and not dry_run:
        raise click.UsageError(f"--{form} is a form of what --dry-run says; add --dry-run.")
    with app.lab.database.read() as session:
        runs_named(session, names)
    if dry_run:
        from tracker.cli.remaining import tell_remaining

        tell_remaining(app, names, form=form, **options)
        return
    _train(app, names, resume=True, **options)


@examples("labkeeper stop mlp")
@click.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_names)
@click.option("--wait/--no-wait", default=True, help="Until they have stopped, or not.")
@click.pass_obj
def stop(app: "App", /, names: tuple[str, ...], *, wait: bool) -> None:
    """Ask pipelines or runs to stop after the batch at hand, with a checkpoint."""
    from tracker.cli.stopping import ask_all, wait_for

    asked = ask_all(app.lab.database, names)
    for name, run_id in asked.items():
        status = wait_for(app.lab.database, run_id) if wait else "asked to stop"
        click.echo(f"{name} is {status}.")


def _train(
    app: "App",
    names: tuple[str, ...],
    *,
    metrics: tuple[str, ...],
    quiet: bool,
    detach: bool,
    **options: Any,
) -> None:
    from tracker.cli.outcomes import exit_code, tell
    from tracker.cli.progress import Reporting

    if options["threads"] is not None and options["workers"] == 1:
        raise click.UsageError("--threads is for several workers; add --workers.")
    if detach:
        begun = app.lab.train_detached(names, **options)
        click.echo(begun.sentence or f"Training in the background: process {begun.pid}.")
        click.echo(f"The log: {begun.log}")
        return
    outcomes = app.lab.train(
        names,
        reporters=None if quiet else Reporting(metrics, lines=options["workers"] > 1),
        ended=tell,
        progress=False,
        **options,
    )
    click.get_current_context().exit(exit_code(outcomes))
