"""Sweeps made, grown, listed, and their trials taken up again."""

import pytest

from tests.tracker.registry.sweeps.making import finished, make_sweep
from tracker.database.kinds import RunStatus
from tracker.database.tables import Trial
from tracker.errors import TakenError
from tracker.registry.sweeps.catalog import (
    Point,
    add_trials,
    counts_of,
    find_sweep,
    list_sweeps,
)
from tracker.registry.sweeps.queue import (
    AttemptEnd,
    end_attempt,
    take,
)
from tracker.registry.sweeps.trials import cancel, list_trials, take_up


class TestSweeps:
    def test_a_name_is_given_once(self, database, sweep_id):
        with pytest.raises(TakenError, match="a sweep named 's' already"), database.write() as one:
            make_sweep(one)

    def test_they_are_listed_with_how_they_stand(self, database, sweep_id, worker_id):
        with database.write() as session:
            end_attempt(session, take(session, sweep_id, worker_id), finished())
            take(session, sweep_id, worker_id)
            make_sweep(session, "empty", [])

            newest, first = list_sweeps(session)
            assert (newest.name, newest.trials, newest.workers) == ("empty", 0, 0)
            assert (first.name, first.trials, first.workers) == ("s", 3, 1)
            assert first.counts == {
                RunStatus.QUEUED: 1,
                RunStatus.RUNNING: 1,
                RunStatus.FINISHED: 1,
            }
            assert first.counts == counts_of(session, sweep_id)

    def test_points_that_are_there_are_left_as_they_are(self, database, sweep_id, worker_id):
        with database.write() as session:
            end_attempt(session, take(session, sweep_id, worker_id), finished())
            points = [Point({"x": x}, str({"x": x})) for x in (5, 0, 1, 5)]
            assert add_trials(session, sweep_id, points) == 1
            found = list_trials(session, sweep_id)

            assert [(trial.number, trial.config["x"]) for trial in found] == [
                (0, 0),
                (1, 1),
                (2, 2),
                (3, 5),
            ]
            assert found[0].status is RunStatus.FINISHED
            assert find_sweep(session, "s").id == sweep_id


class TestTakingUp:
    def test_only_what_is_meant(self, database, sweep_id, worker_id):
        with database.write() as session:
            for status in (RunStatus.FAILED, RunStatus.STOPPED):
                claim = take(session, sweep_id, worker_id)
                end_attempt(session, claim, AttemptEnd(status, failure="E", lost=True))
            cancel(session, sweep_id)

            assert [trial.failure for trial in list_trials(session, sweep_id)] == [
                "E",
                "E",
                "cancelled",
            ]
            assert take_up(session, sweep_id, [RunStatus.STOPPED], [0]) == []
            assert take_up(session, sweep_id, [RunStatus.STOPPED]) == [1]
            assert take_up(session, sweep_id, [RunStatus.STOPPED]) == [], "it waits already"
            assert take_up(session, sweep_id, [RunStatus.STOPPED], cancelled=True) == [2]
            session.expire_all()
            again = session.get_one(Trial, list_trials(session, sweep_id)[1].number + 1)
            assert (again.failures, again.losses, again.waiting) == (0, 0, True)
