"""Import killed where its names are taken: what gives way has done so wholly, or not at all."""

import itertools
import shutil

import pytest

from tests.tracker.transfer import contents
from tests.tracker.transfer.test_killed import assert_clean
from tracker.lab import Lab


@pytest.fixture
def bundle(new_lab, tmp_path):
    """Of a pipeline with a run, a run of none, and their sweep."""
    lab = new_lab("here")
    contents.fill(lab, runs=2)
    lab.export_bundle(tmp_path / "all.bundle", everything=True)
    return tmp_path / "all.bundle"


@pytest.fixture
def occupied(new_lab):
    """The root of a lab in which the same names belong to others."""
    lab = new_lab("occupied")
    contents.fill(lab, runs=2)
    lab.close()
    return lab.root


def found_in(lab):
    """All rows; of what is in the trash not the moment when it went there."""
    # A sweep there has it in its name.
    return {
        table: [tuple(_without_moment(cell) for cell in row) for row in rows]
        for table, rows in contents.rows(lab).items()
    }


def _without_moment(cell):
    if isinstance(cell, tuple) and cell[0] == "deleted":
        return "deleted", cell[1] is not None
    if isinstance(cell, tuple) and cell[0] == "name":
        return "name", cell[1].partition("\t")[0]
    return cell


def taken_in(root, bundle, taken):
    """In a copy of the lab, without any kill."""
    with Lab(shutil.copytree(root, root.with_name(f"after-{taken}"))) as lab:
        lab.import_bundle(bundle, taken=taken)
        return found_in(lab)


@pytest.mark.parametrize(
    "step", [229, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
@pytest.mark.parametrize("taken", ["rename", "replace", "skip"])
def test_it_is_before_or_after_and_ends_clean(bundle, occupied, killed_at, taken, step):
    with Lab(occupied) as lab:
        before = found_in(lab)
    after = taken_in(occupied, bundle, taken)
    assert (before == after) is (taken == "skip")
    for number in itertools.count(0, step):
        lab = Lab(shutil.copytree(occupied, occupied.with_name(f"{taken}-{number}")))

        def work(lab=lab):
            return len(Lab(lab.root).import_bundle(bundle, taken=taken).changes)

        ended = killed_at(number, work, files=True)
        assert found_in(lab) in (before, after)
        work()
        assert found_in(lab) == after
        assert_clean(lab)
        lab.close()
        shutil.rmtree(lab.root)
        if ended.signal == 0:
            break
    assert number > 2 * step
