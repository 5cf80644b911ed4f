"""A full disk, and kills at every step of a save: what was saved before can be gone on from."""

import contextlib
import copy
import ctypes
import os
import resource
import signal
from pathlib import Path

import pytest

from engine.callbacks import Checkpointing, EarlyStopping, Evaluation
from engine.experiment import Experiment
from engine.phases import Reporter, TrainPhase
from engine.saving import read_file
from tests.children import in_child  # noqa: F401 - a fixture
from tests.engine.small_experiments import assert_equal, classes, classifier, cross_entropy, fresh

N_EPOCHS = 4


def build(folder, **saving):
    experiment = Experiment("small", seed=4)
    classifier(classes(), lr=0.05)
    validation = Evaluation.from_split(label="val", split="val", losses=[cross_entropy()])
    rules = {"max_to_keep": 1, "best": "val_loss", **saving}
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=_sampler(),
        losses=[cross_entropy()],
        n_epochs=N_EPOCHS,
        callbacks=[validation, EarlyStopping(monitor="val_loss", restore_best=True)],
        checkpointing=Checkpointing(mode="disk", directory=folder, **rules),
        result_recording="none",
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def _sampler():
    from engine.samplers import SimpleSampler

    return SimpleSampler(batch_size=24, shuffle=True)


def final(experiment):
    return copy.deepcopy(experiment.model_graph.get_state())


def checkpoints(folder):
    """What can be gone on from, the newest last, as anybody would find it."""
    return sorted(folder.glob("train_epoch*.ckpt"))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The end of a run that nothing happened to, and the files that it leaves."""
    folder = tmp_path_factory.mktemp("whole")
    experiment = fresh(build, folder=folder)
    experiment.run()
    return final(experiment), names(folder)


def resumed(folder):
    experiment = fresh(build, folder=folder)
    experiment.restore_checkpoint(checkpoints(folder)[-1])
    experiment.resume()
    return final(experiment)


@contextlib.contextmanager
def no_file_larger_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Between(Reporter):
    """Calls a function after the first epoch's checkpoint."""

    def __init__(self, function):
        self.function = function

    def epoch_ended(self, *, path, epoch, step):
        if epoch == 0:
            self.function()


class TestFullDisk:
    @pytest.mark.parametrize("size", [0, 100, 1500, 10_000])
    def test_the_checkpoint_before_stays_whole_and_is_gone_on_from(self, tmp_path, whole, size):
        experiment = fresh(build, folder=tmp_path)
        limits = contextlib.ExitStack()
        experiment.add_reporter(Between(lambda: limits.enter_context(no_file_larger_than(size))))
        before = {}
        experiment.add_reporter(
            Between(lambda: before.update({p.name: p.read_bytes() for p in tmp_path.iterdir()}))
        )
        with limits, pytest.raises(OSError, match=r"File too large: '.*\.ckpt'") as caught:
            experiment.run()

        assert Path(caught.value.filename).parent == tmp_path
        assert experiment.last_run.status == "failed"
        there = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert before.items() <= there.items()
        assert not [name for name in there if name.endswith(".part")]
        assert checkpoints(tmp_path) == [tmp_path / "train_epoch0.ckpt"]
        assert list(experiment.available_checkpoints) == ["train_epoch0"]
        assert_equal(resumed(tmp_path), whole[0])
        assert names(tmp_path) == whole[1]

    def test_a_disk_that_is_really_full(self, tmp_path, in_child):  # noqa: F811 - the fixture
        disk = tmp_path / "disk"
        disk.mkdir()

        def work():
            mount_small_disk(disk, "128k")
            experiment = fresh(build, folder=disk)

            def fill():
                with contextlib.suppress(OSError), (disk / "other").open("wb", 0) as file:
                    while True:
                        file.write(bytes(4096))

            experiment.add_reporter(Between(fill))
            try:
                experiment.run()
            except OSError as error:
                text = f"{error.strerror}: {Path(error.filename).suffix}"
            (disk / "other").unlink()
            again = fresh(build, folder=disk)
            again.restore_checkpoint(disk / "train_epoch0.ckpt")
            again.resume()
            return [text, again.last_run.status, [n for n in names(disk) if "part" in n]]

        ended = in_child(work)
        if "not permitted" in ended.text:
            pytest.skip("mounting is not permitted here")
        assert ended.text == str(["No space left on device: .ckpt", "completed", []])


def mount_small_disk(folder, size):
    """A file system of its own for this process, which ends with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_mount_namespace, private, recursive = 0x20000, 1 << 18, 1 << 14
    done = libc.unshare(new_mount_namespace) or libc.mount(
        b"none", b"/", None, private | recursive, None
    )
    options = f"size={size}".encode()
    if done or libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options):
        raise PermissionError("not permitted")


class Deadly:
    """Kills the process at the n-th of the calls that change what is on the disk."""

    def __init__(self, number):
        self.left = number

    def deadly(self, call):
        def called(*args, **kwargs):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return called

    def install(self):
        os.fsync = self.deadly(os.fsync)
        Path.replace = self.deadly(Path.replace)
        Path.unlink = self.deadly(Path.unlink)


# Companion and checkpoint: each is synced, renamed, and its folder synced; then files are removed.
@pytest.mark.parametrize("number", range(1, 26))
def test_killed_at_any_call_that_changes_the_disk(
    tmp_path,
    whole,
    number,
    in_child,  # noqa: F811 - the fixture
):
    def work():
        experiment = fresh(build, folder=tmp_path)
        Deadly(number).install()
        experiment.run()

    ended = in_child(work)
    assert ended.signal in (signal.SIGKILL, 0), ended.text

    found = checkpoints(tmp_path)
    for path in tmp_path.glob("*.ckpt"):
        read_file(path)  # each is whole
    if not found:
        assert number <= 6  # not even the first one was in place
        return
    assert_equal(resumed(tmp_path), whole[0])
    left = {name for name in names(tmp_path) if not name.endswith(".part")}
    assert left == set(whole[1])
