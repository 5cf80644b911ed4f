"""What `resume --dry-run` says."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.app import say
from tracker.cli.output import Form, Table, write_table

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.pipelines.remaining import Remaining


def tell_remaining(
    app: "App",
    names: Sequence[str],
    *,
    form: Form | None,
    epochs: int | None,
    patience: int | None,
    device: str | None,
    **_training: Any,
) -> None:
    """Of each pipeline where it would go on, and a table of its phases; nothing if one refuses."""
    found = [
        app.lab.pipeline(name).remaining(epochs, patience=patience, device=device)
        for name in dict.fromkeys(names)
    ]
    for remaining in found:
        for notice in remaining.notices:
            say(notice)
    if form is not None:
        write_table(_one_table(found), form)
        return
    for remaining in found:
        click.echo(remaining.sentence)
        if remaining.entries:
            write_table(_table(remaining))


def _table(remaining: "Remaining") -> Table:
    from tracker.pipelines.remaining import RemainingRow

    return Table(RemainingRow._fields, remaining.rows)


def _one_table(found: "Sequence[Remaining]") -> Table:
    from tracker.pipelines.remaining import RemainingRow

    rows = [(one.pipeline, one.run, one.checkpoint, *row) for one in found for row in one.rows]
    return Table(("pipeline", "run", "checkpoint", *RemainingRow._fields), rows)
