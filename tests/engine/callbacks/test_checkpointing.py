import pytest

from engine.callbacks.checkpointing import Checkpointing
from engine.errors import CheckpointError, PhaseError
from engine.experiment import Experiment
from tests.engine.experiment.plans import training
from tests.engine.small_experiments import classes, classifier


def written(path):
    path.write_bytes(b"state")
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "dsk"}, "modes 'memory' and 'disk'"),
        ({"every_n": 0}, "every_n is a count of at least 1, not 0"),
        ({"max_to_keep": 0}, "max_to_keep is a count of at least 1, not 0"),
        ({"save_on": "epoch_ends"}, "Did you mean 'epoch_end'"),
        ({"save_on": ["epoch_end", "phase_strt"]}, "Did you mean 'phase_start'"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(arguments, message):
    with pytest.raises(PhaseError, match=message):
        Checkpointing(**arguments)


def test_each_hook_is_counted_for_itself():
    checkpointing = Checkpointing(save_on=["epoch_end", "batch_end"], every_n=2)

    batches = [checkpointing.should_save("batch_end") for _ in range(4)]
    epochs = [checkpointing.should_save("epoch_end") for _ in range(3)]

    assert batches == [False, True, False, True]
    assert epochs == [False, True, False]
    assert not checkpointing.should_save("phase_end")


class TestNames:
    def test_of_a_training_phase_tell_epochs_and_if_need_be_batches(self):
        by_epoch, by_batch = Checkpointing(), Checkpointing(save_on="batch_end")
        for each in (by_epoch, by_batch):
            each.fit_for_training()

        assert by_epoch.format_name(phase="train", epoch=3, batch=0) == "train_epoch3"
        assert by_batch.format_name(phase="train", epoch=3, batch=7) == "train_epoch3_batch7"

    def test_of_an_experiment_are_its_items_labels(self):
        checkpointing = Checkpointing(mode="disk", save_on="phase_end")
        checkpointing.fit_for_experiment()

        assert checkpointing.format_name(label="train") == "train"

    def test_a_placeholder_that_is_not_filled_in_is_refused_with_those_that_are(self):
        checkpointing = Checkpointing(name_template="{label}")

        with pytest.raises(
            PhaseError, match=r"uses \{label\}.*only \{batch\}, \{epoch\}, \{phase\}"
        ):
            checkpointing.fit_for_training()

    def test_a_training_phase_has_no_groups_and_an_experiment_no_epochs(self):
        with pytest.raises(PhaseError, match="no hook 'group_end' to save on in a TrainPhase"):
            Checkpointing(save_on="group_end").fit_for_training()
        with pytest.raises(PhaseError, match="no hook 'epoch_end' to save on in an Experiment"):
            Checkpointing(mode="disk").fit_for_experiment()

    def test_an_experiment_saves_to_disk_only(self):
        with pytest.raises(PhaseError, match="mode='disk'"):
            Checkpointing(save_on="phase_end").fit_for_experiment()


class TestRetention:
    def test_the_oldest_files_go_and_only_those_it_recorded(self, tmp_path):
        stranger = written(tmp_path / "stranger.ckpt")
        checkpointing = Checkpointing(mode="disk", max_to_keep=2)
        for epoch in range(4):
            checkpointing.record_disk(epoch, written(tmp_path / f"{epoch}.ckpt"))

        assert checkpointing.saved_keys == [2, 3]
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "2.ckpt",
            "3.ckpt",
            stranger.name,
        ]
        assert checkpointing.get_path(3) == tmp_path / "3.ckpt"
        assert checkpointing.get_path(0) is None

    def test_best_weights_stay_as_long_as_a_kept_checkpoint_refers_to_them(self, tmp_path):
        best, better = written(tmp_path / "best-1"), written(tmp_path / "best-2")
        checkpointing = Checkpointing(mode="disk", max_to_keep=2)
        for epoch, of in enumerate([best, best, better]):
            checkpointing.record_disk(epoch, written(tmp_path / f"{epoch}.ckpt"), best=of)
        assert best.exists()

        checkpointing.record_disk(3, written(tmp_path / "3.ckpt"), best=better)

        assert not best.exists()
        assert better.exists()

    def test_a_key_that_is_saved_again_is_the_youngest(self, tmp_path):
        checkpointing = Checkpointing(mode="disk", max_to_keep=2)
        for key in ("a", "b", "a", "c"):
            checkpointing.record_disk(key, written(tmp_path / key))

        assert checkpointing.saved_keys == ["a", "c"]
        assert (tmp_path / "a").exists()

    def test_in_memory_the_oldest_states_are_forgotten(self):
        checkpointing = Checkpointing(max_to_keep=2)
        for epoch in range(3):
            checkpointing.record_memory(epoch, {"epoch": epoch})

        assert checkpointing.saved_keys == [1, 2]
        assert checkpointing.get_state(2) == {"epoch": 2}
        assert checkpointing.get_state(0) is None
        assert not checkpointing.has_key(0)


