"""Limits of time, and orders from elsewhere, kept by those who watch over workers."""

import os
import signal
import time

import pytest

import engine.saving  # noqa: F401 - so that no worker has to wait for it
from tests.tracker.sweeps.looking import grid, statuses, wait_until
from tracker.database.kinds import RunStatus
from tracker.registry.runs import find_run
from tracker.sweeps.attempt import Attempt
from tracker.sweeps.beacon import Beacon, Why
from tracker.sweeps.terms import terms_of
from tracker.sweeps.worker import Worker


class TestLimits:
    def test_a_trial_past_its_time_saves_and_stops(self, sweep):
        def train(config, trial):
            while config.x == 1:
                trial.checkpoint(0)
            return {}

        small = sweep(train, grid(3))
        small.run(trial_time_limit=0.3)

        assert statuses(small) == ["finished", "stopped", "finished"]
        late = small.trials()[1]
        assert (late.failure, late.waiting) == ("timeout", False)

    def test_one_that_does_not_heed_is_killed_and_the_next_begins(self, sweep, lab):
        def train(config):
            if config.x == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
            return {}

        small = sweep(train, grid(2))
        small.run(trial_time_limit=0.3, grace=0.2)

        assert statuses(small) == ["failed", "finished"]
        late = small.trials()[0]
        assert late.failure == "timeout"
        assert late.reason == (
            "time limit of 0.3 s for a trial; killed, for it did not stop within 0.2 s"
        )
        with lab.database.read() as session:
            run = find_run(session, "small/0")
            assert (run.status, run.reason) == (RunStatus.FAILED, late.reason)

    def test_it_may_be_tried_again_from_its_checkpoint(self, sweep):
        def train(config, trial):
            begun = trial.resumed or 0
            trial.checkpoint(begun + 1)
            if begun < 2:
                time.sleep(60)
            return {"begun": begun}

        small = sweep(train, grid(1))
        small.run(trial_time_limit=1.5, grace=0.1, max_attempts=3, retry_on=["timeout"])

        assert [trial.result for trial in small.trials()] == [{"begun": 2}]

    def test_one_without_progress_is_stuck_and_one_with_it_is_not(self, sweep):
        def train(config, trial):
            for step in range(12):
                time.sleep(60 if config.x == 0 else 0.05)
                trial.log(step=step, loss=1.0)
            return {}

        small = sweep(train, grid(2))
        small.run(no_progress=0.4, grace=0.1)

        assert statuses(small) == ["failed", "finished"]
        assert small.trials()[0].failure == "stuck"
        assert small.trials()[0].reason.startswith("no progress for 0.4 s; killed")

    def test_a_worker_is_gone_when_its_time_is_over(self, sweep):
        def train(config, trial):
            time.sleep(60)

        small = sweep(train, grid(2))
        began = time.monotonic()
        outcome = small.run(isolated=True, time_limit=1.0, grace=0.75)

        assert time.monotonic() - began < 20
        assert statuses(small) == ["lost", "queued"]
        # Half of its time at most is for leaving.
        assert small.trials()[0].reason == (
            "its worker's time was over; killed, for it did not stop within 0.5 s"
        )
        assert small.trials()[0].waiting
        assert [left.why for left in outcome.left] == ["it was killed"]


class TestOrders:
    @pytest.fixture
    def endless(self, sweep):
        def train(config, trial):
            while trial.resumed is None:
                trial.checkpoint(config.x)
                time.sleep(0.01)
            return {}

        return sweep(train, grid(3))

    def test_a_stopped_sweep_goes_on_from_where_it_was(self, endless, in_background):
        wait = in_background(lambda: endless.run(workers=2))
        wait_until(lambda: statuses(endless).count("running") == 2)
        endless.stop()

        assert wait().signal == 0
        assert sorted(statuses(endless)) == ["queued", "stopped", "stopped"]
        assert endless.workers == 0

    def test_a_cancelled_trial_is_killed_where_it_does_not_heed(self, sweep, in_background):
        def train(config):
            time.sleep(60 if config.x == 0 else 0)
            return {}

        small = sweep(train, grid(2))
        wait = in_background(lambda: small.run(isolated=True, grace=0.2))
        wait_until(lambda: statuses(small)[0] == "running")
        assert small.cancel([0]) == 1
        wait()

        assert statuses(small) == ["stopped", "finished"]
        assert small.trials()[0].reason == "cancelled; killed, for it did not stop within 0.2 s"

    def test_a_paused_sweep_waits_and_goes_on(self, sweep, in_background):
        def train(config):
            time.sleep(0.05)
            return {}

        small = sweep(train, grid(4))
        small.pause()
        wait = in_background(lambda: small.run(isolated=True))
        wait_until(lambda: small.workers == 1)
        time.sleep(0.3)
        assert statuses(small) == ["queued"] * 4
        small.resume()
        wait()

        assert statuses(small) == ["finished"] * 4

    def test_a_drained_one_finishes_what_it_has(self, sweep, in_background):
        def train(config):
            time.sleep(0.5)
            return {}

        small = sweep(train, grid(4))
        wait = in_background(lambda: small.run(workers=2))
        wait_until(lambda: statuses(small).count("running") == 2)
        small.drain()
        wait()

        assert sorted(statuses(small)) == ["finished", "finished", "queued", "queued"]


