"""Training several pipelines side by side, each in a process of its own."""

import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tracker.database.kinds import RunStatus
from tracker.errors import StateError, TrackerError
from tracker.pipelines.outcome import Outcome
from tracker.pipelines.pipeline import Pipeline
from tracker.recording.children import Child, can_fork, start_child
from tracker.recording.place import Place, place_at
from tracker.recording.signals import Terminated, asking_first
from tracker.recording.slots import fair_threads, use_threads
from tracker.registry.pipelines import current_run, find_pipeline
from tracker.registry.sessions import sessions_of, settle_dead

if TYPE_CHECKING:
    from engine.phases.reporting import Reporter
    from tracker.database.tables import Run

Reporters = Callable[[str], "Sequence[Reporter]"]

TICK_S = 0.1
# From a second Ctrl-C until what is left is killed.
LAST_S = 5.0


class Asked(NamedTuple):
    """What each process is to do, in a form that reaches it."""

    root: Path
    resume: bool
    threads: int | None
    reporters: Reporters | None
    options: dict[str, Any]


class Trainee(Child):
    """The process that trains one pipeline; at its end it tells the outcome."""

    def __init__(self, process: BaseProcess, messages: Any, name: str) -> None:
        super().__init__(process, messages)
        self.name = name


class SideBySide:
    """At most so many trainings at a time; the next begins when one ends, however it does."""

    def __init__(
        self,
        place: Place,
        names: Sequence[str],
        workers: int,
        *,
        seconds: float | None,
        ended: Callable[[Outcome], object] | None,
        asked: Asked,
    ) -> None:
        self._place = place
        self._names = list(names)
        self._waiting = list(names)
        self._workers = min(workers, len(names))
        self._until = None if seconds is None else time.monotonic() + seconds
        self._ended = ended
        threads = asked.threads or fair_threads(self._workers)
        self._asked = asked._replace(threads=threads)
        self._trainees: list[Trainee] = []
        self._leaving = False

    def run(self) -> list[Outcome]:
        """How each ended that was begun, in the order of their names.

        The first Ctrl-C or SIGTERM has all stop with a checkpoint, the second interrupts.
        """
        outcomes = []
        try:
            with asking_first(self._ask_all):
                self._start()
                while self._trainees:
                    # Who ends says so; who dies lets go of its end.
                    wait([one.messages for one in self._trainees], TICK_S)
                    for outcome in map(self._outcome, self._gone()):
                        if outcome is None:
                            continue
                        outcomes.append(outcome)
                        if self._ended is not None:
                            self._ended(outcome)
                    self._start()
        except (KeyboardInterrupt, Terminated):
            self._interrupt()
            raise
        finally:
            for one in self._trainees:
                one.bury()
        return sorted(outcomes, key=lambda outcome: self._names.index(outcome.pipeline))

    def _start(self) -> None:
        while self._waiting and len(self._trainees) < self._workers and not self._is_over():
            name = self._waiting.pop(0)
            process, messages = start_child(
                multiprocessing.get_context("fork" if can_fork() else "spawn"),
                _train,
                *(self._asked, name, self._time_left(), os.getpid()),
                name=f"labkeeper-train-{name}",
            )
            self._trainees.append(Trainee(process, messages, name))
            if self._leaving:  # asked meanwhile
                self._trainees[-1].signal(signal.SIGTERM)

    def _is_over(self) -> bool:
        return self._leaving or (self._until is not None and time.monotonic() >= self._until)

    def _time_left(self) -> float | None:
        return None if self._until is None else max(self._until - time.monotonic(), 0.001)

    def _ask_all(self, _number: int) -> None:
        self._leaving = True
        for one in self._trainees:
            one.signal(signal.SIGTERM)

    def _gone(self) -> list[Trainee]:
        gone = [one for one in self._trainees if one.has_ended()]
        self._trainees = [one for one in self._trainees if one not in gone]
        return gone

    def _outcome(self, one: Trainee) -> Outcome | None:
        """What it told, or what is on record of one that died; None if it had not begun."""
        if one.told is not None:
            outcome: Outcome = one.told
            return outcome
        run = self._left_behind(one)
        if self._leaving:
            return None if run is None else replace(_how(one.name, run), interrupted=True)
        error = StateError(
            f"{one.name}: the process that trained it ended with {one.ending}, without a word."
            f" `labkeeper {'train' if run is None else 'resume'} {one.name}` goes on."
        )
        if run is None:
            return Outcome(one.name, None, RunStatus.FAILED, error=error)
        return replace(_how(one.name, run), error=error)

    def _left_behind(self, one: Trainee) -> "Run | None":
        """The run that it worked on, recorded as lost if that is what it is."""
        with self._place.database.write() as session:
            run = current_run(session, find_pipeline(session, one.name))
            if run is None or sessions_of(session, run.id)[-1].pid != one.pid:
                return None
            settle_dead(session, run.id)
        return run

    def _interrupt(self) -> None:
        """The second Ctrl-C: has each record what it can, now."""
        for one in self._trainees:
            one.signal(signal.SIGINT)
        deadline = time.monotonic() + LAST_S
        while self._trainees and time.monotonic() < deadline:
            self._gone()
            time.sleep(TICK_S)


def trained(pipeline: Pipeline, *, resume: bool, **options: Any) -> Outcome:
    """How its training ended; what failed is in the outcome."""
    try:
        return pipeline.resume(**options) if resume else pipeline.train(**options)
    except Exception as error:  # noqa: BLE001 - it is in the outcome, and recorded on the run
        return Outcome(pipeline.name, pipeline.run, RunStatus.FAILED, error=error)


def _train(asked: Asked, name: str, time_limit: float | None, parent: int) -> Outcome | None:
    """In the child; None if it was interrupted."""
    use_threads(asked.threads)
    options = asked.options | {"time_limit": time_limit, "parent": parent}
    if asked.reporters is not None:
        options["reporters"] = asked.reporters(name)
    try:
        outcome = trained(Pipeline(place_at(asked.root), name), resume=asked.resume, **options)
    except (KeyboardInterrupt, Terminated):
        return None
    if outcome.error is None:
        return outcome
    return replace(outcome, error=_sendable(outcome.error, name))


def _sendable(error: Exception, name: str) -> Exception:
    """The error, or one that says the same, with the traceback as a note."""
    note = f"In the process that trained {name}:\n{''.join(traceback.format_exception(error))}"
    with suppress(Exception):  # an error's own methods may fail in any way
        # Between two processes of one program; no file ever holds it.
        if str(pickle.loads(pickle.dumps(error))) != str(error):  # noqa: S301
            raise ValueError
        error.add_note(note)
        return error
    kind = StateError if isinstance(error, TrackerError) else RuntimeError
    words = str(error) if kind is StateError else f"{type(error).__name__}: {error}"
    sent = kind(words)
    sent.add_note(note)
    return sent


def _how(name: str, run: "Run") -> Outcome:
    return Outcome(name, run.name, run.status, run.reason)
