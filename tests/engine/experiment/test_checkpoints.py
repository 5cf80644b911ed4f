"""Checkpoint files: when they are made, what they hold, and what happens to broken ones."""

import copy

import pytest
import torch

from engine.callbacks import Checkpointing, EarlyStopping
from engine.context import ExperimentContext
from engine.errors import CheckpointError, FileFormatError, PhaseError
from engine.experiment import Experiment
from engine.phases import EvalPhase, PhaseGroup, Reporter, TrainPhase
from engine.samplers import SimpleSampler
from engine.saving import read_file
from tests.engine.small_experiments import (
    assert_equal,
    classes,
    classifier,
    cross_entropy,
    fresh,
    resumable,
)


def build(n_epochs=3, checkpointing=None, **options):
    experiment = Experiment("small", seed=4)
    classifier(classes())
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=24, shuffle=True),
        losses=[cross_entropy()],
        n_epochs=n_epochs,
        checkpointing=checkpointing,
        result_recording="none",
        **options,
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def final(experiment):
    return copy.deepcopy(experiment.model_graph.get_state())


class TestOfATrainingPhase:
    def test_one_per_epoch_by_default(self, tmp_path):
        experiment = build(checkpointing=Checkpointing(mode="disk", directory=tmp_path))
        experiment.run()

        assert names(tmp_path) == [f"train_epoch{epoch}.ckpt" for epoch in range(3)]
        assert experiment.available_checkpoints == {
            f"train_epoch{epoch}": tmp_path / f"train_epoch{epoch}.ckpt" for epoch in range(3)
        }

    @pytest.mark.parametrize(
        ("hook", "expected"),
        [
            ("phase_start", ["train_epoch0"]),
            ("phase_end", ["train_epoch2"]),
            ("epoch_start", ["train_epoch0", "train_epoch1"]),
            ("epoch_end", ["train_epoch0", "train_epoch1"]),
            ("batch_start", [f"train_epoch{e}_batch{b}" for e in (0, 1) for b in range(3)]),
            ("batch_end", [f"train_epoch{e}_batch{b}" for e in (0, 1) for b in range(3)]),
        ],
    )
    def test_every_hook_saves_a_state_that_is_gone_on_with_exactly(self, tmp_path, hook, expected):
        saving = {"mode": "disk", "save_on": hook, "directory": tmp_path}
        whole = fresh(build, n_epochs=2)
        whole.run()
        first = fresh(build, n_epochs=2, checkpointing=Checkpointing(**saving))
        first.run()
        assert names(tmp_path) == [f"{name}.ckpt" for name in expected]

        for name in expected:
            again = fresh(build, n_epochs=2)
            again.restore_checkpoint(tmp_path / f"{name}.ckpt")
            again.resume()
            assert_equal(final(again), final(whole), name)

    def test_every_n_and_max_to_keep(self, tmp_path):
        saving = Checkpointing(mode="disk", directory=tmp_path, every_n=2, max_to_keep=2)
        experiment = build(n_epochs=7, checkpointing=saving)
        experiment.run()

        assert names(tmp_path) == ["train_epoch3.ckpt", "train_epoch5.ckpt"]
        assert list(experiment.available_checkpoints) == ["train_epoch3", "train_epoch5"]
        assert saving.saved_keys == [3, 5]
        assert saving.get_path(5) == tmp_path / "train_epoch5.ckpt"

    def test_retention_goes_on_after_a_resume(self, tmp_path):
        def saving():
            return Checkpointing(mode="disk", directory=tmp_path, max_to_keep=2)

        fresh(build, n_epochs=3, checkpointing=saving()).run()
        again = fresh(build, n_epochs=5, checkpointing=saving())
        again.restore_checkpoint(tmp_path / "train_epoch2.ckpt")
        again.resume()

        assert names(tmp_path) == ["train_epoch3.ckpt", "train_epoch4.ckpt"]

    def test_best_weights_go_with_the_last_checkpoint_that_refers_to_them(self, tmp_path):
        saving = Checkpointing(mode="disk", directory=tmp_path, max_to_keep=1)
        stopping = EarlyStopping(monitor="train_loss", restore_best=True)
        experiment = build(n_epochs=4, checkpointing=saving, callbacks=[stopping])
        experiment.run()

        assert stopping.best_epoch == 3
        assert len(names(tmp_path)) == 2  # one checkpoint and its best weights

    def test_in_the_experiments_directory_under_the_phases_name(self, tmp_path):
        experiment = build(checkpointing=Checkpointing(mode="disk", save_on="phase_end"))
        experiment.set_checkpoint_dir(tmp_path)
        experiment.run()

        assert names(tmp_path / "train") == ["train_epoch3.ckpt"]

    def test_a_directory_is_needed_before_anything_is_trained(self):
        experiment = build(checkpointing=Checkpointing(mode="disk"))
        with pytest.raises(CheckpointError, match="'train' saves to disk and has no directory"):
            experiment.run()
        assert experiment.step == 0

    def test_others_checkpoints_in_the_directory_are_warned_of_once(self, tmp_path):
        (tmp_path / "other.ckpt").write_bytes(b"")
        experiment = build(checkpointing=Checkpointing(mode="disk", directory=tmp_path))

        with pytest.warns(UserWarning, match="already holds 1 checkpoints") as caught:
            experiment.run()

        assert len(caught) == 1

    def test_nothing_is_overwritten_unless_allowed(self, tmp_path):
        saving = Checkpointing(
            mode="disk", directory=tmp_path, name_template="{phase}", overwrite=False
        )
        experiment = build(checkpointing=saving)
        with pytest.raises(CheckpointError, match=r"There is a checkpoint .*train\.ckpt already"):
            experiment.run()

    def test_in_memory_the_graphs_states_are_kept(self):
        saving = Checkpointing(max_to_keep=2)
        experiment = build(checkpointing=saving)
        experiment.run()
        last = final(experiment)

        assert saving.saved_keys == [1, 2]
        assert_equal(saving.get_state(2), last)
        experiment.model_graph.set_state(saving.get_state(1))
        assert experiment.model_graph.get_state()["optimizer"]["optimizer"]["state"][0]["step"] == 6

    def test_none_are_made_while_disabled(self, tmp_path):
        experiment = build(checkpointing=Checkpointing(mode="disk", directory=tmp_path))
        with experiment.disable_checkpointing():
            experiment.run()
        assert names(tmp_path) == []
        with pytest.raises(ZeroDivisionError), experiment.disable_checkpointing():
            raise ZeroDivisionError

        experiment.run()

        assert len(names(tmp_path)) == 3

    def test_every_run_counts_anew(self, tmp_path):
        saving = Checkpointing(mode="disk", directory=tmp_path, every_n=2, overwrite=True)
        experiment = build(checkpointing=saving)
        experiment.run()
        experiment.run()

        assert names(tmp_path) == ["train_epoch1.ckpt"]


