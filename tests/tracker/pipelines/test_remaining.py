"""What a resume is said to do is what it does, and saying it changes nothing."""

import textwrap

import pytest
from sqlalchemy import select

from engine.phases.reporting import Reporter
from tests.tracker.pipelines.small_lab import StopIn, points_of
from tracker.database.tables import Base
from tracker.errors import DamagedFileError, StateError

FOLDS = """
    import torch
    from engine import (
        AppliedLoss, CrossValidation, CVBinding, EvalPhase, Experiment, FeatureSet, ModelGraph,
        ModelNode, Optimizer, SimpleSampler, TrainPhase,
    )
    from parts import points


    def folds(epochs=2):
        experiment = Experiment("folds", seed=3)
        x, y = points(60)
        columns = {f"x{n}": x[:, n] for n in range(4)}
        data = FeatureSet.from_dict("data", {**columns, "y": y}, list(columns), ["y"])
        data.split_random({"train": 0.8, "val": 0.2}, seed=1)
        net = ModelNode("net", torch.nn.Linear(4, 3), data)
        ModelGraph([net], Optimizer("adam"))
        loss = AppliedLoss("crossentropy", "net")
        sampler = SimpleSampler(batch_size=16, shuffle=True)
        train = TrainPhase.from_split(
            "train", split="train", sampler=sampler, losses=[loss], n_epochs=epochs
        )
        folded = CrossValidation(
            bindings=CVBinding(data, ["train", "val"]), n_folds=3, phase=train, seed=1
        )
        test = EvalPhase.from_split("test", split="val", losses=[loss])
        experiment.execution_plan.add_group(folded.group).add_phase(test)
        return experiment
"""


class Doings(Reporter):
    """What is begun, what goes on, and in which epochs and batches."""

    def __init__(self):
        self.items, self.batches = [], []

    def phase_started(self, phase, *, path, kind, resumed):
        self.items.append((path, phase.label, kind, "resumed" if resumed else "planned"))

    def batch_ended(self, *, path, epoch, batch, step):
        self.batches.append((path, epoch, batch))


N_BATCHES = 3


def foretold(remaining):
    """The items, and every batch, that are not completed yet."""
    ahead = [entry for entry in remaining.entries if entry.status != "completed"]
    batches = [
        (entry.path, epoch, batch)
        for entry in ahead
        for epoch in entry.epochs or ()
        for batch in range(entry.batch if epoch == entry.epochs[0] else 0, N_BATCHES)
    ]
    return [(one.path, one.label, one.kind, one.status) for one in ahead], batches


def everything(lab):
    """Every file of the lab's directory, and every row of its database."""
    root = lab.root
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith("lab.db")
    }
    with lab.database.read() as session:
        rows = {
            table.name: [tuple(row) for row in session.execute(select(table))]
            for table in Base.metadata.sorted_tables
        }
    return files, rows


def agrees(pipeline, *demands, **more):
    """Asks, resumes, and compares."""
    remaining = pipeline.remaining(*demands, **more)
    doings = Doings()
    outcome = pipeline.resume(*demands, reporters=[doings], progress=False, **more)
    assert outcome.idle is None
    assert foretold(remaining) == (doings.items, doings.batches)
    return remaining


