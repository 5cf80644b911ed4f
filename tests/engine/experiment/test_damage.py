"""Damaged, missing and wrong checkpoint files: one error with path and reason, nothing changed."""

import re
import shutil
import zipfile
from pathlib import Path

import pytest

import tests.engine.saving.formats
from engine.context import ExperimentContext
from engine.errors import CheckpointError, FileFormatError
from engine.experiment import Experiment
from tests.engine.saving.formats.make import build
from tests.engine.small_experiments import assert_equal, fresh

STORED = Path(tests.engine.saving.formats.__path__[0]) / "version-1"
CHECKPOINTS = ["experiment.ckpt", "graph.ckpt"]
REASONS = "is damaged|not a file that Labkeeper wrote|is empty|another file than expected"


def regions(path):
    """Names and ranges of all parts of a file: headers, contents, index, hash."""
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        infos, index = archive.infolist(), archive.start_dir
        comment = len(archive.comment)
    found, end = {}, 0
    for info in infos:
        content = info.header_offset + 30 + len(info.filename)
        found[f"header of {info.filename}"] = range(info.header_offset, content)
        found[info.filename] = range(content, content + info.file_size)
        end = content + info.file_size
    # What follows an entry's bytes in a zip that was written in one go.
    found["descriptor"] = range(end, index) if end < index else range(end - 1, end)
    found["index"] = range(index, size - comment - 22)
    found["end of index"] = range(size - comment - 22, size - comment)
    found["version"] = range(size - comment, size - 64)
    found["hash"] = range(size - 64, size)
    return found


PARTS = [(name, part) for name in CHECKPOINTS for part in regions(STORED / name)]


@pytest.fixture(scope="module")
def experiment():
    """Stands in its second epoch; what is refused must leave it there."""
    experiment = fresh(build)
    experiment.restore_checkpoint(STORED / "experiment.ckpt")
    return experiment


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(STORED, tmp_path / "stored")


def refused(experiment, path, reason, error=FileFormatError, about=None):
    before, names = experiment.get_state(), experiment.available_checkpoints
    with pytest.raises(error, match=reason) as caught:
        experiment.restore_checkpoint(path)
    assert str(about or path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_equal(experiment.get_state(), before)
    assert experiment.available_checkpoints == names


@pytest.mark.parametrize(("name", "part"), PARTS)
class TestEveryPart:
    def test_cut_off_at_its_beginning_or_in_its_middle(self, experiment, folder, name, part):
        path = folder / name
        data, place = path.read_bytes(), regions(path)[part]
        for end in {place.start, (place.start + place.stop) // 2, place.stop - 1}:
            path.write_bytes(data[:end])
            refused(experiment, path, REASONS)

    def test_one_byte_is_another(self, experiment, folder, name, part):
        path = folder / name
        data, place = path.read_bytes(), regions(path)[part]
        for at in {place.start, (place.start + place.stop) // 2, place.stop - 1}:
            path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
            refused(experiment, path, REASONS)


class TestBestWeights:
    @pytest.fixture
    def best(self, folder):
        (path,) = folder.glob("best-*")
        return path

    def test_missing(self, experiment, folder, best):
        best.unlink()
        path = folder / "experiment.ckpt"
        refused(
            experiment, path, rf"best weights in {re.escape(best.name)}, and that file is not",
            CheckpointError,
        )  # fmt: skip

    @pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
    def test_damaged_or_replaced(self, experiment, folder, best, damage):
        data = best.read_bytes()
        best.write_bytes(
            {
                "cut": data[:-1],
                "flip": data[:70] + bytes([data[70] ^ 1]) + data[71:],
                "empty": b"",
                "other": (folder / "graph.ckpt").read_bytes(),
            }[damage]
        )
        refused(experiment, folder / "experiment.ckpt", REASONS, about=best)


class TestWrongFiles:
    @pytest.mark.parametrize(
        "name",
        ["points.featureset", "fitted.scaler", "threes.sampler", "halves.splitter"],
    )
    def test_of_another_kind(self, experiment, folder, name):
        refused(experiment, folder / name, "is no checkpoint", TypeError)

    def test_best_weights_alone(self, experiment, folder):
        (best,) = folder.glob("best-*")
        refused(experiment, best, "is no checkpoint")

    def test_of_nobody_we_know(self, experiment, tmp_path):
        path = tmp_path / "x.ckpt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("content.json", "{}")
        refused(experiment, path, "damaged, its end is cut off or overwritten")
        path.write_bytes(b"\x80\x04N.")
        refused(experiment, path, "not a file that Labkeeper wrote")

    def test_a_folder_or_nothing(self, experiment, tmp_path):
        refused(experiment, tmp_path, "There is no checkpoint", CheckpointError)
        refused(experiment, tmp_path / "none", "There is no checkpoint", ValueError)


@pytest.mark.parametrize("part", regions(STORED / "line.experiment"))
def test_a_damaged_experiment_makes_nothing_and_registers_nothing(folder, part):
    path = folder / "line.experiment"
    data, place = path.read_bytes(), regions(path)[part]
    at = (place.start + place.stop) // 2
    for content in (data[:at], data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]):
        path.write_bytes(content)
        with ExperimentContext().activate() as context:
            with pytest.raises(FileFormatError, match=REASONS) as caught:
                Experiment.load(path)
            assert str(path) in str(caught.value)
            assert context.get_experiment() is None
            assert context.available_nodes == {}
