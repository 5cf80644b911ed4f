"""Who may have a trial, and whose word about it counts."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.database.kinds import RunStatus
from tracker.database.tables import Trial
from tracker.database.types import now
from tracker.errors import StateError, TakenError
from tracker.registry.processes import Process, this_process
from tracker.registry.runs import create_run, get_run
from tracker.registry.sessions import begin_session
from tracker.registry.sweeps.catalog import (
    Point,
    add_trials,
    counts_of,
    create_sweep,
    drain,
    find_sweep,
    list_sweeps,
    pause,
    stop,
    unpause,
)
from tracker.registry.sweeps.queue import (
    AttemptEnd,
    Prospects,
    Share,
    attach_run,
    end_attempt,
    prospects,
    refuse_old,
    settle_lost,
    take,
)
from tracker.registry.sweeps.trials import cancel, list_trials, take_up
from tracker.registry.sweeps.workers import (
    LOST,
    Orders,
    beat,
    begin_worker,
    end_worker,
    is_alive,
    orders_for,
    workers_of,
)
from tracker.registry.vanished import LEASE

ELSEWHERE = Process("another-host", "another-boot", "pid:[1]", 4711, 12.5)


def make_sweep(session, name="s", configs=({"x": 0}, {"x": 1}, {"x": 2})):
    sweep = create_sweep(
        session, name=name, experiment="e", target="t", grid={"static": {}}, grid_hash="g"
    )
    add_trials(session, sweep.id, [Point(config, str(config)) for config in configs])
    return sweep.id


@pytest.fixture
def sweep_id(database):
    with database.write() as session:
        return make_sweep(session)


@pytest.fixture
def worker_id(database, sweep_id):
    with database.write() as session:
        return begin_worker(session, sweep_id, this_process()).id


def finished(result=None):
    return AttemptEnd(RunStatus.FINISHED, 0.5, result=result or {})


def row(session, claim):
    session.expire_all()
    return session.get_one(Trial, claim.trial_id)


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


class TestOrders:
    def test_those_of_the_sweep(self, database, sweep_id, worker_id):
        def orders():
            session.expire_all()
            return orders_for(session, worker_id)

        with database.write() as session:
            assert orders() == Orders()
            pause(session, sweep_id)
            assert orders() == Orders(pause=True)
            unpause(session, sweep_id)
            drain(session, sweep_id)
            assert orders() == Orders(drain=True)
            stop(session, sweep_id)
            assert orders() == Orders(drain=True, stop=True)
            later = begin_worker(session, sweep_id, this_process())
            assert orders_for(session, later.id) == Orders(), "they came later"
            assert orders_for(session, 99).stop, "nobody knows that one"

    def test_those_about_its_trial(self, database, sweep_id, worker_id):
        with database.write() as session:
            claim = take(session, sweep_id, worker_id)
            assert cancel(session, sweep_id, [2]) == 1
            assert orders_for(session, worker_id) == Orders()
            assert cancel(session, sweep_id, [0]) == 1
            assert cancel(session, sweep_id, [0]) == 0
            assert orders_for(session, worker_id) == Orders(cancel_trial=True)
            end_attempt(session, claim, AttemptEnd(RunStatus.STOPPED))
            assert orders_for(session, worker_id) == Orders()


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


class TestDevices:
    def test_each_is_given_out_as_often_as_it_was_named(self, database, sweep_id, live_process):
        me = this_process()
        with database.write() as session:
            devices = ["a", "b", "b"]
            given = [begin_worker(session, sweep_id, me, devices).device for _ in range(3)]
            assert sorted(given) == ["a", "b", "b"]
            with pytest.raises(StateError, match="No device is free"):
                begin_worker(session, sweep_id, me, devices)
            other = begin_worker(session, sweep_id, live_process.identity, [*devices, "b"])
            assert other.device == "b"
            live_process.kill()
            assert begin_worker(session, sweep_id, me, [*devices, "b"]).device == "b"

    def test_what_other_hosts_have_is_no_matter(self, database, sweep_id):
        with database.write() as session:
            begin_worker(session, sweep_id, ELSEWHERE, ["a"])
            assert begin_worker(session, sweep_id, this_process(), ["a"]).device == "a"
            assert len(workers_of(session, sweep_id)) == 2
