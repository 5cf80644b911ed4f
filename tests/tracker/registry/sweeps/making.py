"""A sweep in the registry, and ways to look at it."""

from tracker.database.kinds import RunStatus
from tracker.database.tables import Trial
from tracker.registry.processes import Process
from tracker.registry.sweeps.catalog import (
    Point,
    add_trials,
    create_sweep,
)
from tracker.registry.sweeps.queue import (
    AttemptEnd,
)

ELSEWHERE = Process("another-host", "another-boot", "pid:[1]", 4711, 12.5)


def make_sweep(session, name="s", configs=({"x": 0}, {"x": 1}, {"x": 2})):
    sweep = create_sweep(
        session, name=name, experiment="e", target="t", grid={"static": {}}, grid_hash="g"
    )
    add_trials(session, sweep.id, [Point(config, str(config)) for config in configs])
    return sweep.id


def finished(result=None):
    return AttemptEnd(RunStatus.FINISHED, 0.5, result=result or {})


def row(session, claim):
    session.expire_all()
    return session.get_one(Trial, claim.trial_id)
