"""Whatever the plan: stopped anywhere and gone on with elsewhere, it ends as if never stopped."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.phases import Reporter
from tests.engine.experiment.random_plans import PLANS, build, outcome
from tests.engine.small_experiments import Log, assert_equal, fresh


class Stop(Reporter):
    """Asks for a stop after a step, with 0 before anything is done.

    Counts steps and phases begun, and keeps how callbacks ended.
    """

    def __init__(self, at=None):
        self.at, self.steps, self.begun, self.callbacks = at, 0, [], {}

    def run_started(self, experiment, *, resumed):
        self.experiment = experiment
        if self.at == 0:
            experiment.request_stop()

    def phase_started(self, phase, *, path, kind, resumed):
        self.begun.append((path, resumed))

    def phase_ended(self, phase, *, path, status, results):
        if status == "completed":
            states = [one.get_state() for one in getattr(phase, "callbacks", ())]
            self.callbacks[path] = states

    def batch_ended(self, *, path, epoch, batch, step):
        self.steps += 1
        if step == self.at:
            self.experiment.request_stop()


def whole(plan):
    experiment, log, counted = fresh(build, plan=plan), Log(), Stop()
    experiment.add_reporter(log)
    experiment.add_reporter(counted)
    experiment.run()
    return outcome(experiment, log.values, counted.callbacks), counted


def interrupted(plan, stops, path):
    """Stopped after each of these steps; every time another process goes on from the file.

    After each of them one is stopped before it has done anything.
    """
    values, callbacks, begun = {}, {}, []
    for at in [0, *(moment for stop in stops for moment in (stop, 0)), None]:
        experiment, log, stop = fresh(build, plan=plan), Log(), Stop(at)
        experiment.add_reporter(log)
        experiment.add_reporter(stop)
        if path.exists():
            experiment.restore_checkpoint(path, trusted=True)
            done = experiment.step
            experiment.resume()
        else:
            done = 0
            experiment.run()
        assert not values.keys() & log.values.keys(), "the same value twice"
        assert stop.steps == experiment.step - done
        values |= log.values
        callbacks |= stop.callbacks
        begun += [place for place, resumed in stop.begun if not resumed]
        if at is not None:
            assert experiment.last_run.status == "stopped"
            experiment.write_checkpoint(path)
    return outcome(experiment, values, callbacks), begun


def check(plan, chosen):
    expected, counted = whole(plan)
    stops = sorted({1 + round(share * (expected["step"] - 1)) for share in chosen})
    with tempfile.TemporaryDirectory() as folder:
        found, begun = interrupted(plan, stops, Path(folder) / "at.ckpt")

    # A dict's order is that of the events, which were heard in parts.
    found["values"] = {key: found["values"][key] for key in expected["values"]}
    assert_equal(found, expected)
    # Each phase was begun once; what had finished was not begun again.
    assert begun == [place for place, _ in counted.begun]


SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=3)
ACCUMULATING = {
    "kind": "train", "both": True, "schedule": "alternate_cycle", "n_epochs": 3, "stopping": True,
    "scheduler": "step", "accumulate": 3, "clip_norm": 0.1, "precision": "bfloat16",
    "sizes": (8, 7), "drop_last": False,
}  # fmt: skip


@example(
    plan=[
        {"kind": "group", "items": [{"kind": "fit"}, ACCUMULATING]},
        {"kind": "eval"},
        {"kind": "folds", "items": [{**ACCUMULATING, "both": False, "schedule": "zip_strict"}]},
    ],
    chosen=[0.1, 0.5, 0.9],
)
@given(plan=PLANS, chosen=SHARES)
@settings(max_examples=12)
def test_stopped_anywhere(plan, chosen):
    check(plan, chosen)


@pytest.mark.slow
@given(plan=PLANS, chosen=SHARES)
@settings(max_examples=150)
def test_stopped_anywhere_in_many_plans(plan, chosen):
    check(plan, chosen)
