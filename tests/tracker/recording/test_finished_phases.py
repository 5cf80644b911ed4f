"""A phase that had finished when its run was killed is not run again when the run goes on."""

import os
import signal

import pytest

from engine.callbacks import Callback
from engine.context import ExperimentContext
from engine.cross_validation import CrossValidation, CVBinding, relay
from engine.phases import EvalPhase, Reporter
from tests.engine.experiment import random_plans
from tests.engine.small_experiments import fresh
from tests.tracker.recording import blobs
from tests.tracker.recording.recorded import new_lab, outcome, rows_of
from tests.tracker.recording.test_killed_in_each_phase import EVAL, FIT, several, training
from tracker.errors import StateError
from tracker.lab import Lab
from tracker.recording.checkpoints import CheckpointPolicy

STATES = (
    "SELECT name, epoch, bytes, best_id FROM checkpoints"
    " WHERE kind = 'state' AND removed IS NULL ORDER BY id"
)
PROGRESS = "SELECT phase, epoch, batch FROM runs"


class KilledAtTheStartOf(Reporter):
    """Ends the process when the phase of this label begins; knows which phases have begun anew."""

    def __init__(self, label=None):
        self.label, self.begun = label, []

    def phase_started(self, phase, *, path, kind, resumed):
        if phase.label == self.label:
            os.kill(os.getpid(), signal.SIGKILL)
        if not resumed:
            self.begun.append(path)


def run(lab, plan, watching, *, resume=False, policy=None):
    experiment = fresh(random_plans.build, plan=plan)
    with lab.track(experiment, resume=resume, checkpoints=policy):
        experiment.add_reporter(watching)
        if not resume:
            experiment.run()
            return None
        remaining = experiment.remaining()
        experiment.resume()
    return remaining, outcome(rows_of(lab)), rows_of(lab)(PROGRESS), blobs.fingerprint(experiment)


CASES = {
    "two evaluations": ([training(), EVAL, EVAL, EVAL], "eval-4"),
    "after a fit": ([training(), FIT, EVAL, training()], "train-4"),
    "first of all": ([EVAL, training()], "train-2"),
    "after the best weights": ([training(stopping=True, n_epochs=4), EVAL, EVAL], "eval-3"),
    "inside of groups": (
        [training(), several("group", EVAL, several("group", EVAL, training())), EVAL],
        "train-6",
    ),
    "after a group": ([training(), several("group", EVAL), EVAL], "eval-4"),
    "after folds": ([several("folds", training()), EVAL, training()], "train-4"),
}


@pytest.mark.parametrize("name", CASES)
def test_is_kept(lab, empty_database, tmp_path, in_child, name):
    plan, label = CASES[name]
    with new_lab(empty_database, tmp_path / "undisturbed") as other:
        experiment = fresh(random_plans.build, plan=plan)
        with other.track(experiment):
            experiment.run()
        seen = rows_of(other)
        expected = outcome(seen), seen(PROGRESS), blobs.fingerprint(experiment)

    ended = in_child(lambda: run(lab, plan, KilledAtTheStartOf(label)))
    assert ended.signal == signal.SIGKILL, ended.text
    finished = _finished(lab)
    watching = KilledAtTheStartOf()
    remaining, *found = run(lab, plan, watching, resume=True)

    assert tuple(found) == expected
    assert finished
    completed = {one.path for one in remaining if one.status == "completed"}
    assert finished <= completed
    # What was said before is what was done.
    assert watching.begun == [one.path for one in remaining if one.status == "planned"]


def _finished(lab):
    """The places of evaluations and fits that the record knows as finished, in no fold."""
    rows = rows_of(lab)(
        "WITH RECURSIVE placed(id, place) AS ("
        " SELECT id, CAST(position AS TEXT) FROM phase_results WHERE parent_id IS NULL"
        " UNION ALL SELECT below.id, place || ',' || position FROM phase_results AS below"
        " JOIN placed ON below.parent_id = placed.id)"
        " SELECT place FROM placed JOIN phase_results USING (id)"
        " WHERE status = 'finished' AND kind IN ('eval', 'fit')"
    )
    return {tuple(map(int, place.split(","))) for (place,) in rows}


