"""How trainings ended, for the terminal and for the exit code."""

from typing import TYPE_CHECKING

import click

from tracker.cli.app import DONE, INTERRUPTED, REFUSED, refusal, say, tell_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracker.pipelines.outcome import Outcome


def tell(outcome: "Outcome") -> None:
    """How one training ended: on stdout if it did what was asked, else on stderr.

    What a component raised is one line, because its traceback is on record. A fault that came
    before there was a run to record it on shows its traceback here.
    """
    for notice in outcome.notices:
        say(notice)
    if outcome.error is None:
        click.echo(outcome.sentence)
    elif refusal(outcome.error) is None and outcome.run is None:
        tell_error(outcome.error)
    else:
        say(f"Error: {outcome.sentence}")


def exit_code(outcomes: "Sequence[Outcome]") -> int:
    """130 if Ctrl-C ended them, 1 if one failed, else 0."""
    if any(outcome.interrupted for outcome in outcomes):
        return INTERRUPTED
    return REFUSED if any(outcome.error is not None for outcome in outcomes) else DONE