class TestAgrees:
    @pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 11])
    def test_wherever_it_was_stopped(self, create, step):
        pipeline = create(epochs=4)
        pipeline.train(reporters=[StopIn(step)], progress=False)

        remaining = agrees(pipeline)

        assert remaining.checkpoint == pipeline.runs[0] or remaining.checkpoint.startswith("train")
        assert [row.phase for row in remaining.rows] == ["train", "test"]
        assert remaining.rows[1] == ("test", "eval", "to run", None, None)

    def test_to_more_epochs_than_before(self, create):
        pipeline = create(epochs=2)
        pipeline.train(progress=False)

        remaining = agrees(pipeline, 5)

        train = remaining.rows[0]
        assert (train.status, train.epochs, train.batch) == ("goes on", "2-4", None)

    def test_after_a_failure_that_is_mended(self, create, monkeypatch):
        pipeline = create(epochs=4, **{"model.args.fail_at": 8})
        with pytest.raises(ArithmeticError):
            pipeline.train(progress=False)
        monkeypatch.setenv("MENDED", "1")

        agrees(pipeline)

    def test_a_failure_before_the_first_checkpoint_begins_anew(self, create, monkeypatch):
        pipeline = create(epochs=2, **{"model.args.fail_at": 1})
        with pytest.raises(ArithmeticError):
            pipeline.train(progress=False)
        monkeypatch.setenv("MENDED", "1")

        remaining = agrees(pipeline)

        assert remaining.sentence == ("small has no checkpoint to go on from: it would begin anew.")
        assert {row.status for row in remaining.rows} == {"to run"}

    @pytest.mark.parametrize("demands", [{"patience": 2}, {"epochs": 60}])
    def test_after_early_stopping(self, create, demands):
        pipeline = create(epochs=50, **{"strategy.patience": 1, "optimizer.args.lr": 3.0})
        pipeline.train(progress=False)
        assert pipeline.remaining().idle is not None

        remaining, doings = pipeline.remaining(**demands), Doings()
        pipeline.resume(reporters=[doings], progress=False, **demands)

        items, batches = foretold(remaining)
        assert items == doings.items
        assert doings.batches == batches[: len(doings.batches)]  # it may stop early again
        assert doings.batches

    @pytest.mark.parametrize("step", [2, 7, 18])
    def test_in_a_cross_validation(self, lab, step):
        (lab.root / "folding.py").write_text(textwrap.dedent(FOLDS))
        pipeline = lab.create("folds", {"recipe": "folding:folds", "args": {"epochs": 2}})
        pipeline.train(reporters=[StopIn(step)], progress=False)

        remaining = agrees(pipeline)

        finished = [row.phase for row in remaining.rows if row.status == "finished"]
        assert [name for name in finished if name.count("/") == 1] == [
            f"CV/fold_{fold}" for fold in range((step - 1) // 6)
        ]
        assert remaining.rows[-1].phase == "test"


class TestChangesNothing:
    @pytest.fixture
    def stopped(self, create):
        pipeline = create(epochs=4)
        pipeline.train(reporters=[StopIn(5)], progress=False)
        return pipeline

    def test_neither_a_file_nor_a_row(self, lab, stopped):
        before = everything(lab)
        stopped.remaining(9, patience=2)

        assert everything(lab) == before
        assert stopped.status == "stopped"

    def test_not_even_of_one_whose_process_was_killed(self, lab, create, worker):
        pipeline = create(epochs=4)
        program = """
import os, signal
from engine.phases.reporting import Reporter
class Die(Reporter):
    def batch_ended(self, *, path, epoch, batch, step):
        if step == 6:
            os.kill(os.getpid(), signal.SIGKILL)
lab.pipeline("small").train(reporters=[Die()], progress=False)
"""
        worker(program).communicate()
        before = everything(lab)
        remaining = pipeline.remaining()

        assert everything(lab) == before
        assert foretold(remaining) == foretold(agrees(pipeline))

    def test_a_damaged_checkpoint_is_named_and_left_out(self, lab, create):
        pipeline = create(epochs=4, **{"strategy.checkpoints.keep_last": 3})
        pipeline.train(3, progress=False)
        path = pipeline.checkpoint("last").path
        path.write_bytes(path.read_bytes()[:-7])
        before = everything(lab)
        remaining = pipeline.remaining(4)

        assert "is left out" in remaining.notices[0]
        assert remaining.checkpoint == "train-epoch-1"
        assert everything(lab) == before
        assert agrees(pipeline, 4).entries == remaining.entries

    def test_what_resume_refuses_is_refused(self, lab, create):
        pipeline = create(**{"strategy.checkpoints.keep_best": False})
        with pytest.raises(StateError, match="was never trained"):
            pipeline.remaining()
        pipeline.train(1, progress=False)
        path = pipeline.checkpoint("last").path
        path.write_bytes(b"")
        with pytest.raises(DamagedFileError, match="train --fresh small"):
            pipeline.remaining(3)

    def test_what_is_finished_has_nothing_to_do(self, lab, create):
        pipeline = create(epochs=1)
        pipeline.train(progress=False)
        remaining = pipeline.remaining()

        assert remaining.rows == []
        assert remaining.sentence == pipeline.resume(progress=False).sentence
        assert points_of(lab, "small")
