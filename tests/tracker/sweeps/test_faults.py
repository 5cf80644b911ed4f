"""Workers killed and frozen at random: every trial is finished, and its result counts once."""

import fcntl
import os
import random
import signal
import time

import pytest

import engine.saving  # noqa: F401 - so that no worker has to wait for it
from tracker.database.kinds import RunStatus
from tracker.recording.heartbeat import Heartbeat
from tracker.registry import sessions, vanished
from tracker.registry.processes import Life
from tracker.registry.runs import get_run
from tracker.registry.sweeps import workers
from tracker.sweeps import Sweep, watch

STEPS = 4


def tried(folder, alone):
    """A trial that says who works on it, and goes on from where it was."""

    def train(config, trial):
        with (folder / f"{config.x}.lock").open("a") as lock:
            if alone:  # raises where another process has it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begun = trial.resumed or 0
            for step in range(begun, STEPS):
                time.sleep(random.uniform(0, 0.01))
                trial.log(step=step, value=config.x + step)
                trial.checkpoint(step + 1)
            with (folder / "done").open("a") as done:
                done.write(f"{config.x}\n")
        return {"attempt": trial.attempt}

    return train


def disturb(sweep, chance, freeze_s, until):
    """Kills and freezes workers of the sweep until no trial is left."""
    while set(sweep.counts) != {RunStatus.FINISHED}:
        time.sleep(chance.uniform(0.01, 0.1))
        with sweep._place.database.read() as session:
            pids = [worker.pid for worker in workers.workers_of(session, sweep.id)]
        assert time.monotonic() < until, f"it never ends: {sweep.counts}"
        if not pids:
            continue
        pid = chance.choice(pids)
        try:
            if chance.random() < 0.5:
                os.kill(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(chance.uniform(*freeze_s))
                os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue


def assert_whole(lab, sweep, points):
    trials = sweep.trials()
    assert len(trials) == points
    assert {trial.status for trial in trials} == {RunStatus.FINISHED}
    with lab.database.read() as session:
        for trial in trials:
            ends = [work.exit for work in sessions.sessions_of(session, trial.run_id)]
            assert ends.count("returned") == 1, "its result was accepted once"
            assert set(ends) <= {"returned", "lost"}
            assert trial.result == {
                "attempt": trial.attempts,
                "value": trial.config["x"] + STEPS - 1,
            }
            assert get_run(session, trial.run_id).status is RunStatus.FINISHED
    histories = lab.histories(metrics=["value"])
    assert len(histories) == points * STEPS, "no step is there twice, none is missing"
    assert [found.check for found in lab.doctor() if found.severity == "error"] == []


def run_disturbed(lab, tmp_path, in_background, *, points, size, seed, alone, freeze_s):
    folder = tmp_path / "marks"
    folder.mkdir()
    grid = {"grid": {"x": list(range(points))}}
    sweep = Sweep(grid, tried(folder, alone), name="disturbed", lab=lab)
    options = {"max_losses": None, "max_failures": None}
    wait = in_background(lambda: sweep.run(workers=size, **options).finished)
    try:
        disturb(sweep, random.Random(seed), freeze_s, time.monotonic() + 60 + points / 2)
    finally:
        ended = wait()
    assert ended.text == "True"
    assert_whole(lab, sweep, points)
    done = [int(line) for line in (folder / "done").read_text().split()]
    assert set(done) == set(range(points))
    if alone:
        assert sweep.workers == 0


@pytest.fixture
def leases(monkeypatch):
    """As if each worker were on a host of its own: only heartbeats tell that it lives."""
    from datetime import timedelta

    monkeypatch.setattr(vanished, "life_of", lambda process: Life.OUT_OF_SIGHT)
    monkeypatch.setattr(vanished, "LEASE", timedelta(seconds=0.6))
    monkeypatch.setattr(watch, "HEARTBEAT_EVERY_S", 0.1)
    monkeypatch.setattr(watch, "POLL_S", 0.05)
    monkeypatch.setattr(Heartbeat.__init__, "__defaults__", (0.1,))


def test_killed_and_frozen_workers_lose_nothing(lab, tmp_path, in_background):
    run_disturbed(
        lab,
        tmp_path,
        in_background,
        points=40,
        size=4,
        seed=3,
        alone=True,
        freeze_s=(0.0, 0.1),
    )


def test_where_only_leases_tell_late_words_are_refused(lab, tmp_path, in_background, leases):
    run_disturbed(
        lab,
        tmp_path,
        in_background,
        points=30,
        size=4,
        seed=5,
        alone=False,
        freeze_s=(0.0, 1.2),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_16_workers_and_500_trials_lose_nothing(lab, tmp_path, in_background, seed):
    run_disturbed(
        lab,
        tmp_path,
        in_background,
        points=500,
        size=16,
        seed=seed,
        alone=True,
        freeze_s=(0.0, 0.3),
    )
