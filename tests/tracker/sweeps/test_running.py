"""Trials that fail, go on, stop and are shared out, in this process."""

import numpy as np
import pytest
import torch

from tests.tracker.sweeps.looking import curve, square, statuses
from tracker.database.kinds import RunStatus
from tracker.errors import InvalidError, NotFoundError
from tracker.registry.runs import find_run
from tracker.registry.sessions import ask_stop


class TestFailures:
    def test_one_bad_trial_never_stops_the_rest(self, sweep, lab):
        def train(config):
            print("about to divide")
            return {"y": 1 / (config.x - 2)}

        small = sweep(train)
        outcome = small.run()

        assert not outcome.finished
        assert statuses(small) == ["finished", "failed", "finished"]
        bad = small.trials()[1]
        assert (bad.failure, bad.reason) == (
            "ZeroDivisionError",
            "ZeroDivisionError: division by zero",
        )
        log = small.log(1)
        assert log.startswith("about to divide\nTraceback (most recent call last):\n")
        assert log.endswith("ZeroDivisionError: division by zero\n")
        with lab.database.read() as session:
            run = find_run(session, "small/1")
        assert run.status is RunStatus.FAILED
        assert "division by zero" in run.traceback

    def test_is_tried_again_as_often_as_asked_for(self, sweep):
        calls = []

        def train(config):
            calls.append(config.x)
            if config.x == 2:
                raise OSError("the disk hiccups")
            return {}

        small = sweep(train)
        small.run(max_attempts=3)

        assert sorted(calls) == [1, 2, 2, 2, 3]
        assert small.trials()[1].status is RunStatus.FAILED
        assert small.trials()[1].attempts == 3
        assert small.log(1).count("--- attempt") == 2
        assert small.log(1).count("Traceback") == 3

    def test_only_classes_that_were_named_are_tried_again(self, sweep):
        errors = {1: FileNotFoundError("gone"), 2: KeyError("typo"), 3: TimeoutError("slow")}
        calls = []

        def train(config):
            calls.append(config.x)
            raise errors[config.x]

        sweep(train).run(max_attempts=2, retry_on=["FileNotFoundError", "TimeoutError"])

        assert sorted(calls) == [1, 1, 2, 3, 3]

    def test_a_base_class_counts_for_all_of_its_own(self, sweep):
        calls = []

        def train(config):
            calls.append(config.x)
            raise FileNotFoundError if config.x == 1 else ValueError

        sweep(train).run(max_attempts=2, retry_on=["OSError"])

        assert sorted(calls) == [1, 1, 2, 3]

    def test_the_next_attempt_waits_for_its_time_and_others_do_not(self, sweep):
        order = []

        def train(config):
            order.append(config.x)
            if config.x == 1 and order.count(1) == 1:
                raise OSError
            return {}

        small = sweep(train)
        small.run(max_attempts=2, retry_delay=0.3)

        assert order == [1, 2, 3, 1]
        assert statuses(small) == ["finished"] * 3

    def test_retry_queues_failed_trials_again_and_counts_from_the_start(self, sweep):
        broken = {1, 2}

        def train(config):
            if config.x in broken:
                raise OSError
            return {}

        small = sweep(train)
        small.run()
        small.run()
        assert [trial.attempts for trial in small.trials()] == [1, 1, 1], "not unless it is asked"
        assert small.retry([1]) == [1]
        broken.clear()
        small.run()

        assert statuses(small) == ["failed", "finished", "finished"]
        assert small.retry() == [0]
        assert small.run().finished

    def test_a_worker_that_fails_so_often_in_a_row_leaves_the_queue_alone(self, sweep):
        def train(config):
            if config.x != 1:
                raise OSError("no card")
            return {}

        small = sweep(train, {"grid": {"x": list(range(6))}})
        outcome = small.run(max_failures=3)

        assert statuses(small) == ["failed", "finished", "failed", "failed", "failed", "queued"]
        assert [left.gave_up for left in outcome.left] == [True]
        assert outcome.left[0].why == "its last 3 trials failed: OSError: no card"

    def test_sys_exit_fails_a_trial_and_not_the_worker(self, sweep):
        def train(config):
            raise SystemExit(3 if config.x == 1 else 0)

        small = sweep(train)
        small.run()

        assert statuses(small) == ["failed", "finished", "finished"]
        assert small.trials()[0].reason == "sys.exit(3)"


