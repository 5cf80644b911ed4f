"""What is recorded of a trial whose worker had to be killed."""

from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Trial
from tracker.database.types import now
from tracker.registry.sessions import end_session, sessions_of
from tracker.registry.sweeps.queue import AttemptEnd, claim_of, end_attempt, running_of
from tracker.registry.sweeps.trials import CANCELLED
from tracker.registry.sweeps.workers import end_worker
from tracker.sweeps.attempt import FAILURES, REASONS, failed_end
from tracker.sweeps.beacon import Why
from tracker.sweeps.terms import Terms


def record_killed(session: Session, worker_id: int, why: Why, terms: Terms) -> None:
    """Ends the worker, the trial that it had, and that one's run, with the reason."""
    end_worker(session, worker_id, "killed")
    for trial in running_of(session, worker_id):
        end = _end_of(trial, why, terms)
        end_attempt(session, claim_of(trial), end)
        if trial.run_id is None:
            continue
        last = sessions_of(session, trial.run_id)[-1]
        if last.ended is None:
            end_session(session, last.id, end.status, exit="SIGKILL", reason=end.reason)


def _end_of(trial: Trial, why: Why, terms: Terms) -> AttemptEnd:
    patience_s = terms.limits.patience_s(at_deadline=why is Why.DEADLINE)
    patience = f"killed, for it did not stop within {patience_s:.4g} s"
    seconds = 0.0 if trial.started is None else (now() - trial.started).total_seconds()
    if why in FAILURES:
        reason = f"{terms.limits.words(FAILURES[why])}; {patience}"
        return failed_end(
            terms,
            RunStatus.FAILED,
            [FAILURES[why]],
            reason,
            seconds,
            failures=trial.failures + 1,
        )
    reason = f"{REASONS[why]}; {patience}"
    if why is Why.CANCELLED:
        return AttemptEnd(RunStatus.STOPPED, seconds, reason=reason, failure=CANCELLED)
    return AttemptEnd(RunStatus.LOST, seconds, waiting=True, reason=reason)
