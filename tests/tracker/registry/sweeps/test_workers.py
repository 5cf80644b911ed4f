"""What workers are told, and which device each has."""

import pytest

from tests.tracker.registry.sweeps.making import ELSEWHERE
from tracker.database.kinds import RunStatus
from tracker.errors import StateError
from tracker.registry.processes import this_process
from tracker.registry.sweeps.catalog import (
    drain,
    pause,
    stop,
    unpause,
)
from tracker.registry.sweeps.queue import (
    AttemptEnd,
    end_attempt,
    take,
)
from tracker.registry.sweeps.trials import cancel
from tracker.registry.sweeps.workers import (
    Orders,
    begin_worker,
    orders_for,
    workers_of,
)


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