class TestOfAnExperiment:
    @pytest.mark.parametrize(
        ("hooks", "expected"),
        [
            (["experiment_start", "experiment_end"], ["END", "START"]),
            (["phase_end"], ["a", "b", "c"]),
            (["group_start"], ["group"]),
            (["phase_start", "group_end"], ["a", "b", "c", "group"]),
        ],
    )
    def test_saved_at_the_boundaries_and_gone_on_with_exactly(self, tmp_path, hooks, expected):
        def plan():
            experiment = Experiment("small", seed=4)
            classifier(classes())
            common = {
                "split": "train",
                "sampler": SimpleSampler(batch_size=24, shuffle=True),
                "losses": [cross_entropy()],
            }
            group = PhaseGroup("group", [TrainPhase.from_split("b", **common)])
            test = EvalPhase.from_split("c", split="val", losses=[cross_entropy()])
            experiment.execution_plan.add_items(
                [TrainPhase.from_split("a", n_epochs=2, **common), group, test]
            )
            return experiment

        whole = fresh(plan)
        expected_loss = whole.run()["c"].last_metrics()
        first = fresh(plan)
        first.set_checkpoint_dir(tmp_path)
        first.set_checkpointing(Checkpointing(mode="disk", save_on=hooks))
        first.run()
        assert names(tmp_path) == [f"{name}.ckpt" for name in expected]

        for name in expected:
            again = fresh(plan)
            again.restore_checkpoint(tmp_path / f"{name}.ckpt")
            results = again.resume()
            assert list(results.flatten()) == ["a", "b", "c"], name
            assert results["c"].last_metrics() == expected_loss, name
            assert_equal(final(again), final(whole), name)

    def test_must_save_to_disk_at_hooks_it_has(self):
        with pytest.raises(PhaseError, match="mode='disk'"):
            Experiment("x", checkpointing=Checkpointing(save_on="phase_end"))
        with pytest.raises(PhaseError, match="no hook 'batch_end'"):
            Experiment("x", checkpointing=Checkpointing(mode="disk", save_on="batch_end"))


class TestNames:
    def test_a_name_is_saved_in_the_directory_once(self, tmp_path):
        experiment = build()
        experiment.set_checkpoint_dir(tmp_path / "new")
        path = experiment.save_checkpoint("first", meta={"note": "untrained"})

        assert path == tmp_path / "new" / "first.ckpt"
        assert read_file(path)[1] == {"note": "untrained"}
        with pytest.raises(CheckpointError, match="overwrite=True"):
            experiment.save_checkpoint("first")
        assert experiment.save_checkpoint("first", overwrite=True) == path

    def test_a_directory_is_needed(self, tmp_path):
        with pytest.raises(CheckpointError, match=r"no directory to save 'a' in"):
            build().save_checkpoint("a")
        with pytest.raises(CheckpointError, match="create=True makes it"):
            build2().set_checkpoint_dir(tmp_path / "none", create=False)

    def test_an_unknown_name_suggests_the_nearest(self, tmp_path):
        experiment = build()
        experiment.set_checkpoint_dir(tmp_path)
        experiment.save_checkpoint("epoch-1")

        with pytest.raises(
            CheckpointError, match=r"'epoch-2', by name or path\. Did you mean 'epoch-1'\?$"
        ):
            experiment.restore_checkpoint("epoch-2")

    @pytest.mark.parametrize("form", ["name", "path", "stem", "relative"])
    def test_are_found_by_name_or_path_with_or_without_suffix(self, tmp_path, form):
        experiment = build()
        experiment.set_checkpoint_dir(tmp_path)
        path = experiment.save_checkpoint("state")
        wanted = {
            "name": "state",
            "path": path,
            "stem": str(path.with_suffix("")),
            "relative": "state.ckpt",
        }[form]
        again = fresh(build)
        if form in ("name", "relative"):
            again.set_checkpoint_dir(tmp_path)

        again.restore_checkpoint(wanted)

        assert_equal(final(again), final(experiment))


