"""A run that was in another lab is the run that it was."""

import pytest

from tests.tracker.transfer import contents
from tracker.lab import Lab

RUN = "loose/mlp"


@pytest.fixture
def before_and_after(lab_root, there, tmp_path):
    """This test's lab with a run as it was, `before`, and as it came back from another lab."""
    with Lab(lab_root) as here:
        contents.fill(here)
        here.export_bundle(tmp_path / "out", RUN)
        there.import_bundle(tmp_path / "out")
        there.export_bundle(tmp_path / "back", RUN)
        here.delete(RUN)
        here.import_bundle(tmp_path / "back", taken="replace")
        here.restore(RUN, as_="before")
        yield here


def test_nothing_differs(before_and_after, labkeeper):
    result = labkeeper("diff", RUN, "loose/before")

    assert not before_and_after.diff(RUN, "loose/before")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Nothing differs.\n")


def test_another_run_does(before_and_after):
    assert before_and_after.diff(RUN, "digits/mlp")