class TestGoingOn:
    def test_counts_and_files_go_on_as_if_uninterrupted(self, tmp_path):
        first = Checkpointing(mode="disk", every_n=2, max_to_keep=2)
        for epoch in range(3):
            first.should_save("epoch_end")
            first.record_disk(epoch, written(tmp_path / f"{epoch}.ckpt"))
        second = Checkpointing(mode="disk", every_n=2, max_to_keep=2)

        second.set_progress(first.get_progress(tmp_path), tmp_path)

        assert second.should_save("epoch_end")
        second.record_disk(3, written(tmp_path / "3.ckpt"))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["2.ckpt", "3.ckpt"]

    def test_a_checkpoint_counts_itself_while_it_is_written(self, tmp_path):
        checkpointing = Checkpointing(mode="disk")
        with checkpointing.expecting(5, tmp_path / "5.ckpt"):
            progress = checkpointing.get_progress(tmp_path)
        written(tmp_path / "5.ckpt")

        other = Checkpointing(mode="disk")
        other.set_progress(progress, tmp_path)

        assert other.saved_paths == {5: tmp_path / "5.ckpt"}
        assert checkpointing.saved_paths == {}

    @pytest.mark.parametrize("place", [1, 3], ids=["file", "best weights"])
    @pytest.mark.parametrize("name", ["../victim", "/victim", "..", "", "a\\b", "a\0", 3])
    def test_names_that_lead_out_of_the_folder_are_refused_and_change_nothing(
        self, tmp_path, name, place
    ):
        folder, victim = tmp_path / "kept", tmp_path / "victim"
        folder.mkdir()
        victim.write_text("somebody's")
        checkpointing = Checkpointing(mode="disk", max_to_keep=1)
        checkpointing.record_disk("own", written(folder / "own.ckpt"))
        line = ["one", "one.ckpt", None, "best.ckpt"]
        line[place] = str(victim) if name == "/victim" else name
        progress = {"counts": {}, "files": [line], "saving": ["one"]}

        with pytest.raises(CheckpointError, match="no name of a file"):
            checkpointing.set_progress(progress, folder)
        assert checkpointing.saved_paths == {"own": folder / "own.ckpt"}
        checkpointing.record_disk("next", written(folder / "next.ckpt"))
        assert victim.exists()

    def test_a_file_that_nothing_tells_from_another_is_nobodys(self, tmp_path):
        theirs = written(tmp_path / "theirs.ckpt")
        checkpointing = Checkpointing(mode="disk", max_to_keep=1)
        progress = {"counts": {}, "files": [["a", "theirs.ckpt", None]], "saving": []}
        checkpointing.set_progress(progress, tmp_path)
        checkpointing.record_disk("b", written(tmp_path / "b.ckpt"))

        assert theirs.exists()

    def test_files_that_are_gone_or_moved_along_with_their_folder(self, tmp_path):
        before, after = tmp_path / "before", tmp_path / "after"
        before.mkdir()
        checkpointing = Checkpointing(mode="disk")
        for name in ("a", "b"):
            checkpointing.record_disk(name, written(before / name))
        progress = checkpointing.get_progress(before)
        before.rename(after)
        (after / "a").unlink()

        checkpointing.set_progress(progress, after)

        assert checkpointing.saved_paths == {"b": after / "b"}


def test_the_configuration_makes_an_equal_one(tmp_path):
    made = Checkpointing(
        mode="disk", save_on=["epoch_end"], every_n=3, directory=tmp_path, max_to_keep=2
    )

    again = Checkpointing.from_config(made.get_config())

    assert again.get_config() == made.get_config()
    assert again.directory == tmp_path


def test_belongs_to_one_training_phase():
    Experiment("small", seed=4)
    classifier(classes())
    shared = Checkpointing()
    first = training("first", checkpointing=shared)

    with pytest.raises(PhaseError, match="belongs to the phase 'first' already; give 'second'"):
        training("second", checkpointing=shared)
    first.set_checkpointing(shared)
    first.set_checkpointing(None)
    assert training("second", checkpointing=shared).checkpointing is shared
