"""The process behind `train --detach`: trains, tells that it has begun, and logs.

Its starter reads one line of JSON from its standard output, and is let go of then; all that
is printed goes to standard error, which is the log.
"""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, Any

from engine.phases.reporting import Reporter
from tracker.cli.app import DONE, REFUSED, refusal, run_guarded, say
from tracker.cli.progress import ProgressLines
from tracker.lab import Lab
from tracker.pipelines.outcome import Outcome


class Announcement(Reporter):
    """Tells the starter, once, that training has begun, or why it has not."""

    def __init__(self, channel: IO[str]) -> None:
        self._channel = channel

    def batch_ended(self, *, path: tuple[int, ...], epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - the contract
        self.tell(begun=True)

    def phase_started(self, phase: Any, *, path: tuple[int, ...], kind: str, resumed: bool) -> None:  # noqa: ARG002 - the contract
        # A fit is a single step, which may take hours.
        if kind == "fit":
            self.tell(begun=True)

    def tell(self, **facts: Any) -> None:
        """Says it, unless something has been said before."""
        if self._channel.closed:
            return
        with suppress(BrokenPipeError), self._channel:
            self._channel.write(json.dumps(facts) + "\n")


def main(request: Mapping[str, Any]) -> int:
    """Trains what is asked; returns the process's exit code."""
    announcement = Announcement(_channel())
    try:
        with Lab.open(request["lab"]) as lab:
            outcomes = lab.train(
                request["names"],
                reporters=lambda name: [announcement, ProgressLines(name)],
                ended=lambda outcome: _tell(outcome, announcement),
                progress=False,
                log=request["log"],
                **request["options"],
            )
    except Exception as error:
        announcement.tell(error=refusal(error) or f"{type(error).__name__}: {error}")
        raise
    return REFUSED if any(outcome.error for outcome in outcomes) else DONE


def _tell(outcome: Outcome, announcement: Announcement) -> None:
    for line in (*outcome.notices, outcome.sentence):
        say(line)
    if outcome.error is None:
        announcement.tell(sentence=outcome.sentence)
    else:
        announcement.tell(error=outcome.sentence)
        traceback.print_exception(outcome.error)


def _channel() -> IO[str]:
    """Where the starter reads; from now on whatever else is printed goes to the log."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return channel


if __name__ == "__main__":
    sys.exit(run_guarded(lambda: main(json.loads(sys.argv[1]))))
