"""What the commands show, from Python."""

import json
import os

import pytest

from tracker.cli.cells import for_json
from tracker.errors import NotFoundError, StateError
from tracker.lab import Lab


@pytest.fixture
def lab(lab_root):
    with Lab(lab_root) as lab:
        yield lab


def test_everything_about_a_run(lab, labkeeper):
    with lab.run("mlp", experiment="digits", params={"lr": 0.1}, tags=["base"], seed=3) as run:
        run.log(val_loss=0.5, step=0, epoch=0)
    found = lab.show("mlp")

    assert found["pipeline"] is None
    assert found["run"]["parameters"] == {"lr": 0.1}
    assert found["run"]["metrics"][0]["best"] == 0.5
    assert found["run"]["sessions"][0]["pid"] == os.getpid()
    assert json.loads(labkeeper("show", "mlp", "--json").stdout) == json.loads(for_json(found))
    with pytest.raises(NotFoundError, match="Did you mean 'mlp'"):
        lab.show("mpl")


def test_all_that_are_running_are_asked_to_stop_or_none(lab):
    with lab.run("one") as one, lab.run("other") as other:
        lab.run("over").finish()
        with pytest.raises(StateError, match="is not running; it is finished"):
            lab.stop("one", "over")
        assert not one.stop_requested
        lab.stop("one", "other")
        assert one.stop_requested
        assert other.stop_requested


def test_a_database_is_checked_and_upgraded(lab_root, labkeeper):
    facts = Lab.check_database(lab_root)

    assert (facts.state, facts.integrity, facts.schema) == ("current", "ok", facts.known)
    assert facts.bytes == facts.path.stat().st_size
    assert json.loads(labkeeper("db", "check", "--json").stdout)["bytes"] == facts.bytes
    assert Lab.upgrade_database(lab_root) is None
