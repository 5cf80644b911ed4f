"""A checkpoint that does not fit on the disk any more: what was saved before it stays."""

import resource

import pytest

from engine.phases.reporting import Reporter
from tests.tracker.pipelines.small_lab import assert_equal_training
from tracker.errors import LabUnusableError

# Weights and Adam's moments of 2 MB, more than the database has.
LARGE = {"epochs": 3, "model.args.hidden": 20_000}
LIMIT = 1_500_000


class Full(Reporter):
    """From the second epoch on no file can be larger than the limit."""

    def batch_ended(self, *, path, epoch, batch, step):
        if (epoch, batch) == (1, 0):
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))


@pytest.fixture(autouse=True)
def limits():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_one_before_it_is_whole_and_gone_on_from(lab, create):
    whole = create("whole", **LARGE)
    whole.train(progress=False)
    pipeline = create("small", **LARGE)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(LabUnusableError, match=r"train-epoch-1-\w+\.ckpt"):
        pipeline.train(reporters=[Full()], progress=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)

    assert pipeline.status == "failed"
    assert pipeline.checkpoint("last").name == "train-epoch-0"
    assert lab.verify().faults == []
    files = list((lab.files.root / "files").rglob("*"))
    assert not [path for path in files if path.name.endswith(".part")]
    assert pipeline.remaining().checkpoint == "train-epoch-0"
    pipeline.resume(progress=False)

    assert_equal_training(lab, whole, pipeline)
