"""Workers in processes of their own, and who watches over them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

import engine.saving  # noqa: F401 - so that no worker has to wait for it
from tests.tracker.sweeps.looking import grid, is_gone, statuses, wait_until
from tracker.database.kinds import RunStatus
from tracker.errors import StateError
from tracker.registry.processes import this_process
from tracker.registry.runs import find_run
from tracker.registry.sessions import sessions_of
from tracker.registry.sweeps.queue import AttemptEnd, end_attempt, take
from tracker.registry.sweeps.workers import begin_worker, workers_of
from tracker.sweeps import Sweep, crew
from tracker.sweeps.beacon import Beacon
from tracker.sweeps.terms import terms_of


class TestSharing:
    def test_workers_share_the_trials_and_none_waits_for_the_slowest(self, sweep):
        def train(config):
            time.sleep(1.0 if config.x == 0 else 0.02)
            return {"pid": os.getpid()}

        small = sweep(train, grid(12))
        assert small.run(workers=2).finished

        slow, *others = small.trials()
        assert len({trial.result["pid"] for trial in others}) <= 2
        assert max(trial.ended for trial in others) < slow.ended
        assert os.getpid() not in {trial.result["pid"] for trial in small.trials()}
        assert [trial.attempts for trial in small.trials()] == [1] * 12

    def test_workers_of_other_processes_join_and_leave(self, sweep, in_background):
        def train(config):
            time.sleep(0.05)
            return {"parent": os.getppid()}

        small = sweep(train, grid(20))
        others = [in_background(lambda: small.run(workers=1, isolated=True)) for _ in range(2)]
        small.run(workers=1, isolated=True)

        assert [wait().signal for wait in others] == [0, 0]
        assert statuses(small) == ["finished"] * 20
        assert len({trial.result["parent"] for trial in small.trials()}) > 1
        assert [trial.attempts for trial in small.trials()] == [1] * 20

    def test_what_trials_print_goes_to_their_logs(self, sweep, capfd):
        def train(config):
            print(f"trial {config.x}")
            print("oh", file=sys.stderr)
            subprocess.run(["echo", "from a child"], check=True)
            return {}

        small = sweep(train, grid(2))
        small.run(workers=2)

        assert sorted(small.log(1).splitlines()) == ["from a child", "oh", "trial 1"]
        assert capfd.readouterr() == ("", "")

    def test_one_that_prints_nothing_leaves_no_log(self, sweep, lab):
        small = sweep(lambda config: {}, grid(2))
        small.run(isolated=True)

        assert small.log(0) == ""
        assert list((lab.files.root / "logs").rglob("*.log")) == []
        with lab.database.read() as session:
            (work,) = sessions_of(session, find_run(session, "small/0").id)
        assert work.log is None

    def test_the_listener_hears_of_every_end_once(self, sweep):
        heard = []

        def train(config):
            if config.x == 3:
                raise OSError
            return {}

        sweep(train, grid(8)).run(workers=2, ended=heard.append, max_attempts=2)

        assert sorted(trial.number for trial in heard if trial.status == "finished") == [
            0, 1, 2, 4, 5, 6, 7,
        ]  # fmt: skip
        assert {trial.number for trial in heard if trial.status != "finished"} <= {3}


class TestSlots:
    def test_workers_have_devices_of_their_own(self, sweep, tmp_path):
        used = tmp_path / "used"
        used.mkdir()

        def train(config, trial):
            began = time.monotonic()
            (used / trial.device).touch()
            wait_until(lambda: len(list(used.iterdir())) == 3)
            return {"device": trial.device, "span": [began, time.monotonic()]}

        small = sweep(train, grid(15))
        small.run(workers=3, devices=["a", "b", "c"])

        spans = {}
        for trial in small.trials():
            spans.setdefault(trial.result["device"], []).append(trial.result["span"])
        assert set(spans) == {"a", "b", "c"}
        for one in spans.values():
            ordered = sorted(one)
            assert all(end <= begin for (_, end), (begin, _) in pairwise(ordered))

    def test_other_commands_get_what_is_left_of_them(self, sweep, in_background):
        def train(config, trial):
            time.sleep(0.4)
            return {"device": trial.device}

        small = sweep(train, grid(4))
        wait = in_background(lambda: small.run(devices=["a", "b"]))
        wait_until(lambda: small.workers == 1)
        small.run(devices=["a", "b"], max_failures=None)
        wait()

        assert {trial.result["device"] for trial in small.trials()} == {"a", "b"}

    def test_none_is_given_out_twice(self, sweep, in_background, tmp_path):
        done = tmp_path / "done"
        small = sweep(lambda config: wait_until(done.exists), grid(2))
        wait = in_background(lambda: small.run(devices=["a"]))
        wait_until(lambda: small.workers == 1)

        with pytest.raises(StateError, match=r"No device is free: .* have a already"):
            small.run(devices=["a"])
        with pytest.raises(StateError, match="No device is free"):
            small.run(devices=["a"], isolated=True)
        done.touch()
        wait()

    def test_more_workers_than_devices_are_refused(self, sweep):
        with pytest.raises(StateError, match="3 workers need a device each, and 2 are named: a, b"):
            sweep(lambda config: {}).run(workers=3, devices=["a", "b"])

    def test_a_cuda_device_is_the_only_one_its_worker_sees(self, sweep, monkeypatch):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")

        def train(config, trial):
            return {"sees": os.environ["CUDA_VISIBLE_DEVICES"], "calls it": trial.device}

        small = sweep(train, grid(1))
        small.run(isolated=True, devices=["cuda:1"])

        assert small.trials()[0].result == {"sees": "7", "calls it": "cuda:0"}

    @pytest.mark.parametrize(("threads", "seen"), [(3, "3"), (None, "1")])
    def test_threads_are_divided(self, sweep, monkeypatch, threads, seen):
        monkeypatch.delenv("OMP_NUM_THREADS")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
        small = sweep(lambda config: {"threads": os.environ.get("OMP_NUM_THREADS")}, grid(1))
        small.run(workers=2, threads=threads)

        assert small.trials()[0].result == {"threads": seen}


class TestWithoutFork:
    """As on systems that cannot fork: each worker is a new interpreter."""

    @pytest.fixture(autouse=True)
    def no_fork(self, monkeypatch):
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])

    def test_workers_find_a_modules_function_themselves(self, sweep, lab_root):
        (lab_root / "apart.py").write_text(
            "import multiprocessing, os\n\n\n"
            "def train(config, trial):\n"
            "    trial.log(loss=config.x / 2, step=0)\n"
            "    print('hello from', config.x)\n"
            "    if config.x == 1 and trial.attempt == 1:\n"
            "        os.kill(os.getpid(), 9)\n"
            "    return {'pid': os.getpid(), 'method': multiprocessing.get_start_method()}\n"
        )
        small = sweep("apart:train", grid(4))
        assert small.run(workers=2, threads=1, devices=["a", "b"]).finished

        results = [trial.result for trial in small.trials()]
        assert {result["method"] for result in results} == {"spawn"}
        assert os.getpid() not in {result["pid"] for result in results}
        assert [result["loss"] for result in results] == [0, 0.5, 1, 1.5]
        assert [trial.attempts for trial in small.trials()] == [1, 2, 1, 1]
        assert small.log(2) == "hello from 2\n"

    def test_what_only_this_program_knows_is_refused(self, sweep):
        with pytest.raises(StateError, match="only where the system can fork"):
            sweep(lambda config: {}).run(workers=2)


class TestDeath:
    def test_the_trial_of_a_worker_that_dies_goes_on_elsewhere(self, sweep, lab):
        def train(config, trial):
            done = trial.resumed or 0
            for step in range(done, 4):
                trial.log(step=step, begun=done)
                trial.checkpoint(step + 1)
                if step == 1 and trial.attempt == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
            return {"from": done}

        small = sweep(train, grid(3))
        assert small.run(workers=2).finished

        assert [trial.result["from"] for trial in small.trials()] == [2, 2, 2]
        assert [trial.attempts for trial in small.trials()] == [2, 2, 2]
        with lab.database.read() as session:
            run = find_run(session, "small/0")
            assert [work.exit for work in sessions_of(session, run.id)] == ["lost", "returned"]

    def test_a_trial_that_kills_its_workers_is_left_alone(self, sweep):
        def train(config):
            if config.x == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return {}

        small = sweep(train, grid(4))
        small.run(workers=2, max_losses=2)

        assert statuses(small) == ["finished", "lost", "finished", "finished"]
        lost = small.trials()[1]
        assert (lost.attempts, lost.waiting) == (2, False)
        assert "vanished, 2 times by now" in lost.reason

    def test_what_a_dead_worker_started_dies_with_it(self, sweep, tmp_path):
        def train(config):
            child = subprocess.Popen(["sleep", "60"])
            (tmp_path / "child").write_text(str(child.pid))
            os.kill(os.getpid(), signal.SIGKILL)

        sweep(train, grid(1)).run(isolated=True, max_losses=1)

        wait_until(lambda: is_gone(int((tmp_path / "child").read_text())))

    def test_workers_leave_when_whoever_watches_them_is_gone(self, sweep, lab, in_background):
        def train(config, trial):
            while True:
                trial.checkpoint(0)
                time.sleep(0.01)

        small = sweep(train, grid(3))
        wait = in_background(lambda: small.run(workers=2))
        wait_until(lambda: statuses(small).count("running") == 2)
        with lab.database.read() as session:
            pids = [worker.pid for worker in workers_of(session, small.id)]
        os.kill(wait.pid, signal.SIGKILL)
        wait()

        wait_until(lambda: all(map(is_gone, pids)))
        assert sorted(statuses(small)) == ["queued", "stopped", "stopped"]
        assert {trial.reason for trial in small.trials("stopped")} == {
            "whoever started its worker is gone"
        }

    def test_a_death_says_nothing_of_the_attempt_that_another_worker_has_begun(self, sweep, lab):
        small, ended, deaths = sweep(lambda config: {}), [], []
        watching = crew.Crew(
            lab._place, small._job(terms_of()), 1, ended=ended.append, died=deaths.append
        )
        beacon = Beacon()
        beacon.begin_trial(0)
        with lab.database.write() as session:
            other = begin_worker(session, small.id, this_process())
            claim = take(session, small.id, other.id)
        dead = SimpleNamespace(beacon=beacon, pid=7, ending="SIGKILL")
        watching._tell_death(dead)
        with lab.database.write() as session:
            end_attempt(session, claim, AttemptEnd(RunStatus.FINISHED))
        watching._tell(last=True)
        # One that nobody has begun again is told of once.
        beacon.begin_trial(1)
        with lab.database.write() as session:
            claim = take(session, small.id, other.id)
            end_attempt(session, claim, AttemptEnd(RunStatus.LOST, waiting=True, lost=True))
        watching._tell_death(dead)
        watching._tell(last=True)

        assert [(death.pid, death.ending, death.trial.number) for death in deaths] == [
            (7, "SIGKILL", 0),
            (7, "SIGKILL", 1),
        ]
        assert [(trial.number, trial.status) for trial in ended] == [(0, "finished")]

    @pytest.mark.parametrize(
        ("die", "words"),
        [
            (lambda: os._exit(3), "3 workers died .*; the last one ended with exit code 3"),
            (lambda: os.kill(os.getpid(), signal.SIGKILL), "4 workers died .* with SIGKILL"),
        ],
    )
    def test_those_that_die_before_a_trial_are_not_replaced_for_ever(
        self, sweep, monkeypatch, die, words
    ):
        monkeypatch.setattr(crew, "MOST_KILLED", 4)
        monkeypatch.setattr(crew.Worker, "work", lambda self: die())
        small = sweep(lambda config: {})
        with pytest.raises(StateError, match=words):
            small.run(isolated=True)

        assert statuses(small) == ["queued"] * 3

    def test_one_that_cannot_begin_says_why(self, sweep, lab_root, lab):
        parts = lab_root / "parts.py"
        parts.write_text("def train(config):\n    return {}\n")
        made = Sweep(grid(2), "parts:train", name="parts", lab=lab)
        parts.write_text("import nowhere\n")

        with pytest.raises(StateError, match="The module 'parts' cannot be imported"):
            made.run(workers=2)
        assert statuses(made) == ["queued", "queued"]
