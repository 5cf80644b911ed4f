"""One attempt at a trial: from the claim to what is recorded of its end."""

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint, Run
from tracker.database.tables import Trial as TrialRow
from tracker.database.types import now
from tracker.errors import InvalidError, StateError
from tracker.recording.endings import Ending, ending_of
from tracker.recording.environment import Environment
from tracker.recording.place import Place
from tracker.recording.restoring import last_good
from tracker.recording.run import RunHandle
from tracker.recording.signals import Terminated
from tracker.recording.starting import resume_run, start_run
from tracker.registry.sessions import forget_log
from tracker.registry.sweeps.queue import AttemptEnd, Claim, attach_run, end_attempt, refuse_old
from tracker.registry.sweeps.trials import CANCELLED
from tracker.sweeps.beacon import Beacon, Why
from tracker.sweeps.config import Config, parameters
from tracker.sweeps.output import TrialLog
from tracker.sweeps.results import logged_values, record_result, result_of
from tracker.sweeps.targets import Target
from tracker.sweeps.terms import STUCK, TIMEOUT, Terms
from tracker.sweeps.trial import Trial, TrialStopped

# Until a trial is tried again that another process still seems to work on.
BUSY_S = 10.0
REASONS = {
    Why.LEAVE: "its worker was told to stop",
    Why.DEADLINE: "its worker's time was over",
    Why.SWEEP_STOPPED: "the sweep was stopped",
    Why.ABANDONED: "whoever started its worker is gone",
    Why.CANCELLED: CANCELLED,
    Why.TRIAL_STOPPED: "asked to stop",
}
FAILURES = {Why.TIMEOUT: TIMEOUT, Why.STUCK: STUCK}


@dataclass(frozen=True)
class Assignment:
    """What a worker works at, and how."""

    place: Place
    sweep_id: int
    name: str
    experiment: str
    metrics: list[str] | None
    target: Target
    terms: Terms


class Tried(NamedTuple):
    """How an attempt ended, for the worker."""

    # None: what it did was refused, for the trial is another worker's by now.
    end: AttemptEnd | None
    # What is to go on beyond the worker: a second Ctrl-C.
    raised: BaseException | None = None
    # What was taken in the transaction that recorded the end.
    taken: Claim | None = None


