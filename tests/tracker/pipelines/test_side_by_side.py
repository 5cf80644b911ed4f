"""Several pipelines at a time, each in a process of its own."""

import json
import os
import signal
import time

import pytest

from engine.phases.reporting import Reporter
from tests.tracker.pipelines.small_lab import assert_equal_training, run_row, wait_until
from tracker.errors import InvalidError, NotFoundError
from tracker.registry.processes import Life, Process, life_of
from tracker.registry.sessions import sessions_of

SLOW = {"model.args.delay": 0.05, "epochs": 40}


def sessions(lab, name):
    with lab.database.read() as session:
        return sessions_of(session, run_row(lab, name).id)


def is_gone(row):
    process = Process(row.host, row.boot_id, row.pid_namespace, row.pid, row.process_started)
    return life_of(process) is Life.DEAD


def train(lab, *names, **options):
    heard = []
    outcomes = lab.train(
        names, progress=False, ended=lambda one: heard.append(one.pipeline), **options
    )
    assert sorted(heard) == sorted(one.pipeline for one in outcomes)
    return outcomes


class TestEqual:
    @pytest.mark.parametrize("how", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
    def test_the_bits_are_those_of_training_one_by_one(self, lab, create, monkeypatch, how):
        monkeypatch.setattr("tracker.pipelines.side_by_side.can_fork", lambda: how == "fork")
        rates = {"a": 0.1, "b": 0.01, "c": 0.001}
        for name, rate in rates.items():
            create(name, **{"optimizer.args.lr": rate})
            create(f"{name}-alone", **{"optimizer.args.lr": rate})
        train(lab, *(f"{name}-alone" for name in rates), epochs=3)

        outcomes = train(lab, *rates, workers=2, epochs=2)
        again = train(lab, *rates, workers=3, epochs=3)

        assert [one.sentence for one in outcomes] == [f"{name} is finished." for name in rates]
        assert [one.status for one in again] == ["finished"] * 3
        for name in rates:
            assert_equal_training(lab, lab.pipeline(f"{name}-alone"), lab.pipeline(name))
        pids = [row.pid for name in rates for row in sessions(lab, name)]
        assert len({*pids, os.getpid()}) == 7

    def test_so_many_at_a_time_and_no_more(self, lab, create):
        for name in "abc":
            create(name, **{**SLOW, "epochs": 3})
        train(lab, *"abc", workers=2)

        spans = sorted((row.started, row.ended) for name in "abc" for row in sessions(lab, name))
        (_, first), (second_began, second), (third_began, _) = spans
        assert second_began < first
        assert third_began >= min(first, second)

    def test_what_a_thread_pool_computed_before_is_in_nobodys_way(self, lab, create, worker):
        """A fork of a thread that has used OpenMP would wait for threads that are not there."""
        for name in "ab":
            create(name)
        process = worker(
            """
            import json, os, torch
            torch.set_num_threads(2)
            float((torch.ones(600, 600) @ torch.ones(600, 600)).exp().sum())
            outcomes = lab.train(["a", "b"], workers=2, threads=2, progress=False)
            print(json.dumps([one.status for one in outcomes]))
            """
        )
        out, err = process.communicate(timeout=120)

        assert json.loads(out or "null") == ["finished", "finished"], err


class TestFailure:
    def test_one_that_breaks_is_recorded_and_the_others_go_on(self, lab, create):
        create("breaks", **{"model.args.fail_at": 5})
        create("a")
        create("b")
        outcomes = train(lab, "breaks", "a", "b", workers=2)

        assert [one.status for one in outcomes] == ["failed", "finished", "finished"]
        assert outcomes[0].sentence == (
            "breaks failed: ArithmeticError: the model broke. `labkeeper show breaks` says where."
        )
        assert "in forward" in outcomes[0].error.__notes__[0]
        assert run_row(lab, "breaks").status == "failed"
        with pytest.raises(ArithmeticError, match="the model broke"):
            lab.train(["breaks"], workers=2, progress=False)

    def test_an_error_that_cannot_be_sent_is_told_in_words(self, lab, create):
        (lab.root / "odd.py").write_text(
            "class Odd(Exception):\n"
            "    def __init__(self, a, b):\n        super().__init__(a + b)\n"
            "def data():\n    import parts\n    return parts.points()\n"
        )
        pipeline = create("small", dataset="odd:data")
        (lab.root / "odd.py").write_text(
            (lab.root / "odd.py").read_text().replace("import parts", "raise Odd('so', 'odd')")
        )
        (outcome,) = train(lab, "small", workers=2)

        assert outcome.error is not None
        assert "Odd: soodd" in outcome.sentence
        assert pipeline.status in ("failed", None)

    def test_one_that_is_killed_is_lost_and_can_be_gone_on_with(self, lab, create):
        create("killed", **SLOW)
        create("a", **{**SLOW, "epochs": 3})
        outcomes = train(lab, "killed", "a", workers=2, reporters=Killer)

        assert [one.status for one in outcomes] == ["lost", "finished"]
        assert outcomes[0].sentence == (
            "killed: the process that trained it ended with SIGKILL, without a word."
            " `labkeeper resume killed` goes on."
        )
        assert run_row(lab, "killed").status == "lost"
        (again,) = train(lab, "killed", workers=2, epochs=4)
        assert again.status == "finished"
        whole = create("whole", **{**SLOW, "epochs": 40})
        whole.train(4, progress=False)
        assert_equal_training(lab, whole, lab.pipeline("killed"))

    def test_what_is_wrong_is_refused_before_anything_begins(self, lab, create):
        create("a")
        with pytest.raises(NotFoundError, match="Did you mean 'a'"):
            lab.train(["a", "aa"], workers=2)
        with pytest.raises(InvalidError, match="at least 1 worker, not 0"):
            lab.train(["a"], workers=0)
        with pytest.raises(InvalidError, match="threads is for several workers"):
            lab.train(["a"], threads=2)
        (outcome,) = train(lab, "a", workers=2, epochs=0)
        assert isinstance(outcome.error, InvalidError)
        assert lab.pipeline("a").runs == []


def Killer(name):  # noqa: N802 - makes reporters
    return [DieIn(6)] if name == "killed" else []


class DieIn(Reporter):
    def __init__(self, step):
        self.step = step

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


PROGRAM = """
import json
try:
    outcomes = lab.train(["a", "b", "c"], workers=2, progress=False, ended=lambda one: None{more})
    print(json.dumps([[one.pipeline, one.status, one.reason, one.interrupted] for one in outcomes]))
except KeyboardInterrupt:
    print(json.dumps("interrupted"))
"""


class TestStopping:
    @pytest.fixture
    def begun(self, lab, create, worker):
        for name in "abc":
            create(name, **SLOW)

        def start(more=""):
            process = worker(PROGRAM.format(more=more))
            for name in "ab":
                wait_until(lambda name=name: lab.pipeline(name).is_running)
                wait_until(lambda name=name: run_row(lab, name).phase == "train")
            time.sleep(0.3)
            return process

        return start

    @pytest.mark.parametrize(
        "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
    )
    def test_the_first_signal_stops_all_with_a_checkpoint(self, lab, begun, number):
        process = begun()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)

        assert json.loads(out or "null") == [
            ["a", "stopped", "interrupted", True],
            ["b", "stopped", "interrupted", True],
        ], err
        assert lab.pipeline("c").runs == []
        assert lab.pipeline("a").checkpoint("last").batch is not None

    def test_the_second_interrupts_at_once_and_leaves_nobody_behind(self, lab, create, worker):
        for name in "abc":
            create(name, **{**SLOW, "model.args.delay": 600.0})
        process = worker(PROGRAM.format(more=""))
        for name in "ab":
            wait_until(lambda name=name: lab.pipeline(name).is_running)
            wait_until(lambda name=name: run_row(lab, name).phase == "train")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

        assert json.loads(out or "null") == "interrupted", err
        assert [run_row(lab, name).status for name in "ab"] == ["stopped", "stopped"]
        assert all(is_gone(row) for name in "ab" for row in sessions(lab, name))

    def test_the_time_limit_is_for_all_together(self, lab, begun):
        out, err = begun(", time_limit='3s'").communicate(timeout=60)

        found = json.loads(out or "null")
        assert [one[:2] for one in found] == [["a", "stopped"], ["b", "stopped"]], err
        assert all(one[2].startswith("time limit of") for one in found)

    def test_they_stop_when_whoever_started_them_is_gone(self, lab, begun):
        process = begun()
        process.kill()
        process.communicate()

        for name in "ab":
            wait_until(lambda name=name: run_row(lab, name).status == "stopped")
            assert run_row(lab, name).reason == "whoever started its process is gone"

    def test_one_of_them_can_be_stopped_alone(self, lab, begun):
        process = begun()
        lab.pipeline("a").stop()
        wait_until(lambda: lab.pipeline("c").is_running)
        assert run_row(lab, "a").reason == "asked to stop"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)

        assert [one[0] for one in json.loads(out)] == ["a", "b", "c"]