class TestResuming:
    def test_a_rerun_does_nothing(self, sweep):
        calls = []

        def train(config):
            calls.append(config.x)
            return {}

        sweep(train).run()
        sweep(train).run()

        assert calls == [1, 2, 3]

    def test_a_larger_grid_adds_only_what_is_new(self, sweep):
        calls = []

        def train(config):
            calls.append((config.x, config.get("z")))
            return {}

        sweep(train).run()
        larger = sweep(train, {"grid": [{"x": [0, 1, 2, 3, 4]}, {"x": [1], "z": [5]}]})
        assert larger.created[2:6] == (False, 3, 3, 0)
        larger.run()

        assert calls == [(1, None), (2, None), (3, None), (0, None), (4, None), (1, 5)]
        assert len(larger) == 6

    def test_a_trial_goes_on_from_its_checkpoint(self, sweep, lab):
        seen = []

        def train(config, trial):
            state = trial.resumed or {"step": 0, "weights": np.zeros(2), "bias": torch.zeros(3)}
            seen.append((trial.attempt, state["step"], state["weights"].tolist()))
            for step in range(state["step"], 6):
                weights = state["weights"] + step
                trial.log(total=weights.sum(), step=step)
                if step == 3 and trial.attempt == 1:
                    trial.log(total=-1.0, step=4)
                    raise OSError("vanished")
                state = {"step": step + 1, "weights": weights, "bias": state["bias"] + 1}
                trial.checkpoint(state)
            return {"bias": state["bias"].sum()}

        small = sweep(train, {"grid": {"x": [1]}})
        small.run(max_attempts=2)

        assert seen == [(1, 0, [0.0, 0.0]), (2, 3, [3.0, 3.0])]
        assert curve(lab, "small/0", "total") == {0: 0, 1: 2, 2: 6, 3: 12, 4: 20, 5: 30}
        assert small.trials()[0].result == {"total": 30.0, "bias": 18.0}

    def test_one_checkpoint_is_kept_and_an_older_one_is_gone(self, sweep, lab):
        def train(config, trial):
            for step in range(4):
                trial.checkpoint({"step": step})

        sweep(train, {"grid": {"x": [1]}}).run()

        files = [name for name in lab.files.everything() if name.endswith(".ckpt")]
        assert len(files) == 1
        assert [found.check for found in lab.doctor()] == ["sqlite"]

    def test_begun_anew_it_forgets_its_checkpoint(self, sweep):
        seen = []

        def train(config, trial):
            seen.append(trial.resumed)
            trial.checkpoint(config.x)
            if len(seen) < 3:
                raise OSError
            return {}

        small = sweep(train, {"grid": {"x": [4]}})
        small.run()
        small.retry()
        small.run()
        small.retry(fresh=True)
        small.run()

        assert seen == [None, 4, None]

    def test_a_trial_whose_run_was_deleted_begins_anew(self, sweep, lab):
        calls = []

        def train(config, trial):
            calls.append(trial.resumed)
            trial.checkpoint(1)
            if len(calls) == 1:
                raise OSError

        small = sweep(train, {"grid": {"x": [4]}})
        small.run()
        with lab.database.write() as session:
            session.delete(find_run(session, "small/0"))
        small.retry()
        assert small.run().finished

        assert calls == [None, None]


