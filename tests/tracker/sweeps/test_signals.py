"""Ctrl-C and SIGTERM, to a command with workers."""

import os
import signal
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

import engine.saving  # noqa: F401 - so that no worker has to wait for it
from tests.tracker.sweeps.looking import grid, is_gone, statuses, wait_until
from tracker.database.tables import Series
from tracker.registry.sweeps.workers import workers_of
from tracker.sweeps import Sweep


class TestSignals:
    """As from a terminal: the program in a process of its own."""

    PROGRAM = """
import sys, time
from tracker.sweeps import Sweep

def train(config, trial):
    for step in range(trial.resumed or 0, 1000):
        time.sleep(0.02)
        trial.log(step=step, x=config.x)
        {save}
    return {{}}

Sweep({{"grid": {{"x": [1, 2, 3]}}}}, train, name="small", lab=sys.argv[1]).run(workers=2)
"""

    @pytest.fixture
    def program(self, lab_root):
        started = []

        def start(save):
            command = [sys.executable, "-c", self.PROGRAM.format(save=save), str(lab_root)]
            started.append(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            )
            return started[-1]

        yield start
        for process in started:
            process.kill()
            process.communicate()

    def running(self, lab):
        """The pids of the workers, once both have begun."""

        def both_log():
            with lab.database.read() as session:
                return session.scalar(sa.select(sa.func.count(Series.id))) == 2

        wait_until(both_log)
        with lab.database.read() as session:
            return [worker.pid for worker in workers_of(session, 1)]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_first_saves_and_stops(self, program, lab, number):
        process = program("trial.checkpoint(step + 1)")
        pids = self.running(lab)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)

        assert (process.returncode, output) == (0, b"")
        assert all(map(is_gone, pids))
        small = Sweep.open("small", lab=lab)
        assert sorted(statuses(small)) == ["queued", "stopped", "stopped"]
        assert {trial.reason for trial in small.trials("stopped")} == {
            "its worker was told to stop"
        }

    def test_the_second_interrupts(self, program, lab):
        process = program("pass")
        pids = self.running(lab)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None, "nothing can be saved, so it waits"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)

        assert b"KeyboardInterrupt" in output
        assert all(map(is_gone, pids))
        small = Sweep.open("small", lab=lab)
        assert sorted(statuses(small)) == ["queued", "stopped", "stopped"]
        assert {trial.waiting for trial in small.trials()} == {True}

    def test_a_system_does_not_wait_for_what_does_not_heed(self, lab_root, lab):
        source = self.PROGRAM.format(save="pass").replace("workers=2", "workers=2, grace=0.3")
        process = subprocess.Popen([sys.executable, "-c", source, str(lab_root)])
        pids = self.running(lab)
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=30) == 0
        assert all(map(is_gone, pids))
        small = Sweep.open("small", lab=lab)
        assert sorted(statuses(small)) == ["lost", "lost", "queued"]

    def test_in_this_process_too(self, sweep):
        def train(config, trial):
            if config.x == 1:
                os.kill(os.getpid(), signal.SIGINT)
            trial.checkpoint(0)
            return {}

        small = sweep(train, grid(3))
        outcome = small.run()

        assert statuses(small) == ["finished", "stopped", "queued"]
        assert outcome.left[0].interrupted
        with pytest.raises(KeyboardInterrupt):
            sweep(self.interrupted_twice, grid(2), name="twice").run()

    @staticmethod
    def interrupted_twice(config, trial):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
