"""What is said to be still to be done is what is then done, wherever a run was interrupted."""

import pytest

from engine.callbacks import Callback, Checkpointing, EarlyStopping, Evaluation, ExperimentCallback
from engine.cross_validation import relay
from engine.errors import CheckpointError
from engine.experiment import Experiment
from engine.phases import EvalPhase, PhaseGroup, Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.cross_validation.folding import N_FOLDS, folded
from tests.engine.experiment.plans import evaluation, training
from tests.engine.small_experiments import assert_equal, classes, classifier, cross_entropy, fresh

N_STEPS = 15  # five epochs of three batches each


class Stop(Reporter):
    """Asks for a stop after one step, or where a phase of this label has ended."""

    def __init__(self, experiment, *, step=None, ended=None):
        self.experiment, self.step, self.ended = experiment, step, ended

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.request_stop()

    def phase_ended(self, phase, *, path, status, results):
        if phase.label == self.ended:
            self.experiment.request_stop()


class Doings(Reporter):
    """What is begun, what goes on, and every batch of it."""

    def __init__(self):
        self.items, self.batches = [], []

    def phase_started(self, phase, *, path, kind, resumed):
        self.items.append((path, phase.label, kind, "resumed" if resumed else "planned"))

    def batch_ended(self, *, path, epoch, batch, step):
        self.batches.append((path, epoch, batch))


def assert_foretold(entries, doings, n_batches):
    """The entries that are not completed are what was done, batch by batch."""
    ahead = [entry for entry in entries if entry.status != "completed"]
    assert [(one.path, one.label, one.kind, one.status) for one in ahead] == doings.items
    assert [
        (entry.path, epoch, batch)
        for entry in ahead
        for epoch in entry.epochs or ()
        for batch in range(entry.batch if epoch == entry.epochs[0] else 0, n_batches)
    ] == doings.batches


def plan(experiment=None):
    experiment = Experiment("small", seed=4)
    classifier(classes())
    inner = PhaseGroup("inner", [training("c"), evaluation("d")])
    group = PhaseGroup("group", [training("b", n_epochs=2), inner])
    experiment.execution_plan.add_items(
        [training("a"), evaluation("e"), group, training("f"), evaluation("g")]
    )
    return experiment


ORDER = ["a", "e", "group", "b", "inner", "c", "d", "f", "g"]


class TestOfAPlan:
    def test_before_the_first_run_everything_is_planned(self):
        experiment, doings = plan(), Doings()
        entries = experiment.planned()
        experiment.add_reporter(doings)
        experiment.run()

        assert [entry.label for entry in entries] == ORDER
        assert_foretold(entries, doings, n_batches=3)

    @pytest.mark.parametrize("step", range(1, N_STEPS + 1))
    @pytest.mark.parametrize("new_process", [False, True])
    def test_stopped_after_any_batch(self, tmp_path, step, new_process):
        experiment = fresh(plan)
        experiment.add_reporter(Stop(experiment, step=step))
        experiment.run()
        if new_process:
            experiment.write_checkpoint(tmp_path / "a.ckpt")
            experiment = fresh(plan)
            experiment.restore_checkpoint(tmp_path / "a.ckpt")
        entries, doings = experiment.remaining(), Doings()
        assert [entry.label for entry in entries] == ORDER
        experiment.add_reporter(doings)
        experiment.resume()

        assert_foretold(entries, doings, n_batches=3)

    @pytest.mark.parametrize("ended", ORDER[:-1])
    def test_stopped_between_any_two(self, ended):
        experiment = plan()
        experiment.add_reporter(Stop(experiment, ended=ended))
        experiment.run()
        entries, doings = experiment.remaining(), Doings()
        experiment.add_reporter(doings)
        experiment.resume()

        assert_foretold(entries, doings, n_batches=3)

    def test_a_group_that_was_not_entered_begins_when_it_is_gone_on_with(self):
        class Groups(ExperimentCallback):
            started = 0

            def on_group_start(self, **_):
                self.started += 1

            def get_config(self):
                return {}

        experiment, groups = plan(), Groups()
        experiment.add_callback(groups)
        experiment.add_reporter(Stop(experiment, ended="e"))
        experiment.run()
        assert groups.started == 0
        experiment.resume()

        assert groups.started == 2

    def test_nothing_is_changed_by_asking(self, tmp_path):
        experiment = plan()
        experiment.add_reporter(Stop(experiment, step=5))
        experiment.run()
        before, cursor = experiment.get_state(), experiment.cursor
        experiment.remaining()
        experiment.planned()

        assert experiment.cursor == cursor
        assert_equal(experiment.get_state(), before)
        assert list(tmp_path.iterdir()) == []

    def test_where_nothing_was_interrupted_nothing_remains(self):
        experiment = plan()
        with pytest.raises(CheckpointError, match="nothing to go on with"):
            experiment.remaining()
        experiment.run()
        with pytest.raises(CheckpointError, match="nothing to go on with"):
            experiment.remaining()

    def test_another_plan_is_refused_as_it_is_when_resumed(self):
        experiment = plan()
        experiment.add_reporter(Stop(experiment, step=12))
        experiment.run()
        experiment.execution_plan.remove_item("e")
        with pytest.raises(CheckpointError, match="stands in 'group/inner/c', and the plan has"):
            experiment.remaining()

    def test_a_phase_run_by_itself(self):
        experiment = plan()
        experiment.add_reporter(Stop(experiment, step=2))
        experiment.run_phase(experiment.execution_plan.get_group("group").get_phase("b"))

        (entry,) = experiment.remaining()
        assert (entry.place, entry.status, entry.epochs, entry.batch) == (
            ("b",), "resumed", range(2), 2,
        )  # fmt: skip