class TestStopping:
    def test_a_run_that_is_asked_to_stop_stops_at_its_next_checkpoint(self, sweep, lab):
        reached = []

        def train(config, trial):
            for step in range(trial.resumed or 0, 4):
                reached.append(step)
                if reached == [0, 1]:
                    with lab.database.write() as session:
                        ask_stop(session, trial.run.id)
                trial.checkpoint(step + 1)

        small = sweep(train, {"grid": {"x": [1]}})
        small.run()

        (stopped,) = small.trials()
        assert (stopped.status, stopped.waiting) == (RunStatus.STOPPED, False)
        assert stopped.reason == "asked to stop"
        assert reached == [0, 1]
        assert small.run().finished
        assert reached == [0, 1, 2, 3]

    def test_one_that_returns_because_it_was_asked_is_stopped(self, sweep, lab):
        def train(config, trial):
            with lab.database.write() as session:
                ask_stop(session, trial.run.id)
            return {} if trial.stop_requested else {"y": 1}

        small = sweep(train, {"grid": {"x": [1]}})
        small.run()

        assert statuses(small) == ["stopped"]

    def test_cancelled_trials_wait_for_nobody(self, sweep):
        small = sweep(square)
        assert small.cancel([0, 2]) == 2
        small.run()

        assert statuses(small) == ["stopped", "finished", "stopped"]
        assert small.trials()[0].reason == "cancelled"
        assert small.run().counts == {RunStatus.FINISHED: 1, RunStatus.STOPPED: 2}
        assert small.retry([2]) == [2]
        small.run()
        assert statuses(small) == ["stopped", "finished", "finished"]
        assert small.resume() == 1
        assert small.run().finished

    @pytest.mark.parametrize("order", ["stop", "drain"])
    def test_a_worker_leaves_when_the_sweep_is_to(self, sweep, order):
        calls = []

        def train(config):
            calls.append(config.x)
            getattr(small, order)()
            return {}

        small = sweep(train)
        small.run()
        assert calls == [1]
        small.run()

        assert calls == [1, 2], "the order is for the workers that there were"

    def test_a_trial_past_its_time_is_asked_to_stop_even_here(self, sweep):
        def train(config, trial):
            while True:
                trial.checkpoint(0)

        small = sweep(train, {"grid": {"x": [1]}})
        small.run(isolated=False, trial_time_limit=0.2)

        (late,) = small.trials()
        assert (late.status, late.failure) == (RunStatus.STOPPED, "timeout")
        assert late.reason == "time limit of 0.2 s for a trial"

    def test_a_worker_hands_in_before_its_time_is_over(self, sweep):
        def train(config, trial):
            while True:
                trial.checkpoint(0)

        small = sweep(train)
        outcome = small.run(time_limit=0.8)

        assert statuses(small) == ["stopped", "queued", "queued"]
        assert small.trials()[0].waiting, "any other worker may take it"
        assert outcome.left[0].why == "its worker's time was over"


class TestShares:
    @pytest.mark.parametrize(
        ("split", "mine"),
        [
            ("1/2", [0, 2, 4]),
            ("2/2", [1, 3, 5]),
            ("a=1", [0, 1, 2]),
            ("a=1,2 b=x", [0, 3]),
            ({"b": ["x", None]}, [0, 2, 3, 5]),
            ("b=null", [2, 5]),
            ("b=0.5", [1, 4]),
            ("a=7", []),
        ],
    )
    def test_a_worker_keeps_to_its_part(self, sweep, split, mine):
        small = sweep(lambda config: {}, {"grid": {"a": [1, 2], "b": ["x", 0.5, None]}})
        small.run(split=split)

        assert [trial.number for trial in small.trials("finished")] == mine
        assert small.run().finished

    def test_a_field_that_nothing_has_is_refused(self, sweep):
        small = sweep(square, {"rate": 1, "grid": {"x": [1, 2]}})
        with pytest.raises(NotFoundError, match=r"no field named 'rat'\. Did you mean 'rate'"):
            small.run(split="rat=1")
        assert small.trials("finished") == []

        small.run(split="rate=1 x=2")
        assert [trial.number for trial in small.trials("finished")] == [1]

    @pytest.mark.parametrize("split", ["0/2", "3/2", "half", "a=", "", "=3", 'a"=3'])
    def test_what_is_no_part_is_refused(self, sweep, split):
        with pytest.raises(InvalidError, match=r"2/5|parts of 2"):
            sweep(square).run(split=split)
