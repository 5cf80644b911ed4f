"""Which checkpoints of a real training stay, over stops, pins and neighbours."""

import pytest

from engine.callbacks import Checkpointing, EarlyStopping, Evaluation
from engine.errors import CheckpointError, PhaseError, UnknownMetricError
from engine.experiment import Experiment
from engine.phases import EvalPhase, PhaseGroup, Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.cross_validation.folding import N_FOLDS, folded
from tests.engine.small_experiments import assert_equal, classes, classifier, cross_entropy, fresh


def build(folder, *, n_epochs=6, callbacks=(), lr=0.3, **saving):
    experiment = Experiment("small", seed=4)
    classifier(classes(), lr=lr)  # the loss goes up and down at this rate
    validation = Evaluation.from_split(label="val", split="val", losses=[cross_entropy()])
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=24, shuffle=True),
        losses=[cross_entropy()],
        n_epochs=n_epochs,
        callbacks=[validation, *callbacks],
        checkpointing=Checkpointing(mode="disk", directory=folder, **saving),
        result_recording="none",
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def checkpointing_of(experiment):
    return experiment.execution_plan.get_train_phase("train").checkpointing


def names(folder):
    return sorted(path.name.removesuffix(".ckpt") for path in folder.iterdir())


def val_losses(experiment):
    metrics = experiment.last_run.results.get_train_result().metrics()
    return {
        epoch: float(metrics.at(name="val_loss", epoch=epoch, batch=None)) for epoch in range(6)
    }


class StopAfter(Reporter):
    def __init__(self, experiment, step):
        self.experiment, self.step = experiment, step

    def batch_ended(self, *, path, epoch, batch, step):
        if step == self.step:
            self.experiment.request_stop()


class TestOfATrainingPhase:
    @pytest.mark.parametrize("goal", ["min", "max"])
    def test_the_newest_and_the_best_by_a_validation_metric(self, tmp_path, goal):
        experiment = fresh(build, folder=tmp_path, best={"val_loss": goal}, top=2)
        experiment.run()

        losses = val_losses(experiment)
        ranked = sorted(losses, key=losses.get, reverse=goal == "max")
        assert ranked[:2] != [5, 4]  # the newest are not the best by themselves
        expected = sorted({*ranked[:2], 5})
        assert names(tmp_path) == [f"train_epoch{epoch}" for epoch in expected]
        saving = checkpointing_of(experiment)
        assert saving.saved_keys == expected
        assert {key: saving.get_values(key) for key in expected} == {
            key: {"val_loss": losses[key]} for key in expected
        }
        assert list(experiment.available_checkpoints) == names(tmp_path)

    def test_within_an_epoch_by_the_batchs_own_loss(self, tmp_path):
        experiment = build(tmp_path, n_epochs=2, save_on="batch_end", best="train_loss", top=2)
        experiment.run()

        metrics = experiment.last_run.results.get_train_result().metrics()
        losses = {
            f"train_epoch{epoch}_batch{batch}": value
            for (name, epoch, batch), value in metrics.items()
            if name == "train_loss" and batch is not None
        }
        assert len(losses) == 6
        best = sorted(losses, key=losses.get)[:2]
        assert names(tmp_path) == sorted({*best, "train_epoch1_batch2"})

    def test_an_epochs_start_stands_for_the_epoch_before(self, tmp_path):
        experiment = build(tmp_path, save_on="epoch_start", best="val_loss")
        experiment.run()

        losses = val_losses(experiment)
        del losses[5]  # there is no sixth epoch that starts
        best = min(losses, key=losses.get) + 1
        assert names(tmp_path) == sorted({f"train_epoch{best}", "train_epoch5"})

    def test_in_memory_too(self):
        experiment = build(None, n_epochs=6)
        phase = experiment.execution_plan.get_train_phase("train")
        phase.set_checkpointing(Checkpointing(best="val_loss"))
        experiment.run()

        losses = val_losses(experiment)
        assert phase.checkpointing.saved_keys == sorted({min(losses, key=losses.get), 5})

    def test_an_unknown_metric_is_an_error_after_the_first_epoch(self, tmp_path):
        experiment = build(tmp_path, best="vall_oss")
        with pytest.raises(
            UnknownMetricError, match=r"metric 'vall_oss'\. Did you mean 'val_loss'"
        ):
            experiment.run()
        assert experiment.step == 3

        other = fresh(build, folder=tmp_path / "b", best="f1")
        with pytest.raises(UnknownMetricError, match=r"'f1'\. Known: train_loss, val_loss\."):
            other.run()

    @pytest.mark.parametrize("step", [4, 9, 14])
    def test_a_run_that_was_stopped_keeps_what_an_uninterrupted_one_keeps(self, tmp_path, step):
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        rules = {"best": "val_loss", "top": 2, "max_to_keep": 2}
        fresh(build, folder=whole, **rules).run()
        first = fresh(build, folder=parts, **rules)
        first.add_reporter(StopAfter(first, step))
        first.run()
        first.write_checkpoint(tmp_path / "stopped.ckpt")
        second = fresh(build, folder=parts, **rules)

        second.restore_checkpoint(tmp_path / "stopped.ckpt")
        second.resume()

        assert names(parts) == names(whole)
        assert list(checkpointing_of(second).saved_paths) == [
            int(name.removeprefix("train_epoch")) for name in names(whole)
        ]
        assert sorted(second.available_checkpoints) == names(whole)