class Attempt:
    """Runs one claimed trial in this process."""

    def __init__(
        self,
        assignment: Assignment,
        claim: Claim,
        beacon: Beacon,
        *,
        environment: Environment,
        device: str | None,
        divert: bool,
        take: Callable[[Session], Claim | None] | None = None,
    ) -> None:
        self.claim = claim
        self.trial: Trial | None = None
        self._work = assignment
        self._beacon = beacon
        self._environment = environment
        self._device = device
        self._divert = divert
        # Called when a trial has finished: one transaction the less for those who wait.
        self._take = take
        self._taken: Claim | None = None
        self._log = TrialLog(
            assignment.place,
            assignment.sweep_id,
            claim.position,
            title=f"attempt {claim.attempt}, {now():%Y-%m-%d %H:%M:%S} UTC",
        )

    def run(self, began: Callable[[Trial], object]) -> Tried:
        """Runs it to its end, whatever that is; `began` is told the trial before it begins."""
        self._beacon.begin_trial(self.claim.position)
        self._warm_up()
        started = time.monotonic()
        self._log.begin(anew=self.claim.attempt == 1)
        try:
            handle, checkpoint = self._begin()
        except StateError as refused:
            self._beacon.end_trial()
            return Tried(self._give_back(str(refused)))
        trial = self.trial = Trial(
            number=self.claim.position,
            config=Config(self.claim.config),
            attempt=self.claim.attempt,
            device=self._device,
            run=handle,
            sign=self._beacon.sign,
            checkpoint=checkpoint,
        )
        began(trial)
        with self._log.keeping(divert=self._divert):
            returned, error = self._call(trial)
        # What was asked of it by now is what ended it; a moment later it is too late.
        why = self._beacon.why
        self._beacon.end_trial()
        seconds = time.monotonic() - started - trial.imports_s
        return self._end(trial, returned, error, why, seconds)

    def _warm_up(self) -> None:
        # Whatever is wrong, the trial meets it too, and records it.
        with suppress(Exception):
            self._work.target.warm_up(Config(self.claim.config))
        self._beacon.restart_trial()

    def _begin(self) -> tuple[RunHandle, Checkpoint | None]:
        """The trial's run: a new one, or the one it has, from its last good checkpoint."""
        place, claim = self._work.place, self.claim
        run = self._earlier_run()
        if run is None:
            seed = claim.config.get("seed")
            handle = start_run(
                place,
                log=self._log.relative,
                also=lambda session, new: attach_run(session, claim, new.id),
                environment=self._environment,
                experiment=self._work.experiment,
                name=f"{self._work.name}/{claim.position}",
                params=parameters(claim.config),
                seed=seed if type(seed) is int else None,
            )
            return handle, None
        with place.database.read() as session:
            checkpoint, _ = last_good(place, session, run.id)
        handle = resume_run(
            place,
            run,
            resume_from=-1 if checkpoint is None else checkpoint,
            log=self._log.relative,
            also=lambda session: refuse_old(session, claim),
            environment=self._environment,
        )
        return handle, checkpoint

    def _earlier_run(self) -> Run | None:
        if self.claim.run_id is None:
            return None
        with self._work.place.database.read() as session:
            run = session.get(Run, self.claim.run_id)
        return None if run is None or run.deleted is not None else run

    def _call(self, trial: Trial) -> tuple[Any, BaseException | None]:
        try:
            return self._work.target.run(trial), None
        except BaseException as error:  # noqa: BLE001 - recorded, and raised again where it must
            return None, error

    # How it ended

    def _end(
        self, trial: Trial, returned: Any, error: BaseException | None, why: Why, seconds: float
    ) -> Tried:
        result = None
        if error is None and not trial.saw_stop:
            try:
                result = self._result(trial, returned)
            except InvalidError as wrong:
                error = wrong
        if isinstance(error, Exception):
            self._log.add("".join(traceback.format_exception(error)))
        ending, end = self._judged(trial, result, error, why, seconds)
        try:
            trial.run.session.end(ending, lambda session: self._record(session, trial, end))
        except StateError as refused:
            self._log.add(f"{refused}\n")
            return Tried(None, _beyond(error))
        self._log.tidy()
        return Tried(end, _beyond(error), self._taken)

    def _result(self, trial: Trial, returned: Any) -> dict[str, Any]:
        with self._work.place.database.read() as session:
            logged = logged_values(session, trial.run.id)
        return result_of(returned, self._work.metrics, logged)

    def _record(self, session: Session, trial: Trial, end: AttemptEnd) -> None:
        end_attempt(session, self.claim, end)
        if self._log.is_empty:
            forget_log(session, trial.run.id, self._log.relative)
        if end.result is not None:
            record_result(session, trial.run.id, end.result)
        if end.status is RunStatus.FINISHED and self._take is not None:
            self._taken = self._take(session)

    def _judged(
        self,
        trial: Trial,
        result: dict[str, Any] | None,
        error: BaseException | None,
        why: Why,
        seconds: float,
    ) -> tuple[Ending, AttemptEnd]:
        """What the run and the trial are to be recorded as."""
        if result is not None and error is None:
            return ending_of(None), AttemptEnd(RunStatus.FINISHED, seconds, result=result)
        if error is None or isinstance(error, TrialStopped):
            return self._stopped(why, seconds)
        ending = ending_of(error)
        if ending.status is RunStatus.FAILED:
            classes = [one.__name__ for one in type(error).__mro__]
            return ending, self._failed(RunStatus.FAILED, classes, ending.reason, seconds)
        if ending.status is RunStatus.FINISHED:  # sys.exit(0)
            try:
                result = self._result(trial, None)
            except InvalidError as wrong:
                return self._judged(trial, None, wrong, why, seconds)
            return ending, AttemptEnd(RunStatus.FINISHED, seconds, result=result)
        again = isinstance(error, KeyboardInterrupt | Terminated)
        return ending, AttemptEnd(RunStatus.STOPPED, seconds, waiting=again, reason=ending.reason)

    def _stopped(self, why: Why, seconds: float) -> tuple[Ending, AttemptEnd]:
        """Of one that has stopped in order, because it was asked to."""
        if why in FAILURES:
            reason = self._work.terms.limits.words(FAILURES[why])
            end = self._failed(RunStatus.STOPPED, [FAILURES[why]], reason, seconds)
        else:
            # Without a word from us, it was the run that somebody asked to stop.
            why = why or Why.TRIAL_STOPPED
            reason = REASONS[why]
            end = AttemptEnd(
                RunStatus.STOPPED,
                seconds,
                waiting=why.leaves,
                reason=reason,
                failure=CANCELLED if why is Why.CANCELLED else None,
            )
        return Ending(RunStatus.STOPPED, "stopped", reason), end

    def _failed(
        self, status: RunStatus, classes: list[str], reason: str | None, seconds: float
    ) -> AttemptEnd:
        with self._work.place.database.read() as session:
            failures = session.get_one(TrialRow, self.claim.trial_id).failures + 1
        return failed_end(self._work.terms, status, classes, reason, seconds, failures=failures)

    def _give_back(self, reason: str) -> AttemptEnd | None:
        """Leaves the trial to whoever has it, or to whoever comes later."""
        end = AttemptEnd(
            RunStatus.LOST, waiting=True, due=now() + timedelta(seconds=BUSY_S), reason=reason
        )
        try:
            with self._work.place.database.write() as session:
                end_attempt(session, self.claim, end)
        except StateError:
            return None
        return end


def failed_end(
    terms: Terms,
    status: RunStatus,
    classes: list[str],
    reason: str | None,
    seconds: float,
    *,
    failures: int,
) -> AttemptEnd:
    """A failed attempt, with another one to come where the terms say so."""
    again = terms.retrying.again(failures, classes)
    wait = timedelta(seconds=terms.retrying.delay_s)
    return AttemptEnd(
        status,
        seconds,
        waiting=again,
        due=now() + wait if again and wait else None,
        reason=reason,
        failure=classes[0],
    )


def _beyond(error: BaseException | None) -> BaseException | None:
    """What ends more than the trial."""
    if error is None or isinstance(error, Exception | SystemExit | TrialStopped):
        return error if isinstance(error, Terminated) else None
    return error