class Noting(Callback):
    """Notes every step in a file, whichever process it is done in."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_batch_end(self, **_):
        with (self.folder / "steps").open("a") as file:
            file.write(".")

    def get_config(self):
        return {"folder": self.folder}


def steps_done(folder):
    return len((folder / "steps").read_text())


def noted(folder, workers):
    strategy = folded(n_epochs=2, workers=workers)
    strategy.experiment.execution_plan.get_train_phase("train").add_callback(Noting(folder))
    return strategy


class TestOfFolds:
    @pytest.mark.parametrize("step", range(1, 3 * N_FOLDS + 1))
    def test_stopped_after_any_batch(self, step):
        strategy = fresh(folded)
        strategy.experiment.add_reporter(Stop(strategy.experiment, step=step))
        strategy.run()
        entries, doings = strategy.remaining(), Doings()
        strategy.experiment.add_reporter(doings)
        strategy.resume()

        finished = [entry.label for entry in entries if entry.status == "completed"]
        assert "CV" not in finished
        assert sum(label.startswith("fold_") for label in finished) == (step - 1) // 3
        assert_foretold(entries, doings, n_batches=3)

    @pytest.mark.parametrize("step", [1, 8, 14])
    @pytest.mark.parametrize("new_process", [False, True])
    def test_side_by_side_only_what_is_foretold_is_run(
        self, tmp_path, monkeypatch, step, new_process
    ):
        monkeypatch.setattr(relay, "HOLD_S", 0.0)
        strategy = fresh(noted, folder=tmp_path, workers=2)
        strategy.experiment.add_reporter(Stop(strategy.experiment, step=step))
        strategy.run()
        if new_process:
            strategy.experiment.write_checkpoint(tmp_path / "a.ckpt")
            strategy = fresh(noted, folder=tmp_path, workers=2)
            strategy.experiment.restore_checkpoint(tmp_path / "a.ckpt")
        before = steps_done(tmp_path)
        entries = strategy.remaining()
        strategy.resume()

        assert (
            before + sum(len(entry.epochs) * 3 - entry.batch for entry in entries if entry.epochs)
            == steps_done(tmp_path)
            == 6 * N_FOLDS
        )
        assert {entry.label for entry in entries if entry.status == "completed"} <= {
            *(f"fold_{number}" for number in range(N_FOLDS)), "train",
        }  # fmt: skip

    def test_before_the_first_run_every_fold_is_planned(self):
        strategy, doings = fresh(folded), Doings()
        entries = strategy.planned()
        strategy.experiment.add_reporter(doings)
        strategy.run()

        assert_foretold(entries, doings, n_batches=3)


class TestOfEarlyStopping:
    @pytest.mark.parametrize("step", [4, 5])
    def test_an_epoch_that_has_begun_is_finished(self, step):
        class Enough(Callback):
            def on_batch_start(self, *, phase, exec_ctx, **_):
                if exec_ctx.epoch_idx == 1:
                    phase.request_stop()

        experiment = Experiment("small", seed=4)
        classifier(classes())
        experiment.execution_plan.add_phase(training(n_epochs=4, callbacks=[Enough()]))
        experiment.add_reporter(Stop(experiment, step=step))
        experiment.run()
        entries, doings = experiment.remaining(), Doings()
        experiment.add_reporter(doings)
        experiment.resume()

        assert entries[0].epochs == range(1, 2)
        assert_foretold(entries, doings, n_batches=3)

    def build(self, folder, *, patience, n_epochs=30):
        experiment = Experiment("small", seed=4)
        classifier(classes(), lr=0.3)
        validation = Evaluation.from_split(label="val", split="val", losses=[cross_entropy()])
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=SimpleSampler(batch_size=24, shuffle=True),
            losses=[cross_entropy()],
            n_epochs=n_epochs,
            callbacks=[validation, EarlyStopping(monitor="val_loss", patience=patience)],
            checkpointing=Checkpointing(mode="disk", directory=folder, max_to_keep=1),
        )
        test = EvalPhase.from_split("test", split="val", losses=[cross_entropy()])
        experiment.execution_plan.add_items([phase, test])
        return experiment

    @pytest.mark.parametrize("patience", [1, 2])
    def test_a_phase_that_was_asked_to_stop_only_ends_unless_patience_has_grown(
        self, tmp_path, patience
    ):
        fresh(self.build, folder=tmp_path, patience=1).run()
        (path,) = tmp_path.glob("*.ckpt")
        experiment = fresh(self.build, folder=tmp_path, patience=patience)
        experiment.restore_checkpoint(path)
        train, test = experiment.remaining()
        begun = experiment.cursor.epoch

        assert (train.status, test.status) == ("resumed", "planned")
        assert train.epochs == range(begun, begun if patience == 1 else 30)
        doings = Doings()
        experiment.add_reporter(doings)
        experiment.resume()
        assert bool(doings.batches) == (patience == 2)