class TestBeacon:
    def test_what_is_asked_of_a_trial_says_nothing_to_the_next(self):
        beacon = Beacon()
        assert not beacon.ask(Why.TIMEOUT)
        beacon.begin_trial(0)
        assert beacon.ask(Why.TIMEOUT, kill_in=5)
        assert beacon.why is Why.TIMEOUT
        assert beacon.kill_at > time.monotonic()
        beacon.end_trial()
        assert (beacon.why, beacon.kill_at) == (Why.NOTHING, 0.0)
        beacon.begin_trial(0)
        assert beacon.why is Why.NOTHING
        assert beacon.trials == 2

    def test_leaving_counts_more_than_a_trial_and_lasts(self):
        beacon = Beacon()
        beacon.begin_trial(0)
        beacon.ask(Why.STUCK)
        assert beacon.ask(Why.LEAVE)
        assert not beacon.ask(Why.TIMEOUT)
        beacon.end_trial()
        beacon.begin_trial(0)
        assert beacon.why is Why.LEAVE

    def test_a_signal_about_a_trial_that_has_ended_is_no_order_to_leave(self, sweep):
        beacon = Beacon()

        def train(config):
            if config.x == 0:  # as if it were asked for the trial before
                beacon.poke()
                os.kill(os.getpid(), signal.SIGTERM)
            return {}

        small = sweep(train, grid(2))
        job = small._job(terms_of())
        left = Worker(job.assignment(train), beacon=beacon, parent=os.getppid()).work()

        assert statuses(small) == ["finished", "finished"]
        assert not left.interrupted

    def test_patience_becomes_shorter_and_never_longer(self):
        beacon = Beacon()
        beacon.ask(Why.LEAVE)
        assert beacon.kill_at == 0
        beacon.ask(Why.LEAVE, kill_in=100)
        later = beacon.kill_at
        beacon.ask(Why.LEAVE, kill_in=1)
        assert 0 < beacon.kill_at < later
        beacon.ask(Why.LEAVE, kill_in=100)
        assert beacon.kill_at < later


class TestTakingAtOnce:
    """The next trial is taken in the transaction that ends the one before."""

    def test_a_worker_that_is_told_to_leave_gives_it_back(self, sweep, monkeypatch):
        run = Attempt.run

        def then_leave(self, began):
            tried = run(self, began)
            assert tried.taken.position == 1
            self._beacon.ask(Why.LEAVE)
            worker._leaving = Why.LEAVE
            return tried

        monkeypatch.setattr(Attempt, "run", then_leave)
        small = sweep(lambda config: {}, grid(3))
        worker = Worker(small._job(terms_of()).assignment(lambda config: {}))
        worker.work()

        assert statuses(small) == ["finished", "queued", "queued"]
        assert [trial.attempts for trial in small.trials()] == [1, 0, 0]

    @pytest.mark.parametrize("order", ["stop", "drain", "pause"])
    def test_nothing_is_taken_against_an_order(self, sweep, monkeypatch, order):
        taken = []
        run = Attempt.run

        def note(self, began):
            tried = run(self, began)
            taken.append(tried.taken)
            small.resume()
            return tried

        def train(config):
            getattr(small, order)()
            return {}

        monkeypatch.setattr(Attempt, "run", note)
        small = sweep(train, grid(2))
        Worker(small._job(terms_of(wait=False)).assignment(train)).work()

        assert taken[0] is None

    def test_what_fails_may_be_the_workers_fault_so_it_takes_nothing_at_once(
        self, sweep, monkeypatch
    ):
        taken = []
        run = Attempt.run

        def note(self, began):
            tried = run(self, began)
            taken.append(tried.taken and tried.taken.position)
            return tried

        def train(config):
            return {"y": 1 / config.x}

        monkeypatch.setattr(Attempt, "run", note)
        small = sweep(train, grid(4))
        Worker(small._job(terms_of()).assignment(train)).work()

        assert taken == [None, 2, 3, None]
        assert statuses(small) == ["failed", "finished", "finished", "finished"]
