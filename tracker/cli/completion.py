"""Names that the shell completes. Never an error: where nothing is known, nothing is offered."""

from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

Names: TypeAlias = "Callable[[Session, str], list[str]]"


def complete_pipelines(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """The pipelines of the lab that the command line means so far."""
    from tracker.registry.completing import pipeline_names

    return _complete(context, typed, pipeline_names)


def complete_names(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Pipelines, then runs."""
    from tracker.registry.completing import pipeline_names, run_names

    return _complete(context, typed, pipeline_names, run_names)


def complete_archived(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """What is archived."""
    from tracker.registry.completing import archived_names

    return _complete(context, typed, archived_names)


def complete_deleted(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """What is in the trash."""
    from tracker.registry.completing import deleted_names

    return _complete(context, typed, deleted_names)


def complete_sweeps(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Sweeps."""
    from tracker.registry.completing import sweep_names

    return _complete(context, typed, sweep_names)


def complete_deleted_sweeps(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Sweeps in the trash."""
    from tracker.registry.completing import deleted_sweep_names

    return _complete(context, typed, deleted_sweep_names)


def complete_metrics(context: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Metrics that some run has logged."""
    from tracker.registry.completing import metric_names

    return _complete(context, typed, metric_names)


def _complete(context: click.Context, typed: str, *sources: Names) -> list[str]:
    """Reads the lab as it is: pressing a key must not upgrade one."""
    from tracker.files.home import find_lab
    from tracker.lab import Lab

    directory: str | None = context.find_root().params.get("directory")
    try:
        with Lab(find_lab(directory)) as lab, lab.database.read() as session:
            found = [name for source in sources for name in source(session, typed)]
    except Exception:  # noqa: BLE001 - a traceback would garble the line that is being typed
        return []
    return list(dict.fromkeys(found))