def build2():
    return fresh(build)


class TestFiles:
    def test_a_graphs_own_checkpoint_restores_the_graph(self, tmp_path):
        experiment = build()
        experiment.run()
        experiment.model_graph.save_checkpoint(tmp_path / "graph.ckpt")
        again = fresh(build)

        again.restore_checkpoint(tmp_path / "graph.ckpt")

        assert_equal(final(again), final(experiment))
        assert again.history == []

    def test_best_weights_are_no_checkpoint(self, tmp_path):
        stopping = EarlyStopping(monitor="train_loss", restore_best=True)
        experiment = build(
            checkpointing=Checkpointing(mode="disk", directory=tmp_path), callbacks=[stopping]
        )
        experiment.run()

        with pytest.raises(FileFormatError, match="is no checkpoint"):
            experiment.restore_checkpoint(next(tmp_path.glob("best-*")))

    @pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign"])
    def test_a_damaged_one_is_named_and_changes_nothing(self, tmp_path, damage):
        experiment = build()
        path = tmp_path / "x.ckpt"
        experiment.write_checkpoint(path)
        data = bytearray(path.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 1
        path.write_bytes(
            {"cut": data[:-50], "empty": b"", "foreign": b"PK nonsense"}.get(damage, data)
        )
        before = experiment.get_state()

        with pytest.raises(FileFormatError, match=r"x\.ckpt"):
            experiment.restore_checkpoint(path)

        assert_equal(experiment.get_state(), before)

    def test_one_that_does_not_fit_is_named_and_changes_nothing(self, tmp_path):
        experiment = build()
        experiment.write_checkpoint(tmp_path / "x.ckpt")
        with ExperimentContext().activate():
            other = Experiment("other", seed=1)
            classifier(classes(), label="another")
            other.model_graph.build()
        before = other.get_state()

        with pytest.raises(CheckpointError, match=r"x\.ckpt does not fit: .*'another'"):
            other.restore_checkpoint(tmp_path / "x.ckpt")

        assert_equal(other.get_state(), before)

    def test_the_wrong_file_is_refused_by_its_hash(self, tmp_path):
        experiment = build()
        saved = experiment.write_checkpoint(tmp_path / "x.ckpt")
        assert saved.bytes == saved.path.stat().st_size

        experiment.restore_checkpoint(saved.path, sha256=saved.sha256)
        with pytest.raises(FileFormatError, match="another file than expected"):
            experiment.restore_checkpoint(saved.path, sha256="0" * 64)

    def test_size_stays_the_same_from_one_to_the_next_and_small(self, tmp_path):
        saving = Checkpointing(mode="disk", directory=tmp_path)
        build(n_epochs=20, checkpointing=saving).run()

        sizes = [path.stat().st_size for path in saving.saved_paths.values()]
        assert max(sizes) - min(sizes) < 1024
        parameters = sum(p.numel() * 4 for p in _parameters())
        assert max(sizes) < 1.1 * 3 * parameters + 32 * 1024

    def test_hold_no_data_and_no_recorded_batches(self, tmp_path):
        experiment = fresh(resumable, n_epochs=3, result_recording="all")
        sizes = []

        class Save(Reporter):
            def epoch_ended(self, *, path, epoch, step):
                saved = experiment.write_checkpoint(tmp_path / f"{epoch}.ckpt")
                sizes.append(saved.bytes)

        experiment.add_reporter(Save())
        experiment.run()

        assert sizes[2] - sizes[0] < 1024
        assert sizes[2] < 40_000

    def test_a_stopped_run_can_be_saved_afterwards(self, tmp_path):
        whole = fresh(build)
        whole.run()
        experiment = fresh(build)

        class Stop(Reporter):
            def batch_ended(self, *, path, epoch, batch, step):
                if step == 4:
                    experiment.request_stop()

        experiment.add_reporter(Stop())
        experiment.run()
        torch.rand(7)  # what the caller does between is not the phase's business
        experiment.write_checkpoint(tmp_path / "stopped.ckpt")
        again = fresh(build)
        again.restore_checkpoint(tmp_path / "stopped.ckpt")
        assert again.cursor == ((0,), 1, 1, 4)

        again.resume()

        assert_equal(final(again), final(whole))


def _parameters():
    from tests.engine.small_experiments import Net

    return Net().parameters()
