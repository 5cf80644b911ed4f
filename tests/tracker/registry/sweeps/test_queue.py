"""Who may have a trial, and whose word about it counts."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tracker.registry.sweeps.making import ELSEWHERE, finished, make_sweep, row
from tracker.database.kinds import RunStatus
from tracker.database.tables import Trial, Worker
from tracker.database.types import now
from tracker.errors import StateError
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run, get_run
from tracker.registry.sessions import begin_session
from tracker.registry.sweeps.queue import (
    AttemptEnd,
    Prospects,
    Share,
    attach_run,
    end_attempt,
    prospects,
    refuse_old,
    settle_every_worker,
    settle_lost,
    take,
    untake,
)
from tracker.registry.sweeps.workers import (
    LOST,
    beat,
    begin_worker,
    end_worker,
    is_alive,
    orders_for,
)
from tracker.registry.vanished import LEASE


class TestTaking:
    def test_trials_come_in_the_order_of_the_grid_and_each_once(
        self, database, sweep_id, worker_id
    ):
        with database.write() as session:
            claims = [take(session, sweep_id, worker_id) for _ in range(4)]

        assert [claim and (claim.position, claim.config, claim.attempt) for claim in claims] == [
            (0, {"x": 0}, 1),
            (1, {"x": 1}, 1),
            (2, {"x": 2}, 1),
            None,
        ]

    def test_of_one_sweep_only(self, database, sweep_id, worker_id):
        with database.write() as session:
            make_sweep(session, "other", [{"y": 1}])
            for _ in range(3):
                take(session, sweep_id, worker_id)

            assert take(session, sweep_id, worker_id) is None

    def test_by_many_processes_at_once_each_is_taken_once(self, database, at_once):
        with database.write() as session:
            sweep_id = make_sweep(session, configs=[{"x": x} for x in range(200)])

        def take_all(_number):
            taken = []
            with database.write() as session:
                worker_id = begin_worker(session, sweep_id, this_process()).id
            while True:
                with database.write() as session:
                    claim = take(session, sweep_id, worker_id)
                if claim is None:
                    return " ".join(taken)
                taken.append(str(claim.position))

        ended = at_once(take_all, 8)

        taken = [int(number) for end in ended for number in end.text.split()]
        assert sorted(taken) == list(range(200))

    def test_one_that_is_not_due_is_passed_over(self, database, sweep_id, worker_id):
        later = now() + timedelta(hours=1)
        with database.write() as session:
            claim = take(session, sweep_id, worker_id)
            end_attempt(session, claim, AttemptEnd(RunStatus.FAILED, waiting=True, due=later))

            assert take(session, sweep_id, worker_id).position == 1
            assert prospects(session, sweep_id) == Prospects(waiting=2, running=1)
            session.get_one(Trial, claim.trial_id).due = now()
            assert take(session, sweep_id, worker_id)[1:4] == (0, {"x": 0}, 2)

    @given(
        values=st.lists(
            st.fixed_dictionaries(
                {"a": st.sampled_from([1, 1.5, "b", None, True, [1, 2]])},
                optional={'o.p "q"'.replace('"', ""): st.integers(0, 2)},
            ),
            max_size=8,
        ),
        of=st.integers(1, 3),
        part=st.integers(0, 2),
        wanted=st.lists(st.sampled_from([1, 1.5, "b", None, 7]), min_size=1, unique=True),
    )
    @settings(max_examples=40, deadline=None)
    def test_a_share_agrees_with_plain_python(self, scratch, values, of, part, wanted):
        share = Share(part % of, of, {"a": wanted})
        with scratch.write() as session:
            configs = [{**value, "n": place} for place, value in enumerate(values)]
            sweep_id = make_sweep(session, configs=configs)
            worker_id = begin_worker(session, sweep_id, this_process()).id
            found = []
            while claim := take(session, sweep_id, worker_id, share):
                found.append(claim.position)
            session.rollback()

        # JSON's true is SQLite's 1, as it is Python's.
        assert found == [
            place
            for place, value in enumerate(values)
            if place % of == part % of and not isinstance(value["a"], list) and value["a"] in wanted
        ]


class TestFencing:
    def test_a_late_word_of_a_worker_that_was_taken_over_is_refused(
        self, database, sweep_id, worker_id
    ):
        with database.write() as session:
            old = take(session, sweep_id, worker_id)
            end_attempt(session, old, AttemptEnd(RunStatus.LOST, waiting=True, lost=True))
            new = take(session, sweep_id, worker_id)
            assert (new.trial_id, new.attempt) == (old.trial_id, 2)
            run = create_run(session, name="r", experiment="e")

        for late in (
            lambda session: end_attempt(session, old, finished({"y": "late"})),
            lambda session: attach_run(session, old, run.id),
            lambda session: refuse_old(session, old),
        ):
            with (
                pytest.raises(StateError, match="Trial 0 is another worker's by now"),
                database.write() as session,
            ):
                late(session)
        with database.write() as session:
            end_attempt(session, new, finished({"y": 1}))
            assert row(session, new).result == {"y": 1}
        with pytest.raises(StateError), database.write() as session:
            end_attempt(session, new, finished({"y": 2}))

    def test_what_was_not_begun_is_given_back_as_if_it_had_not_been_taken(
        self, database, sweep_id, worker_id
    ):
        with database.write() as session:
            first = take(session, sweep_id, worker_id)
            untake(session, first)
            again = take(session, sweep_id, worker_id)
            assert (again.position, again.attempt) == (0, 1)
            run = create_run(session, name="r", experiment="e")
            attach_run(session, again, run.id)
            untake(session, again)
            found = row(session, again)
            assert (found.status, found.waiting, found.worker_id) == (RunStatus.STOPPED, True, None)
            # Not what another one has by now.
            other = begin_worker(session, sweep_id, this_process()).id
            take(session, sweep_id, other)
            theirs = take(session, sweep_id, other)
            end_attempt(session, theirs, AttemptEnd(RunStatus.LOST, waiting=True, lost=True))
            untake(session, theirs)
            assert row(session, theirs).attempts == 1
            take(session, sweep_id, other)
            untake(session, theirs)
            assert row(session, theirs).status is RunStatus.RUNNING

    def test_one_that_was_taken_for_dead_and_not_taken_over_is_believed(
        self, database, sweep_id, worker_id
    ):
        with database.write() as session:
            claim = take(session, sweep_id, worker_id)
            end_attempt(session, claim, AttemptEnd(RunStatus.LOST, waiting=True, lost=True))
            end_attempt(session, claim, finished({"y": 1}))

            found = row(session, claim)
            assert (found.status, found.waiting, found.worker_id) == (
                RunStatus.FINISHED,
                False,
                None,
            )


class TestSettling:
    def take_elsewhere(self, session, sweep_id, silent_for):
        worker = begin_worker(session, sweep_id, ELSEWHERE)
        worker.heartbeat = now() - silent_for
        session.flush()
        return take(session, sweep_id, worker.id), worker

    def test_a_silent_worker_elsewhere_loses_its_trial_when_its_lease_is_over(
        self, database, sweep_id
    ):
        with database.write() as session:
            fresh, _ = self.take_elsewhere(session, sweep_id, LEASE - timedelta(seconds=5))
            silent, worker = self.take_elsewhere(session, sweep_id, LEASE + timedelta(seconds=5))

            assert settle_lost(session, sweep_id) == 1
            assert row(session, fresh).status is RunStatus.RUNNING
            lost = row(session, silent)
            assert (lost.status, lost.waiting, lost.losses) == (RunStatus.LOST, True, 1)
            assert lost.reason.startswith("no sign of life from process 4711 on another-host")
            assert worker.exit == LOST

    def test_its_run_is_lost_with_it(self, database, sweep_id):
        with database.write() as session:
            claim, worker = self.take_elsewhere(session, sweep_id, 2 * LEASE)
            run = create_run(session, name="r", experiment="e")
            attach_run(session, claim, run.id)
            begun = begin_session(session, run.id, ELSEWHERE)
            session.execute(
                Trial.__table__.metadata.tables["sessions"]
                .update()
                .values(heartbeat=worker.heartbeat)
            )
            session.expire_all()
            settle_lost(session, sweep_id)

            assert begun.id
            assert get_run(session, run.id).status is RunStatus.LOST

    def test_a_stopped_process_of_this_host_is_alive(self, database, sweep_id, live_process):
        with database.write() as session:
            worker = begin_worker(session, sweep_id, live_process.identity)
            worker.heartbeat = now() - 10 * LEASE
            take(session, sweep_id, worker.id)
            assert settle_lost(session, sweep_id) == 0
            live_process.kill()
            assert settle_lost(session, sweep_id) == 1

    def test_one_that_is_lost_too_often_waits_no_more(self, database, sweep_id):
        with database.write() as session:
            for _ in range(2):
                claim, _ = self.take_elsewhere(session, sweep_id, 2 * LEASE)
                settle_lost(session, sweep_id, most_losses=2)

            found = row(session, claim)
            assert (found.waiting, found.attempts) == (False, 2)
            assert found.reason.endswith("2 times by now")

    def test_what_a_worker_left_behind_is_given_back(self, database, sweep_id, worker_id):
        with database.write() as session:
            claim = take(session, sweep_id, worker_id)
            end_worker(session, worker_id, "it failed")
            assert settle_lost(session, sweep_id) == 1
            assert row(session, claim).reason == "its worker left it behind"

    def test_a_worker_that_was_taken_for_dead_comes_back(self, database, sweep_id):
        with database.write() as session:
            _, worker = self.take_elsewhere(session, sweep_id, 2 * LEASE)
            settle_lost(session, sweep_id)
            assert orders_for(session, worker.id).lost
            beat(session, worker.id)
            session.expire_all()

            assert is_alive(worker)
            assert not orders_for(session, worker.id).lost


def test_where_nobody_works_a_living_workers_trial_waits_again(database, sweep_id, worker_id):
    with database.write() as session:
        take(session, sweep_id, worker_id)
        assert prospects(session, sweep_id) == Prospects(waiting=2, running=1)
        settle_every_worker(session)

        assert prospects(session, sweep_id) == Prospects(waiting=3, running=0)
        assert session.get_one(Worker, worker_id).exit == LOST
