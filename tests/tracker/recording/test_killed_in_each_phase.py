"""Killed in any kind of phase, a run goes on in another process as if nothing had been."""

import os
import signal

import pytest
from sklearn.linear_model import Ridge, SGDRegressor
from torch.nn.modules.module import register_module_forward_hook

from engine.phases import Reporter
from tests.engine.experiment import random_plans
from tests.engine.small_experiments import fresh
from tests.tracker.recording import blobs
from tests.tracker.recording.recorded import new_lab, outcome, rows_of

EVAL, FIT = {"kind": "eval"}, {"kind": "fit"}


def training(**options):
    usual = {
        "kind": "train",
        "both": False,
        "schedule": "zip_strict",
        "n_epochs": 2,
        "stopping": False,
        "scheduler": "step",
        "accumulate": 1,
        "clip_norm": None,
        "precision": "float32",
        "sizes": (8, 5),
        "drop_last": False,
    }
    return usual | options


def several(kind, *items):
    return {"kind": kind, "items": list(items)}


class Killer(Reporter):
    """Ends the process in the middle of the phase of this label, or counts what happens in it.

    Without a label, of whatever phase.

    What happens: a module computes, an estimator learns.
    """

    def __init__(self, label, at=None):
        self.label, self.at, self.happened = label, at, 0
        self.current = None
        self.begun = []

    def phase_started(self, phase, *, path, kind, resumed):
        self.current = phase.label
        if not resumed:
            self.begun.append(path)

    def tick(self):
        if self.label not in (None, self.current):
            return
        self.happened += 1
        if self.happened == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """An estimator that tells when it has learned."""

    killer = None

    def fit(self, *args, **options):
        fitted = super().fit(*args, **options)
        Watched.killer.tick()
        return fitted

    def partial_fit(self, *args, **options):
        fitted = super().partial_fit(*args, **options)
        Watched.killer.tick()
        return fitted


class WatchedRidge(Watched, Ridge):
    partial_fit = None


class WatchedDescent(Watched, SGDRegressor):
    pass


def run(lab, plan, killer, *, resume=False):
    experiment = fresh(random_plans.build, plan=plan)
    Watched.killer = killer
    hook = register_module_forward_hook(lambda *_: killer.tick())
    try:
        with lab.track(experiment, resume=resume):
            experiment.add_reporter(killer)
            experiment.resume() if resume else experiment.run()
    finally:
        hook.remove()
    return outcome(rows_of(lab)), blobs.fingerprint(experiment)


CASES = {
    "eval": ([training(), EVAL], "eval-2", 0.5),
    "fit": ([training(), FIT, EVAL], "fit-2", 1),
    "a nested group": (
        [training(), several("group", several("group", training(), EVAL), training())],
        "train-4",
        0.7,
    ),
    "alternating": ([training(both=True, schedule="alternate_cycle")], "train-1", 0.8),
    "a later phase": ([training(), EVAL, training(stopping=True), FIT], "train-3", 0.2),
    "a fold": ([several("folds", training()), EVAL], "train-2", 0.9),
}


@pytest.mark.parametrize("estimator", [WatchedRidge, WatchedDescent])
@pytest.mark.parametrize("name", CASES)
def test_it_ends_as_if_nothing_had_been(
    lab, empty_database, tmp_path, in_child, monkeypatch, name, estimator
):
    monkeypatch.setattr(random_plans, "Ridge", estimator)
    plan, label, share = CASES[name]
    counted = Killer(label)
    with new_lab(empty_database, tmp_path / "undisturbed") as other:
        expected = run(other, plan, counted)
    killer = Killer(label, max(1, round(share * counted.happened)))

    ended = in_child(lambda: run(lab, plan, killer))
    assert ended.signal == signal.SIGKILL, ended.text
    assert lab.runs()["status"].tolist() == ["lost"]
    resumed = Killer(label)

    assert run(lab, plan, resumed, resume=True) == expected
    assert (0,) not in resumed.begun  # it had begun, and in most plans ended


# Groups, all inputs in turn, fits, evaluations, early stopping, folds.
EVERYTHING = [
    several("group", training(both=True, schedule="alternate_cycle"), several("group", FIT, EVAL)),
    several("folds", several("group", training(stopping=True, n_epochs=3), EVAL)),
    EVAL,
    training(both=True, schedule="zip_cycle", accumulate=2),
    FIT,
]
N_KILLS = 24


@pytest.fixture(scope="module")
def everything(empty_database, tmp_path_factory):
    """What is recorded and learned where nobody kills, and how much happens till then."""
    counted = Killer(None)
    with new_lab(empty_database, tmp_path_factory.mktemp("undisturbed")) as lab:
        return run(lab, EVERYTHING, counted), counted.happened


@pytest.mark.slow
@pytest.mark.parametrize("number", range(N_KILLS))
def test_killed_at_every_so_manieth_step_of_a_plan_of_everything(lab, in_child, everything, number):
    expected, happened = everything
    at = 1 + number * (happened - 1) // (N_KILLS - 1)

    ended = in_child(lambda: run(lab, EVERYTHING, Killer(None, at)))
    assert ended.signal == signal.SIGKILL, ended.text
    if rows_of(lab)("SELECT count(*) FROM checkpoints") == [(0,)]:
        assert number < N_KILLS // 6  # in the first epoch
        return
    assert run(lab, EVERYTHING, Killer(None), resume=True) == expected
