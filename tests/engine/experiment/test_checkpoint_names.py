"""By which names checkpoints are found."""

import pytest

from engine.context import ExperimentContext
from engine.errors import CheckpointError
from tests.engine.small_experiments import resumable


def test_an_unknown_name_lists_those_there_are_in_a_new_process_too(tmp_path):
    experiment = resumable()
    experiment.set_checkpoint_dir(tmp_path)
    experiment.save_checkpoint("epoch-1")
    experiment.save_checkpoint("epoch-2")
    (tmp_path / "train").mkdir()
    (tmp_path / "epoch-1.ckpt").rename(tmp_path / "train" / "epoch-1.ckpt")
    (tmp_path / f"best-{'0' * 16}.ckpt").touch()
    (tmp_path / "epoch-2.ckpt").rename(tmp_path / "best-one.ckpt")
    with ExperimentContext().activate():
        later = resumable()
        later.set_checkpoint_dir(tmp_path)
        with pytest.raises(CheckpointError) as caught:
            later.restore_checkpoint("last")
    assert str(caught.value) == (
        "There is no checkpoint 'last', by name or path. Known: best-one, train/epoch-1."
    )