class TestTheCheckpointOfAnEvaluation:
    def test_refers_to_the_graph_that_has_not_changed(self, lab, rows, in_child):
        plan = [training(), EVAL, EVAL]
        in_child(lambda: run(lab, plan, KilledAtTheStartOf("eval-3")))

        (whole, brief) = rows(
            "SELECT id, name, bytes, best_id FROM checkpoints WHERE removed IS NULL ORDER BY id"
        )
        assert (whole[1], brief[1]) == ("train-1-epoch-1", "eval-2")
        assert brief[3] == whole[0]
        assert brief[2] < whole[2]

    def test_is_whole_where_the_best_weights_were_put_back(self, lab, rows, in_child):
        plan = [training(stopping=True, n_epochs=4), EVAL, EVAL]
        policy = CheckpointPolicy(keep_best=False)
        in_child(lambda: run(lab, plan, KilledAtTheStartOf("eval-3"), policy=policy))

        (trained, evaluated) = rows(STATES)
        assert trained[0].startswith("train-1-epoch-")  # stays: it can be trained for longer
        assert evaluated[0] == "eval-2"
        assert evaluated[3] is None

    def test_goes_when_all_is_done(self, lab, rows):
        run(lab, [training(), EVAL, EVAL], KilledAtTheStartOf())

        assert [name for name, *_ in rows(STATES)] == ["train-1-epoch-1"]
        assert not [one for one in lab.doctor() if one.severity != "note"]

    def test_stays_where_there_is_no_other(self, lab, rows):
        run(lab, [EVAL], KilledAtTheStartOf())

        assert [name for name, *_ in rows(STATES)] == ["eval-1"]

    def test_keeps_the_file_that_it_refers_to(self, lab, rows, in_child):
        plan = [training(), EVAL, EVAL, EVAL]
        in_child(lambda: run(lab, plan, KilledAtTheStartOf("eval-4")))

        assert [name for name, *_ in rows(STATES)] == ["train-1-epoch-1", "eval-3"]

    def test_is_left_out_where_it_is_damaged(self, lab, rows, in_child):
        plan = [training(), EVAL, EVAL]
        in_child(lambda: run(lab, plan, KilledAtTheStartOf("eval-3")))
        _damage(lab, "eval-2")

        experiment = fresh(random_plans.build, plan=plan)
        tracking = lab.track(experiment, resume=True)
        with pytest.warns(UserWarning, match="eval-2' is left out"):
            tracking.__enter__()
        assert experiment.cursor.path == (0,)
        experiment.resume()
        tracking.__exit__(None, None, None)
        assert rows("SELECT status FROM runs") == [("finished",)]

    def test_is_left_out_where_the_graph_is_damaged(self, lab, in_child):
        in_child(lambda: run(lab, [training(), EVAL, EVAL], KilledAtTheStartOf("eval-3")))
        _damage(lab, "train-1-epoch-1")

        experiment = fresh(random_plans.build, plan=[training(), EVAL, EVAL])
        with (
            pytest.warns(UserWarning, match="left out"),
            pytest.raises(StateError, match="no checkpoint to go on from"),
            lab.track(experiment, resume=True),
        ):
            pass


def _damage(lab, name):
    ((path,),) = rows_of(lab)(
        "SELECT path FROM checkpoints WHERE name = :name AND removed IS NULL", name=name
    )
    file = lab.files.path(path)
    file.write_bytes(file.read_bytes()[:-9] + b"?" * 9)


class Noted(Callback):
    """Writes down that an evaluation began, in whatever process that was."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_phase_start(self, *, experiment, phase, results):
        with self.path.open("a") as file:
            file.write(f"{experiment.cursor.path[1]}\n")


class KilledAfter(Reporter):
    def __init__(self, fold):
        self.fold = fold

    def phase_done(self, phase, *, path):
        if phase.label == "test" and path[1] == self.fold:
            os.kill(os.getpid(), signal.SIGKILL)


def folded(path):
    with ExperimentContext().activate():
        experiment = blobs.build(n_epochs=2)
        test = experiment.execution_plan.get_eval_phase("test")
        test.add_callback(Noted(path))
        losses = test.losses
        experiment.execution_plan.add_phase(
            EvalPhase.from_split("last", split="val", losses=losses)
        )
        return CrossValidation(
            bindings=CVBinding("data", ["train", "val"]), n_folds=3, experiment=experiment
        )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("fold", [0, 2])
def test_of_a_fold_is_kept_too(lab, tmp_path, in_child, monkeypatch, workers, fold):
    monkeypatch.setattr(relay, "HOLD_S", 0.0)
    noted = tmp_path / "noted"

    def killed():
        strategy = folded(noted)
        with Lab.open(lab.root) as opened, opened.track(strategy.experiment):
            strategy.experiment.add_reporter(KilledAfter(fold))
            strategy.run(workers=workers, **blobs.QUIET)

    assert in_child(killed).signal == signal.SIGKILL
    before = noted.read_text().split()
    strategy = folded(noted)
    with lab.track(strategy.experiment, resume=True):
        strategy.resume(workers=workers, **blobs.QUIET)

    after = noted.read_text().split()[len(before) :]
    told = [str(number) for number in range(fold + 1)]
    assert set(told) <= set(before)
    assert not set(told) & set(after)