class TestPins:
    def test_one_that_is_pinned_outlives_the_process(self, tmp_path):
        experiment = fresh(build, folder=tmp_path, max_to_keep=1)

        class Pinning(Reporter):
            def epoch_ended(self, *, path, epoch, step):
                if epoch == 1:
                    experiment.pin_checkpoint("train_epoch1")
                    experiment.request_stop()

        experiment.add_reporter(Pinning())
        experiment.run()
        assert experiment.pinned_checkpoints == {"train_epoch1": tmp_path / "train_epoch1.ckpt"}
        # This checkpoint was written before there was a pin.
        second = fresh(build, folder=tmp_path, max_to_keep=1)
        second.restore_checkpoint(tmp_path / "train_epoch1.ckpt")
        second.resume()

        assert names(tmp_path) == ["train_epoch1", "train_epoch1.ckpt.pinned", "train_epoch5"]
        second.unpin_checkpoint("train_epoch1")
        assert second.pinned_checkpoints == {}
        assert names(tmp_path) == ["train_epoch1", "train_epoch5"]

    def test_it_is_not_overwritten_by_a_run_that_comes_by_again(self, tmp_path):
        experiment = fresh(build, folder=tmp_path)
        experiment.run()
        experiment.pin_checkpoint("train_epoch2")
        before = (tmp_path / "train_epoch2.ckpt").read_bytes()
        again = fresh(build, folder=tmp_path, lr=0.1)
        again.restore_checkpoint(tmp_path / "train_epoch1.ckpt")
        again.resume()

        assert (tmp_path / "train_epoch2.ckpt").read_bytes() == before
        assert "train_epoch2-2" in again.available_checkpoints
        with pytest.raises(CheckpointError, match="is pinned and is not overwritten"):
            again.write_checkpoint(tmp_path / "train_epoch2.ckpt")
        assert (tmp_path / "train_epoch2.ckpt").read_bytes() == before


class TestNeighbours:
    def test_two_experiments_in_one_directory_keep_their_own(self, tmp_path):
        experiments = [
            fresh(build, folder=tmp_path, name_template=f"{name}-{{epoch}}", max_to_keep=2)
            for name in ("one", "two")
        ]
        experiments[0].run()
        with pytest.warns(UserWarning, match="already holds 2 checkpoints"):
            experiments[1].run()

        assert names(tmp_path) == ["one-4", "one-5", "two-4", "two-5"]

    def test_best_weights_that_both_refer_to_stay_as_long_as_one_needs_them(self, tmp_path):
        def stopping():
            return EarlyStopping(monitor="val_loss", restore_best=True, patience=9)

        kept = fresh(
            build,
            folder=tmp_path,
            callbacks=[stopping()],
            name_template="kept",
            save_on="phase_end",
        )
        kept.run()
        (shared,) = tmp_path.glob("best-*")
        other = fresh(
            build, folder=tmp_path, callbacks=[stopping()], name_template="{epoch}", max_to_keep=1
        )
        with pytest.warns(UserWarning, match="already holds"):
            other.run()
        checkpointing_of(other).record_disk("none", tmp_path / "none.ckpt")

        assert shared.exists()
        again = fresh(build, folder=tmp_path, callbacks=[stopping()])
        again.restore_checkpoint(tmp_path / "kept.ckpt")
        again.resume()
        assert_equal(again.model_graph.get_state(), kept.model_graph.get_state())

    def test_best_weights_of_the_one_gone_on_from_go_with_it(self, tmp_path):
        def stopping():
            return EarlyStopping(monitor="val_loss", restore_best=True, patience=9)

        rules = {"folder": tmp_path, "max_to_keep": 1}
        first = fresh(build, callbacks=[stopping()], **rules)
        first.add_reporter(StopAfter(first, 4))
        first.run()
        second = fresh(build, callbacks=[stopping()], **rules)
        second.restore_checkpoint(tmp_path / "train_epoch0.ckpt")
        second.resume()

        (best,) = tmp_path.glob("best-*")
        assert names(tmp_path) == [best.stem, "train_epoch5"]

    def test_each_fold_has_a_folder_of_its_own(self, tmp_path):
        strategy = fresh(
            folded,
            n_epochs=2,
            checkpointing=Checkpointing(mode="disk", max_to_keep=1),
        )
        strategy.experiment.set_checkpoint_dir(tmp_path)
        strategy.run()

        for fold in range(N_FOLDS):
            folder = tmp_path / "CV" / f"fold_{fold}" / "train"
            assert "train_epoch1" in names(folder)
            name = f"CV/fold_{fold}/train_epoch1"
            assert strategy.experiment.available_checkpoints[name].parent == folder


