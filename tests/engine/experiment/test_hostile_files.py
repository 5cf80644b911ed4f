"""What a file can do to whoever loads it: nothing unasked, and nothing by halves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.callbacks import Checkpointing
from engine.context import ExperimentContext
from engine.errors import CheckpointError, FileFormatError, PackagedCodeError, ResolutionError
from engine.experiment import Experiment
from engine.saving import read_file, write_file
from engine.saving.container import CONTENT, Pieces, write_container
from engine.utils import inspect_packaged_code
from tests.engine.experiment.experiments import begun
from tests.engine.small_experiments import Net, fresh, resumable

ROOT = Path(__file__).parents[3]


def load(path, **options):
    return Experiment.load(path, **{"allow_packaged_code": True, **options})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return begun("small", stop=4).save(tmp_path_factory.mktemp("saved") / "it")


def refused(path, match, *, error=FileFormatError, **options):
    with ExperimentContext().activate() as context:
        before = context.get_state()
        with pytest.raises(error, match=match) as caught:
            load(path, **options)
        assert str(path) in str(caught.value)
        assert context.get_state() == before


class TestDamage:
    @pytest.mark.parametrize("share", [0, 0.001, 0.2, 0.5, 0.99])
    def test_by_being_cut_off(self, path, tmp_path, share):
        data = path.read_bytes()
        cut = tmp_path / "cut.experiment"
        cut.write_bytes(data[: int(len(data) * share)])
        refused(cut, "it is empty|cut off|not a file that Labkeeper wrote")

    @pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
    def test_of_one_byte_in_any_region(self, path, tmp_path, share):
        data = bytearray(path.read_bytes())
        data[int(len(data) * share)] ^= 1
        flipped = tmp_path / "flipped.experiment"
        flipped.write_bytes(data)
        refused(flipped, "damaged|not a file that Labkeeper wrote")

    def test_of_another_kind(self, tmp_path):
        other = write_file(tmp_path / "a.experiment", "splitter", {}).path
        refused(other, "it holds a splitter, not an experiment")

    def test_from_a_newer_version(self, tmp_path):
        newer = tmp_path / "newer.experiment"
        with newer.open("wb") as file:
            write_container(file, {CONTENT: Pieces.of([b"{}"])}, version=9000)
        refused(newer, "newer version of Labkeeper")

    def test_that_is_no_file_at_all(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"none\.experiment"):
            load(tmp_path / "none")


def at(value, *place):
    for key in place:
        value = value[key]
    return value


CHANGES = {
    "no state": (lambda saved: saved.pop("state"), "'state'"),
    "no data": (lambda saved: saved.pop("feature_sets"), "'feature_sets'"),
    "no checkpoints": (lambda saved: saved.pop("checkpoints"), "'checkpoints'"),
    "a class of another kind": (
        lambda saved: saved.update({"class": "engine.graph:ModelGraph"}),
        "which is no Experiment",
    ),
    "a plan of other things": (
        lambda saved: at(saved, "config", "execution_plan", "phases", 0).update(
            {"class": "engine.losses:Loss"}
        ),
        "is no ExperimentPhase or PhaseGroup",
    ),
    "checkpointing of another kind": (
        lambda saved: at(saved, "config").update(
            checkpointing={"class": "engine.context:ExperimentContext", "config": {}}
        ),
        "is no Checkpointing",
    ),
    "a sampler of another kind": (
        lambda saved: at(
            saved, "config", "execution_plan", "phases", 0, "config", "input_sources", 0
        ).update(sampler={"class": "engine.experiment:Experiment", "config": {}}),
        "is no BaseSampler",
    ),
    "a sampler that comes later": (
        lambda saved: at(
            saved, "config", "execution_plan", "phases", 0, "config", "input_sources", 0
        ).update(sampler={"same_as": 7}),
        "do not fit",
    ),
    "weights of another shape": (
        lambda saved: at(saved, "state", "graph", "nodes", "net", "model", "weights").update(
            {"layers.0.bias": torch.zeros(3)}
        ),
        "has the shape",
    ),
    "data of another content": (
        lambda saved: at(saved, "feature_sets", 0, "identity").update(fingerprint="0" * 64),
        "its raw columns differ",
    ),
    "a split beyond the samples": (
        lambda saved: at(saved, "feature_sets", 0, "state", "splits").update(train=[10**6]),
        "rows that are not there",
    ),
    "a seed that is none": (lambda saved: saved["state"].update(seed="0"), "do not fit"),
    "a policy that is none": (
        lambda saved: saved["config"].update(registration_policy="take all"),
        "no registration policy",
    ),
    "a position that is none": (lambda saved: saved["state"].update(position=[1]), "do not fit"),
    "metadata of other runs": (lambda saved: saved["metadata"].append({}), "do not fit"),
    "groups without end": (
        lambda saved: saved["config"].update(execution_plan=_deep(90)),
        "do not fit",
    ),
}


def _deep(depth):
    plan = {"label": "p", "phases": 3}
    for _ in range(depth // 4):
        plan = {"label": "g", "phases": [{"class": "engine.phases:PhaseGroup", "config": plan}]}
    return plan


@pytest.mark.parametrize("change", CHANGES)
def test_parts_that_do_not_fit_are_an_error_with_path_and_reason(path, tmp_path, change):
    saved, meta = read_file(path)
    alter, match = CHANGES[change]
    alter(saved)
    forged = write_file(tmp_path / "forged.experiment", "experiment", saved, meta=meta).path
    error = ResolutionError if change == "data of another content" else FileFormatError
    refused(forged, match, error=error)


class TestCode:
    def test_of_others_is_not_run_unasked(self, path, monkeypatch):
        made = []
        monkeypatch.setattr(Net, "__init__", made.append)

        refused(path, "is not ours to run", error=PackagedCodeError, allow_packaged_code=False)
        assert made == []

    def test_of_a_script_goes_along_and_goes_on(self, tmp_path):
        file = tmp_path / "it.experiment"
        program = ["-m", "tests.engine.experiment.programs.scripted", str(file)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *program],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        refused(file, "comes as source code", error=PackagedCodeError, allow_packaged_code=False)
        shown = inspect_packaged_code(file)
        assert {name.partition(":")[2] for name in shown} >= {"Scaled", "distance", "StopAt"}

        with ExperimentContext().activate():
            again = load(file)
            again.resume()

        weights = again.model_graph.get_weights()["net"]
        found = [value.hex() for one in weights.values() for value in one.flatten().tolist()]
        assert found == done.stdout.split()


class TestCheckpoints:
    @pytest.fixture
    def saved(self, tmp_path):
        saving = Checkpointing(mode="disk", save_on="phase_end")
        experiment = fresh(resumable)
        experiment.set_checkpoint_dir(tmp_path / "checkpoints")
        experiment.set_checkpointing(saving)
        inner = Checkpointing(mode="disk", max_to_keep=1)
        experiment.execution_plan.get_train_phase(0).set_checkpointing(inner)
        experiment.run()
        return experiment, experiment.save(tmp_path / "it")

    def test_are_found_where_they_were(self, saved):
        experiment, path = saved
        with ExperimentContext().activate():
            again = load(path)
            assert set(again.available_checkpoints) == {"train_epoch1", "train"}
            assert again.available_checkpoints == experiment.available_checkpoints
            again.restore_checkpoint("train_epoch1")
            assert again.cursor.epoch == 2

    def test_are_found_where_they_are_now(self, saved, tmp_path):
        _, path = saved
        (tmp_path / "checkpoints").rename(tmp_path / "moved")
        with ExperimentContext().activate():
            again = load(path, checkpoint_dir=tmp_path / "moved")
            assert again.available_checkpoints == {
                "train": tmp_path / "moved" / "train.ckpt",
                "train_epoch1": tmp_path / "moved" / "train" / "train_epoch1.ckpt",
            }
            again.restore_checkpoint("train")

    def test_that_are_gone_are_named(self, saved, tmp_path):
        _, path = saved
        (tmp_path / "checkpoints").rename(tmp_path / "moved")
        with ExperimentContext().activate() as context:
            with pytest.warns(UserWarning, match=r"had 2 checkpoints.*checkpoint_dir") as caught:
                again = load(path)
            assert caught[0].filename == __file__
            assert again.available_checkpoints == {}
            assert not (tmp_path / "checkpoints").exists()
            before = context.get_state()
            with pytest.raises(UserWarning, match="had 2 checkpoints"):
                load(path, overwrite=True)
            assert context.get_state() == before

    def test_are_not_looked_for_in_what_is_no_directory(self, saved, tmp_path):
        with pytest.raises(CheckpointError, match="There is no directory"):
            load(saved[1], checkpoint_dir=tmp_path / "nowhere")

    def test_outside_of_the_directory_are_not_reached(self, saved, tmp_path):
        form, meta = read_file(saved[1])
        folder = form["checkpoints"]["directory"]
        (tmp_path / "moved").mkdir()
        secret = tmp_path / "secret.ckpt"
        secret.write_bytes(b"")
        form["checkpoints"]["files"] = {"a": f"{folder}/../secret.ckpt"}
        forged = write_file(tmp_path / "forged.experiment", "experiment", form, meta=meta).path
        with (
            ExperimentContext().activate(),
            pytest.warns(UserWarning, match="had 1 checkpoints"),
        ):
            again = load(forged, checkpoint_dir=tmp_path / "moved")
        assert again.available_checkpoints == {}


def test_a_context_that_registers_nothing_gets_nothing(path):
    with ExperimentContext(registration_policy="no_register").activate() as context:
        before = context.get_state()
        again = load(path)
        assert context.get_state() == before

    assert again.ctx is not context
    again.resume()
    assert again.last_run.status == "completed"


def test_a_disk_that_is_full_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    experiment = begun("small", stop=2)
    target = experiment.save(tmp_path / "it")
    before = target.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left.*it\.experiment"):
        experiment.save(target, overwrite=True)

    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]