class TestNames:
    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("{phase}-{fold}", r"uses \{fold\}; a TrainPhase fills in only \{batch\}, \{epoch\}"),
            ("{phase", r"'\{phase' is none \(.*\); a TrainPhase fills in only"),
            ("{}", r"uses \{\}"),
            ("{phase:03d}", "cannot be filled in"),
            ("../{epoch}", "holds neither slashes"),
            (".{epoch}", "nor a dot at its beginning"),
        ],
    )
    def test_a_template_that_cannot_be_is_refused_when_it_is_attached(self, template, message):
        with pytest.raises(ValueError, match=message) as caught:
            build(None, name_template=template)
        assert isinstance(caught.value, PhaseError)

    def test_numbers_may_be_padded(self, tmp_path):
        build(tmp_path, n_epochs=1, name_template="{phase}-{epoch:03d}").run()
        assert names(tmp_path) == ["train-000"]

    def test_a_label_that_no_file_can_have_is_an_error_before_the_training(self, tmp_path):
        experiment = build(tmp_path)
        experiment.execution_plan.get_train_phase("train").label = "../train"
        with pytest.raises(PhaseError, match=r"'../train_epoch0' is none"):
            experiment.run()
        assert experiment.step == 0

    def test_nor_does_a_name_lead_out_of_the_directory(self, tmp_path):
        experiment = build(tmp_path)
        experiment.set_checkpoint_dir(tmp_path / "inside")
        with pytest.raises(PhaseError, match="holds neither slashes"):
            experiment.save_checkpoint("../outside")
        assert list(tmp_path.glob("*.ckpt")) == []


def plan(folder, **saving):
    experiment = Experiment("small", seed=4)
    classifier(classes(), lr=0.1)

    def train(label):
        return TrainPhase.from_split(
            label,
            split="train",
            sampler=SimpleSampler(batch_size=24, shuffle=True),
            losses=[cross_entropy()],
            result_recording="none",
        )

    def test(label):
        return EvalPhase.from_split(label, split="val", losses=[cross_entropy()])

    experiment.execution_plan.add_items(
        [train("a"), PhaseGroup("group", [train("b"), test("t")]), train("c"), test("last")]
    )
    experiment.set_checkpointing(Checkpointing(mode="disk", directory=folder, **saving))
    return experiment


class TestOfAnExperiment:
    def test_counts_and_retention_go_on_in_a_new_process(self, tmp_path):
        rules = {"save_on": "phase_end", "every_n": 2, "max_to_keep": 1}
        whole, parts = tmp_path / "whole", tmp_path / "parts"
        fresh(plan, folder=whole, **rules).run()
        assert names(whole) == ["c"]  # of the five phases' ends the fourth
        first = fresh(plan, folder=parts, **rules)
        first.add_reporter(StopAfter(first, 8))
        first.run()
        assert names(parts) == ["b"]
        first.write_checkpoint(tmp_path / "stopped.ckpt")
        second = fresh(plan, folder=parts, **rules)

        second.restore_checkpoint(tmp_path / "stopped.ckpt")
        second.resume()

        assert names(parts) == ["c"]
        assert list(second.available_checkpoints) == ["c"]

    def test_the_best_by_what_a_phase_logged(self, tmp_path):
        experiment = fresh(plan, folder=tmp_path, save_on="phase_end", best="train_loss")
        results = experiment.run()

        losses = {
            label: found.last_metrics()["train_loss"]
            for label, found in results.flatten().items()
            if label in "abc"
        }
        assert names(tmp_path) == sorted({min(losses, key=losses.get), "last"})

    def test_a_group_and_the_whole_have_the_last_value_within_them(self, tmp_path):
        hooks = ["group_end", "experiment_end"]
        experiment = fresh(plan, folder=tmp_path, save_on=hooks, max_to_keep=2, best="t_loss")
        results = experiment.run()

        expected = results["group"]["t"].last_metrics()["t_loss"]
        saving = experiment.checkpointing
        assert saving.get_values("group") == saving.get_values("END") == {"t_loss": expected}

    def test_an_unknown_metric_is_an_error_after_the_first_phase(self, tmp_path):
        experiment = fresh(plan, folder=tmp_path, save_on="experiment_end", best="tt_loss")
        with pytest.raises(UnknownMetricError, match=r"'tt_loss'\. Did you mean 't_loss'"):
            experiment.run()
        assert experiment.step == 3

    def test_what_was_saved_by_name_is_not_warned_of_and_stays(self, tmp_path):
        experiment = fresh(plan, folder=tmp_path, save_on="phase_end", max_to_keep=1)
        experiment.save_checkpoint("before")
        experiment.run()  # a warning would be an error

        assert names(tmp_path) == ["before", "last"]

    def test_a_metric_of_a_later_phase_is_known(self, tmp_path):
        fresh(plan, folder=tmp_path, save_on="phase_end", best="last_loss").run()
        assert names(tmp_path) == ["last"]

    def test_every_run_of_the_plan_counts_anew(self, tmp_path):
        experiment = fresh(plan, folder=tmp_path, save_on="phase_end", every_n=3)
        experiment.run()
        first = names(tmp_path)
        experiment.run()

        assert names(tmp_path) == first == ["t"]
